import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { JobDefinition } from '../../jobs/definition.ts';
import { everySo } from '../../workers/everyso.ts';
import { discard } from '../../workers/logs/discard.ts';
import { keepProblem, sweepLogs } from '../../workers/logs/retention.ts';
import { tell } from '../hands.ts';
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
    const all = async () => (await sweep()) + (await discardBuilds(house, stop));
    return { running: hourly(house, 'old log folders', all, stop) };
  },
});

/** Forgets old rows, once an hour; secret parameters of requests that have ended, soon. */
export const rowUpkeep: PartOf = (house) => ({
  name: 'upkeep',
  async start(stop) {
    const { keep } = house.site.logs;
    const { store } = need(house, 'core');
    const rows = hourly(house, 'old rows', () => store.prune({ facts: keep, history: keep }), stop);
    const secrets = forgetSealed(house, stop);
    return { running: Promise.all([rows, secrets]).then(() => undefined) };
  },
});

/** ms for which the secret parameters of an ended build may still lie in the database. */
const SECRETS = 5_000;

async function forgetSealed({ log, made }: House, stop: AbortSignal): Promise<void> {
  const forget = async (): Promise<void> => {
    if (made.reign?.aborted === false) await made.core?.store.forgetSealed();
  };
  await everySo(SECRETS, forget, (fault) => tell(log, { upkeep: 'secret parameters' }, fault), stop);
}

/** Build discarders of jobs, where they keep less than the site. */
async function discardBuilds(house: House, stop: AbortSignal): Promise<number> {
  const { store } = need(house, 'core');
  // Right after a start nobody has read the world yet.
  for (let wait = 0; wait < 60 && house.made.world?.config === undefined; wait++)
    await sleep(1000, undefined, { signal: stop });
  let changed = 0;
  for (const value of Object.values(house.made.world?.config?.jobs ?? {})) {
    const job = JobDefinition.pick({ name: true, discard: true }).safeParse(value).data;
    if (job?.discard === undefined) continue;
    const rows = await store.builds({ job: job.name, limit: MOST_BUILDS });
    const builds = rows.flatMap((row) => Finished.safeParse(row.value).data ?? []);
    changed += await discard(logsOf(house), builds, job.discard, Date.now());
  }
  return changed;
}

const Finished = z.object({ logPath: z.string(), finishedAt: z.number() });
const MOST_BUILDS = 10_000;

async function hourly(
  { log }: House,
  what: string,
  work: () => Promise<number>,
  stop: AbortSignal,
): Promise<void> {
  const forget = async (): Promise<void> => {
    const count = await work();
    if (count > 0) log.info({ count }, `forgot ${what}`);
  };
  await everySo(HOUR, forget, (fault) => tell(log, { upkeep: what }, fault), stop);
}
