import { setTimeout as sleep } from 'node:timers/promises';
import type { StartOptions } from '../harness/instance.ts';
import { startPostgres, startRedis } from '../harness/servers.ts';
import { castOf, ROLES, type Stage } from './cast.ts';
import { type Expected, judge } from './judge.ts';
import { type Keeper, keep } from './keeper.ts';
import { type PointResult, round } from './points.ts';
import type { CrashServers } from './site.ts';

/** A site that runs each role in a process of its own, on real servers; and stopping the scheduler that leads. */

export interface Servers extends AsyncDisposable {
  /** For one more site: sites share the servers and do not meet. */
  site(): Promise<CrashServers>;
}

export async function crashServers(): Promise<Servers> {
  const [postgres, redis] = await Promise.all([startPostgres(), startRedis()]);
  return {
    site: async () => ({ databaseUrl: await postgres.database(), redisUrl: redis.url }),
    async [Symbol.asyncDispose]() {
      await redis[Symbol.asyncDispose]();
      await postgres[Symbol.asyncDispose]();
    },
  };
}

export function apart(servers: Servers, plain: StartOptions = {}): Stage {
  return { roles: ROLES, plain, site: async () => ({ servers: await servers.site() }) };
}

/** ms that the leader is stopped: longer than its locks live without a word. */
const STOPPED = 12_000;
const WOKEN = 1_000;

/** Stops the scheduler that leads amid a round, lets the second one take over, and wakes it up. */
export async function stopTheLeader(
  dir: string,
  stage: Stage,
  rounds: number,
  told: (result: PointResult) => void,
): Promise<void> {
  await using cast = await castOf(dir, stage);
  await using second = keep(cast.site.siteFile, { ...stage.plain, role: 'scheduler' });
  const expected: Expected[] = [];
  const schedulers = [cast.keeper('scheduler'), second];
  for (let pass = 1; pass <= rounds; pass++) {
    const ended = round(cast, expected);
    await sleep(300 * (1 + (pass % 10)));
    const leader = await leaderOf(schedulers, Date.now() + cast.site.deadline);
    process.kill(leader, 'SIGSTOP');
    await sleep(STOPPED);
    process.kill(leader, 'SIGCONT');
    const point = { role: 'scheduler', name: 'SIGSTOP', pass } as const;
    const violations = await ended;
    // What the woken one still tries to say and write.
    await sleep(WOKEN);
    told({ point, died: true, violations: [...violations, ...judge(cast.site, expected).violations] });
  }
}

async function leaderOf(schedulers: readonly Keeper[], until: number): Promise<number> {
  while (Date.now() < until) {
    for (const keeper of schedulers) {
      const instance = await keeper.ready(until - Date.now());
      const text = await instance.get('/metrics').then((answer) => answer.text());
      if (/^stackgate_leading 1$/m.test(text)) return instance.pid;
    }
    await sleep(50);
  }
  throw new Error('no scheduler leads');
}
