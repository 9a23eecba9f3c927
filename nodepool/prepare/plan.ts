import { createHash } from 'node:crypto';
import type { PoolConfig, ProviderConfig } from '../config/config.ts';
import type { Prepare } from '../config/prepare.ts';
import type { Provider } from '../provider.ts';

/** What `stackgate node prepare LABEL` comes to: which machines, and what they get. Pure. */

export interface Wish {
  /** Only there. */
  readonly provider?: string | undefined;
  /** Save the disk of a new machine as an image; false: only try whether it works. */
  readonly snapshot: boolean;
  /** Hold the machine afterwards. */
  readonly keep: boolean;
}

export interface Target {
  readonly provider: string;
  /** Of machines that are always there: all its places are taken meanwhile. */
  readonly host?: string;
  readonly places: number;
}

export type Planned =
  | {
      readonly kind: 'targets';
      readonly prepare: Prepare;
      readonly targets: readonly Target[];
      /** Providers that are left out, and why. */
      readonly remarks: readonly string[];
    }
  | { readonly kind: 'absent'; readonly reason: string; readonly hint?: string }
  | { readonly kind: 'conflict'; readonly reason: string };

type Desks = ReadonlyMap<string, { readonly provider: Provider; readonly config: ProviderConfig }>;

export function planTargets(label: string, wish: Wish, config: PoolConfig, desks: Desks): Planned {
  const known = [...config.labels.values()].filter(({ base }) => base === undefined);
  const found = known.find(({ name }) => name === label);
  const prepare = found?.prepare;
  if (prepare === undefined) {
    const able = known.filter((each) => each.prepare !== undefined).map(({ name }) => name);
    const list = able.length === 0 ? 'no label has' : `it is there for ${able.join(', ')}`;
    return {
      kind: 'absent',
      reason:
        found === undefined ? `there is no label ${label}` : `the label ${label} has nothing to prepare`,
      hint: `\`prepare:\` of a label in nodepool.yaml says what; ${list}${able.length === 0 ? ' it' : ''}`,
    };
  }
  if (wish.provider !== undefined && !desks.has(wish.provider)) {
    const reason = `there is no provider ${wish.provider}; known: ${[...desks.keys()].join(', ')}`;
    return { kind: 'absent', reason };
  }
  const targets: Target[] = [];
  const remarks: string[] = [];
  for (const [name, desk] of desks) {
    if (wish.provider !== undefined && name !== wish.provider) continue;
    const here = targetsAt(name, desk, label, wish);
    if (typeof here === 'string') remarks.push(here);
    else targets.push(...here);
  }
  if (targets.length > 0) return { kind: 'targets', prepare, targets, remarks };
  return {
    kind: 'conflict',
    reason: remarks.join('; ') || `${wish.provider ?? 'no provider'} offers no machine of the label ${label}`,
  };
}

function targetsAt(
  name: string,
  { provider, config }: { readonly provider: Provider; readonly config: ProviderConfig },
  label: string,
  { snapshot }: Wish,
): Target[] | string {
  if (provider.places === undefined) {
    if (!config.kinds.has(label)) return [];
    if (config.disabled !== undefined) return `${name} is out of use: ${config.disabled}`;
    if (!snapshot || provider.snapshot !== undefined) return [{ provider: name, places: 1 }];
    return `${name} cannot save images (a command provider needs \`snapshot\`); --no-snapshot only tries the preparation`;
  }
  const mine = provider.places.filter(({ labels, host }) => labels.includes(label) || host === label);
  if (mine.length === 0) return [];
  if (provider.driver === 'local') return `${name} is this machine: what it has is up to whoever installs it`;
  return [...new Set(mine.map(({ host }) => host))].map((host) => ({
    provider: name,
    host,
    places: mine.filter((place) => place.host === host).length,
  }));
}

/** sha256 of everything that is prepared: another one means that an image is out of date. */
export function digestOf(parts: {
  readonly scripts: readonly { readonly name: string; readonly text: string }[];
  readonly downloads: Prepare['downloads'];
  readonly projects: readonly string[];
  readonly ready: string | undefined;
}): string {
  const { scripts, downloads, projects, ready } = parts;
  const texts = scripts.map(({ text }) => text);
  const all = [texts, downloads.map(({ sha256, to }) => [sha256, to]), projects.toSorted(), ready ?? null];
  return createHash('sha256').update(JSON.stringify(all)).digest('hex');
}
