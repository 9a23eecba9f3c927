import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { StartOptions } from '../harness/instance.ts';
import { startPostgres, startRedis } from '../harness/servers.ts';
import { type Expected, judge } from './judge.ts';
import { type Keeper, keep } from './keeper.ts';
import { type Point, type PointResult, pointsOf } from './points.ts';
import { oneOfEverything, settled } from './rounds.ts';
import { type CrashServers, type CrashSite, makeCrashSite } from './site.ts';

/** Killing the processes of a site that runs each role in one of its own, on real servers; and stopping the one that leads. */

const ROLES = ['server', 'scheduler', 'launcher', 'worker'] as const;
type Role = (typeof ROLES)[number];

export interface RolePoint extends Point {
  readonly role: Role;
}

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

interface Cast extends AsyncDisposable {
  readonly site: CrashSite;
  readonly keepers: Readonly<Record<Role, Keeper>>;
}

async function castOf(
  dir: string,
  servers: Servers,
  plain: StartOptions,
  env: (role: Role) => Record<string, string> = () => ({}),
): Promise<Cast> {
  const site = await makeCrashSite(dir, undefined, await servers.site());
  const kept = (role: Role) => keep(site.siteFile, { ...plain, role, env: { ...plain.env, ...env(role) } });
  const keepers = {
    server: kept('server'),
    scheduler: kept('scheduler'),
    launcher: kept('launcher'),
    worker: kept('worker'),
  };
  return {
    site,
    keepers,
    async [Symbol.asyncDispose]() {
      for (const role of ROLES) await keepers[role][Symbol.asyncDispose]();
      await site.gerrit[Symbol.asyncDispose]();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** Runs one round undisturbed and answers the points of each role. */
export async function roleSteps(dir: string, servers: Servers, plain: StartOptions): Promise<RolePoint[]> {
  const trace = (role: Role) => join(dir, `trace-${role}`);
  await using cast = await castOf(dir, servers, plain, (role) => ({ STACKGATE_CRASH_TRACE: trace(role) }));
  const expected = await oneOfEverything(cast.site);
  await settled(cast.site, cast.keepers.server);
  const { violations } = judge(cast.site, expected);
  if (violations.length > 0) throw new Error(`even an undisturbed round fails:\n${violations.join('\n')}`);
  const points: RolePoint[] = [];
  for (const role of ROLES) {
    const counts = new Map<string, number>();
    for (const name of (await readFile(trace(role), 'utf8').catch(() => '')).split('\n'))
      if (name !== '') counts.set(name, (counts.get(name) ?? 0) + 1);
    points.push(...pointsOf(counts).map((point) => ({ ...point, role })));
  }
  return points;
}

/** Takes points until there are none: each kills one process of one role there, while the others live on. */
export async function tryRolePoints(
  dir: string,
  servers: Servers,
  queue: RolePoint[],
  plain: StartOptions,
  told: (result: PointResult) => void,
): Promise<void> {
  if (queue.length === 0) return;
  await using cast = await castOf(dir, servers, plain);
  const expected: Expected[] = [];
  for (let point = queue.shift(); point !== undefined; point = queue.shift()) {
    const keeper = cast.keepers[point.role];
    const before = keeper.deaths;
    await keeper.restart({ env: { STACKGATE_CRASH_AT: `${point.name}:${point.pass}` } });
    const violations = await round(cast, expected);
    const named = { ...point, name: `${point.role} ${point.name}` };
    told({ point: named, died: keeper.deaths > before + 1, violations });
  }
}

/** ms that the leader is stopped: longer than its locks live without a word. */
const STOPPED = 12_000;

/** Stops the scheduler that leads amid a round, lets the second one take over, and wakes it up. */
export async function stopTheLeader(
  dir: string,
  servers: Servers,
  plain: StartOptions,
  rounds: number,
  told: (result: PointResult) => void,
): Promise<void> {
  await using cast = await castOf(dir, servers, plain);
  await using second = keep(cast.site.siteFile, { ...plain, role: 'scheduler' });
  const expected: Expected[] = [];
  const schedulers = [cast.keepers.scheduler, second];
  for (let pass = 1; pass <= rounds; pass++) {
    const ended = round(cast, expected);
    await sleep(300 * pass);
    const leader = await leaderOf(schedulers, Date.now() + cast.site.deadline);
    process.kill(leader, 'SIGSTOP');
    await sleep(STOPPED);
    process.kill(leader, 'SIGCONT');
    told({ point: { name: 'scheduler SIGSTOP', pass }, died: true, violations: await ended });
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

async function round({ site, keepers }: Cast, expected: Expected[]): Promise<readonly string[]> {
  try {
    expected.push(...(await oneOfEverything(site)));
    await settled(site, keepers.server);
    return judge(site, expected).violations;
  } catch (caught) {
    const outputs = ROLES.flatMap((role) =>
      keepers[role].outputs.slice(-1).map((text) => `${role}:\n${text}`),
    );
    return [
      caught instanceof Error ? caught.message : String(caught),
      ...judge(site, expected).violations,
      ...outputs,
    ];
  }
}
