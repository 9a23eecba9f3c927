import type { Fault } from '../../pipelines/fault.ts';
import { digestOf, emptyWorld, worldFrom } from '../../pipelines/world.ts';
import { everySo } from '../../workers/everyso.ts';
import { tell } from '../hands.ts';
import { type House, need, type PartOf } from '../house.ts';

/** How old the world may be that a process without a scheduler shows, ms. */
const AGE = 1_000;

/** The world as another process commits it, read from the store. */
export const world: PartOf = (house) => ({
  name: 'world',
  async start(stop) {
    await read(house);
    const told = (fault: Fault) => tell(house.log, { part: 'world' }, fault);
    return { running: everySo(AGE, () => read(house), told, stop) };
  },
});

async function read(house: House): Promise<void> {
  const { store, site } = need(house, 'core');
  const rows = await store.world();
  const digest = digestOf(rows);
  const known = house.made.world?.config;
  const config =
    digest === undefined ? undefined : known?.digest === digest ? known : await store.config(digest);
  house.made.world = rows.length === 0 ? emptyWorld(site) : worldFrom(rows, config);
}
