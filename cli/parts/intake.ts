import { setTimeout as sleep } from 'node:timers/promises';
import type { SiteConfig } from '../../pipelines/ports.ts';
import { ledgerOver } from '../../workers/gerrit/ledger.ts';
import { openIntake } from '../../workers/intake.ts';
import { type House, need, type PartOf } from '../house.ts';

/** ms between looks whether we lead now. */
const LOOK = 100;

/** The event streams of every Gerrit, while this process leads. */
export const intake =
  (wanted: () => SiteConfig): PartOf =>
  (house) => ({
    name: 'intake',
    async start(stop) {
      return { running: listen(house, wanted, stop) };
    },
  });

async function listen(house: House, wanted: () => SiteConfig, stop: AbortSignal): Promise<void> {
  const { made, log } = house;
  const { store } = need(house, 'core');
  const { connections } = need(house, 'gerrits');
  const projects = () => Object.keys(made.world?.config?.layout.projects ?? wanted().layout.projects);
  while (!stop.aborted) {
    const { reign } = made;
    if (reign === undefined || reign.aborted) {
      await sleep(LOOK, undefined, { signal: stop }).catch(() => undefined);
      continue;
    }
    for (const connection of connections)
      made.intakes.push(openIntake({ connection, store, ledger: ledgerOver(store, store), projects, log }));
    await aborted(AbortSignal.any([reign, stop]));
    const ended = made.intakes.splice(0);
    await Promise.all(ended.map((each) => each[Symbol.asyncDispose]()));
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
