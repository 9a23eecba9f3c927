import { setTimeout as sleep } from 'node:timers/promises';
import { keepProblem, sweepLogs } from '../../workers/logs/retention.ts';
import { type House, logsOf, need, type PartOf } from '../house.ts';

const HOUR = 3_600_000;

/** Forgets old logs where the logs are, once an hour. */
export const logUpkeep: PartOf = (house) => ({
  name: 'logs',
  async start(stop) {
    const { keep } = house.site.logs;
    const problem = keepProblem(keep);
    if (problem !== undefined) house.log.warn(problem.message);
    const sweep = () => sweepLogs(logsOf(house), keep, Date.now(), stop);
    return { running: hourly(house, 'old log folders', sweep, stop) };
  },
});

/** Forgets old rows, once an hour. */
export const rowUpkeep: PartOf = (house) => ({
  name: 'upkeep',
  async start(stop) {
    const { keep } = house.site.logs;
    const { store } = need(house, 'core');
    return { running: hourly(house, 'old rows', () => store.prune({ facts: keep, history: keep }), stop) };
  },
});

async function hourly(
  { log }: House,
  what: string,
  work: () => Promise<number>,
  stop: AbortSignal,
): Promise<void> {
  while (!stop.aborted) {
    try {
      const count = await work();
      if (count > 0) log.info({ count }, `forgot ${what}`);
    } catch (caught) {
      if (!stop.aborted) log.warn({ err: caught }, what);
    }
    await sleep(HOUR, undefined, { signal: stop }).catch(() => undefined);
  }
}
