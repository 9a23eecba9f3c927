import { setTimeout as sleep } from 'node:timers/promises';
import { asFault } from '../../pipelines/fault.ts';
import { digestOf, emptyWorld, worldFrom } from '../../pipelines/world.ts';
import { tell } from '../hands.ts';
import { type House, need, type PartOf } from '../house.ts';

/** How old the world may be that a process without a scheduler shows, ms. */
const AGE = 1_000;

/** The world as another process commits it, read from the store. */
export const world: PartOf = (house) => ({
  name: 'world',
  async start(stop) {
    await read(house);
    return { running: follow(house, stop) };
  },
});

async function follow(house: House, stop: AbortSignal): Promise<void> {
  while (!stop.aborted) {
    await sleep(AGE, undefined, { signal: stop }).catch(() => undefined);
    if (stop.aborted) return;
    await read(house).catch((caught: unknown) => tell(house.log, { part: 'world' }, asFault(caught)));
  }
}

async function read(house: House): Promise<void> {
  const { store, site } = need(house, 'core');
  const rows = await store.world();
  const digest = digestOf(rows);
  const known = house.made.world?.config;
  const config =
    digest === undefined ? undefined : known?.digest === digest ? known : await store.config(digest);
  house.made.world = rows.length === 0 ? emptyWorld(site) : worldFrom(rows, config);
}
