import { didYouMean } from '../../../jobs/problem.ts';
import type { NodeKind } from '../../provider.ts';
import { CloudMistake } from './refusal.ts';
import type { Session } from './session.ts';
import { type Flavor, Flavors, type Image, Images, type Network, Networks } from './wire.ts';

/**
 * Names of the configuration → ids of the cloud. Asked for once and remembered: they change a few times a year. A request that
 * the cloud calls wrong may have used an old answer, so it `forget`s and is tried again once.
 */
export interface Lookups {
  flavor(kind: NodeKind, signal: AbortSignal): Promise<Flavor>;
  image(kind: NodeKind, signal: AbortSignal): Promise<Image>;
  /** Those named, in their order; without names the only one that is ours, if there is just one. */
  networks(named: readonly string[], signal: AbortSignal): Promise<readonly Network[]>;
  /** The network floating addresses come from; undefined: the cloud has none. */
  external(named: string | undefined, signal: AbortSignal): Promise<Network | undefined>;
  forget(): void;
  /** Anything remembered? */
  readonly warm: boolean;
}

const FRESH = 10 * 60_000;

export function openLookups(session: Session, now: () => number = Date.now): Lookups {
  const flavorsKnown = memory<readonly Flavor[]>(now);
  const networksKnown = memory<readonly Network[]>(now);
  const imagesKnown = memory<Image>(now);

  const flavors = (signal: AbortSignal) =>
    flavorsKnown.get('', async () => {
      const answer = await session.call('compute', { path: '/flavors/detail' }, signal);
      return Flavors.parse(answer).flavors;
    });
  const networks = (signal: AbortSignal) =>
    networksKnown.get(
      '',
      async () => Networks.parse(await session.call('network', { path: '/networks' }, signal)).networks,
    );

  return {
    async flavor({ flavor: name, minRam, label }, signal) {
      const all = await flavors(signal);
      if (minRam === undefined) {
        const exact = all.find((each) => each.name === name) ?? all.find((each) => each.id === name);
        if (exact !== undefined) return exact;
        if (name === undefined)
          throw new CloudMistake(
            `label ${label} names no flavor here: give its image \`flavor-name\` or \`min-ram\``,
          );
        throw new CloudMistake(`the cloud has no flavor ${JSON.stringify(name)}${meant(name, all)}`);
      }
      const enough = all
        .filter((each) => each.ram >= minRam && (name === undefined || each.name.includes(name)))
        .sort((a, b) => a.ram - b.ram || (a.name < b.name ? -1 : 1));
      const [smallest] = enough;
      if (smallest !== undefined) return smallest;
      const like = name === undefined ? '' : ` with ${JSON.stringify(name)} in its name`;
      throw new CloudMistake(`the cloud has no flavor of ${minRam} MiB${like}`);
    },
    async image({ image: name = '', properties }, signal) {
      const id = properties['image-id'];
      const query = typeof id === 'string' ? { id } : { name, sort: 'created_at:desc', limit: 1 };
      return await imagesKnown.get(JSON.stringify(query), async () => {
        const answer = await session.call(
          'image',
          { path: '/images', query: { status: 'active', ...query } },
          signal,
        );
        const [newest] = Images.parse(answer).images;
        if (newest !== undefined) return newest;
        const all = Images.parse(
          await session.call('image', { path: '/images', query: { limit: 200 } }, signal),
        ).images;
        const what = typeof id === 'string' ? id : name;
        throw new CloudMistake(`the cloud has no active image ${JSON.stringify(what)}${meant(what, all)}`);
      });
    },
    async networks(named, signal) {
      const all = await networks(signal);
      const inner = all.filter((network) => network['router:external'] !== true);
      if (named.length === 0) return inner.length === 1 ? inner : [];
      return named.map((name) => {
        const found = all.find((each) => each.name === name) ?? all.find((each) => each.id === name);
        if (found === undefined)
          throw new CloudMistake(`the cloud has no network ${JSON.stringify(name)}${meant(name, all)}`);
        return found;
      });
    },
    async external(named, signal) {
      const all = (await networks(signal)).filter((network) => network['router:external'] === true);
      return named === undefined ? all[0] : (all.find(({ name }) => name === named) ?? all[0]);
    },
    forget() {
      for (const known of [flavorsKnown, networksKnown, imagesKnown]) known.clear();
    },
    get warm() {
      return [flavorsKnown, networksKnown, imagesKnown].some((known) => known.size > 0);
    },
  };
}

interface Memory<T> {
  /** An answer that failed is not kept. */
  get(key: string, ask: () => Promise<T>): Promise<T>;
  clear(): void;
  readonly size: number;
}

function memory<T>(now: () => number): Memory<T> {
  const known = new Map<string, { readonly at: number; readonly value: Promise<T> }>();
  return {
    async get(key, ask) {
      const before = known.get(key);
      if (before !== undefined && now() - before.at < FRESH) return await before.value;
      const value = ask();
      known.set(key, { at: now(), value });
      try {
        return await value;
      } catch (caught) {
        known.delete(key);
        throw caught;
      }
    },
    clear: () => known.clear(),
    get size() {
      return known.size;
    },
  };
}

function meant(name: string, all: readonly { readonly name?: string | null | undefined }[]): string {
  const names = all.flatMap((each) => each.name ?? []);
  const near = didYouMean(name, names);
  if (near !== undefined) return `; did you mean ${JSON.stringify(near)}?`;
  return names.length === 0 ? '' : `; it has ${names.slice(0, 10).join(', ')}`;
}
