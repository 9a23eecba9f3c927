import type { Resources } from './provider.ts';

/** Arithmetic of instances, vCPUs and MiB. */

export const nothing: Resources = { instances: 0, cores: 0, ram: 0 };

const kinds = ['instances', 'cores', 'ram'] as const;

export function sum(all: Iterable<Resources>): Resources {
  let total = nothing;
  for (const each of all) total = plus(total, each);
  return total;
}

export function plus(a: Resources, b: Resources): Resources {
  return { instances: a.instances + b.instances, cores: a.cores + b.cores, ram: a.ram + b.ram };
}

/** The tighter of two limits, in each dimension. */
export function tighter(a: Partial<Resources>, b: Partial<Resources>): Partial<Resources> {
  const limits: { -readonly [K in keyof Resources]?: number } = {};
  for (const kind of kinds) {
    const [one, other] = [a[kind], b[kind]];
    const least = one === undefined ? other : other === undefined ? one : Math.min(one, other);
    if (least !== undefined) limits[kind] = least;
  }
  return limits;
}

const units = { instances: 'servers', cores: 'vCPUs', ram: 'MiB of RAM' } as const;

/** Why `more` does not go on top of `used`; undefined when it does. */
export function lacks(limits: Partial<Resources>, used: Resources, more: Resources): string | undefined {
  for (const kind of kinds) {
    const limit = limits[kind];
    if (limit === undefined || more[kind] === 0 || used[kind] + more[kind] <= limit) continue;
    return used[kind] === 0
      ? `it wants ${more[kind]} ${units[kind]} and may have ${limit}`
      : `${used[kind]} of ${limit} ${units[kind]} are taken and it wants ${more[kind]}`;
  }
  return undefined;
}

/** How many more instances go in; what has no limit at all has always more. */
export function freeInstances(limits: Partial<Resources>, used: Resources): number {
  return (limits.instances ?? 1_000_000) - used.instances;
}
