import { setTimeout as sleep } from 'node:timers/promises';
import { type House, need, type PartOf } from '../house.ts';
import type { Opening } from '../reload/opening.ts';
import { createReloads } from '../reload/reloads.ts';
import { configure } from './scheduler.ts';

/** Reads the configuration again when it is told to, and looks for new commits of the data repository. */
export const reloads =
  (opening: Opening): PartOf =>
  (house) => ({
    name: 'reloads',
    async start(stop) {
      house.made.reloads = createReloads(opening, {
        configure: (config) => configure(house, config),
        looked: (problems) => {
          house.made.read = problems;
        },
        log: house.log,
      });
      const { repository } = house.site;
      if (repository === undefined) return {};
      return { running: look(house, repository.every, stop) };
    },
  });

async function look(house: House, every: number, stop: AbortSignal): Promise<void> {
  while (!stop.aborted) {
    await sleep(every, undefined, { signal: stop }).catch(() => undefined);
    if (!stop.aborted) await need(house, 'reloads').reload('repository', stop);
  }
}
