import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { estimates } from '../cli/estimates.ts';
import { liveBuilds } from '../cli/views.ts';
import type { Row } from '../pipelines/ports.ts';
import { statusOf } from '../pipelines/status.ts';
import { buildServer } from '../server/app.ts';
import { house } from '../test/fakes/house.ts';
import { layout as acme } from '../test/harness/acme.ts';
import { configFrom } from '../test/harness/layout.ts';
import { approve, openRing, push } from '../test/harness/ring.ts';
import { followConsole } from '../workers/logs/live.ts';
import { openPglite } from '../workers/store/pglite.ts';
import { openStore } from '../workers/store/store.ts';

/**
 * What one answer costs everybody else: every page's question to the API, with 10,000 builds in the history (in the database
 * inside the process), 1,000 items in the gate and a console of a million lines. `npx tsx bench/door.bench.ts`
 *
 * For each address: how long the answer took, and the longest time the event loop stood still meanwhile.
 */

const builds = 10_000;
const items = 1_000;
const rounds = 5;

const folder = await mkdtemp(join(tmpdir(), 'stackgate-bench-door-'));
const db = await openPglite({ directory: join(folder, 'database'), onError: console.error });
const store = await openStore(db);
try {
  await fill();
  const ring = openRing(configFrom(acme));
  for (let n = 1; n <= items; n++) {
    push(ring, { number: String(n), project: 'org/project' });
    approve(ring, String(n));
  }
  const test = house();
  test.logs = join(folder, 'logs');
  test.follow = followConsole;
  const estimate = estimates(store, Date.now);
  const ports = {
    ...test.ports(),
    history: store,
    estimate,
    status: (now: number) => statusOf(ring.world, now, 'bench', estimate),
    live: () => liveBuilds(ring.world),
    config: () => ring.world.config,
    now: Date.now,
  };
  const app = buildServer(ports);
  await app.ready();
  const failed = '9'.padStart(32, '0');
  const urls = [
    '/healthz',
    '/status.json',
    '/api/v1/builds',
    '/api/v1/builds?limit=500',
    '/api/v1/builds?job=unit&result=FAILURE',
    '/api/v1/builds?project=org/none',
    '/api/v1/builds?change=7',
    `/api/v1/builds/${failed}`,
    '/api/v1/builds/0000',
    '/api/v1/changes/7',
    '/api/v1/changes/7,1',
    '/api/v1/jobs',
    '/api/v1/jobs/unit',
    '/api/v1/events?limit=500',
    '/api/v1/ledger',
    '/api/v1/config',
    '/metrics',
    '/logs/',
    `/api/v1/builds?job=${'a'.repeat(3_000)}`,
    `/status/change/${'%2C'.repeat(60)}`,
  ];
  const rows = [];
  for (const url of urls) rows.push(await measured(url));
  console.table(rows);
  await app.close();

  async function measured(url: string): Promise<Record<string, unknown>> {
    let best = { took: Number.POSITIVE_INFINITY, stall: Number.POSITIVE_INFINITY };
    let first = 0;
    let size = 0;
    let status = 0;
    for (let n = 0; n < rounds; n++) {
      await new Promise((resolve) => setTimeout(resolve, 1_050));
      const delay = monitorEventLoopDelay({ resolution: 1 });
      delay.enable();
      // The first beat after this is compared with nothing.
      await new Promise((resolve) => setTimeout(resolve, 10));
      delay.reset();
      const begin = performance.now();
      const answer = await app.inject({ url, headers: { 'accept-encoding': 'gzip' } });
      const took = performance.now() - begin;
      await new Promise((resolve) => setTimeout(resolve, 5));
      delay.disable();
      if (n === 0) first = delay.max / 1e6;
      best = { took: Math.min(best.took, took), stall: Math.min(best.stall, delay.max / 1e6) };
      size = answer.rawPayload.length;
      status = answer.statusCode;
    }
    return {
      url: url.slice(0, 60),
      status,
      KiB: Math.round(size / 1024),
      'took ms': Math.round(best.took),
      'longest stall ms': Math.round(best.stall),
      'when first asked': Math.round(first),
    };
  }
} finally {
  await store[Symbol.asyncDispose]();
  await db[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
}

/** The history, and the log of one build that failed after a million lines. */
async function fill(): Promise<void> {
  const { epoch } = await store.lead(AbortSignal.timeout(10_000));
  const at = Date.now() - builds * 1_000;
  for (let from = 0; from < builds; from += 500) {
    const history = Array.from({ length: 500 }, (_, n): Row => {
      const uuid = String(from + n).padStart(32, '0');
      const result = n % 9 === 0 ? 'FAILURE' : 'SUCCESS';
      const change = `${((from + n) % 997) + 1},1`;
      const when = { launchedAt: at, startedAt: at, finishedAt: at + (from + n) * 1_000 };
      const logPath = `07/7/1/check/unit/${uuid.slice(-7)}`;
      const more = { pipeline: 'check', project: 'org/project', change, voting: true, logPath };
      return {
        table: 'build',
        key: uuid,
        value: { uuid, job: n % 3 === 0 ? 'unit' : 'soft', result, ...more, ...when },
      };
    });
    await store.commit({ epoch, used: [], world: { put: [], drop: [] }, actions: [], history });
  }
  const log = join(folder, 'logs/07/7/1/check/unit/0000009');
  await mkdir(log, { recursive: true });
  const lines = `${'a line of a long console, as tests write them'.padEnd(79, '.')}\n`.repeat(1_000_000);
  await writeFile(join(log, 'console.txt'), `${lines}Ended: step 1: tox ended with exit code 1\n`);
  const files = Array.from({ length: 5_000 }, (_, n) => ({
    path: `results/${n}.log`,
    stored: `results/${n}.log.gz`,
    size: n,
  }));
  await writeFile(join(log, 'manifest.json'), JSON.stringify({ params: { A: 'b' }, files }));
}
