import type { z } from 'zod';
import type { Image, NodepoolFile, OpenstackProvider, StaticProvider } from './schema.ts';

/**
 * `pools:` of Nodepool 3 as what the rest of the pool knows: each becomes a provider with a quota of its own, and its labels become
 * labels of that provider. One pool keeps the name of its provider; of several each is `PROVIDER.POOL`.
 */

type File = z.output<typeof NodepoolFile>;
type Entry = File['providers'][number];
type Cloud = z.output<typeof OpenstackProvider>;
type Rack = z.output<typeof StaticProvider>;
type Pool = NonNullable<Cloud['pools']>[number];

export interface Split {
  readonly file: File;
  /** Of each provider the one that it is a pool of. */
  readonly families: ReadonlyMap<string, string>;
}

export function withoutPools(file: File): Split {
  const split = file.providers.map((entry) => ({ entry, parts: partsOf(entry) }));
  const offers = new Map<string, string[]>();
  for (const { entry, parts } of split) {
    if (entry.driver !== 'openstack') continue;
    parts.forEach(({ name }, index) => {
      for (const label of entry.pools?.[index]?.labels ?? [])
        offers.set(label.name, [...(offers.get(label.name) ?? []), name]);
    });
  }
  const labels = file.labels.map((label) => {
    const pools = offers.get(label.name) ?? [];
    return { ...label, providers: [...label.providers, ...pools.map((name) => ({ name }))] };
  });
  const families = split.flatMap(({ entry, parts }) =>
    parts.map(({ name }): [string, string] => [name, entry.name]),
  );
  return {
    file: { ...file, labels, providers: split.flatMap(({ parts }) => parts) },
    families: new Map(families),
  };
}

export function poolName(entry: Entry, pool: { readonly name: string }): string {
  const count = entry.driver === 'command' ? 0 : (entry.pools?.length ?? 0);
  return count > 1 ? `${entry.name}.${pool.name}` : entry.name;
}

function partsOf(entry: Entry): Entry[] {
  if (entry.driver === 'openstack' && entry.pools !== undefined)
    return entry.pools.map((pool) => cloudOf(entry, pool));
  if (entry.driver === 'static' && entry.pools !== undefined)
    return entry.pools.map((pool) => rackOf(entry, pool));
  return [entry];
}

function rackOf(entry: Rack, pool: NonNullable<Rack['pools']>[number]): Rack {
  const { pools: _, ...rest } = entry;
  const { nodes, priority = entry.priority } = pool;
  return { ...rest, name: poolName(entry, pool), priority, nodes };
}

function cloudOf(entry: Cloud, pool: Pool): Cloud {
  const { pools: _, ...rest } = entry;
  const { name: __, labels, ...own } = pool;
  const given = Object.fromEntries(Object.entries(own).filter(([, value]) => value !== undefined));
  const images = labels.map((label) => imageOf(label, entry));
  // They knock at one door, each in its turn.
  const rate = entry.rate * (entry.pools?.length ?? 1);
  return { ...rest, ...given, name: poolName(entry, pool), rate, images };
}

/** An image for each label: what it boots, and how. */
function imageOf(
  label: Pool['labels'][number],
  { 'cloud-images': clouds, diskimages }: Cloud,
): z.output<typeof Image> {
  const { name, 'cloud-image': cloud, diskimage, ...rest } = label;
  const { name: wanted = cloud, ...booted } = clouds.find((each) => each.name === cloud) ?? {};
  const { name: _, pause: __, ...started } = diskimages.find((each) => each.name === diskimage) ?? {};
  return { sudo: true, 'image-name': diskimage ?? wanted, ...started, ...booted, ...rest, name };
}
