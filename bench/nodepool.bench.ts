import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { openLauncher } from '../nodepool/launcher.ts';
import { wallClock } from '../nodepool/timer.ts';
import { fakeCloud } from '../test/fakes/cloud/cloud.ts';
import { poolConfig, requestFor, siteId } from '../test/harness/virtualpool.ts';
import { openPglite } from '../workers/store/pglite.ts';
import { poolRows } from '../workers/store/pool.ts';
import { openStore } from '../workers/store/store.ts';

/**
 * From a request to its node, with a provider that makes machines at once and the embedded database on disk: every step of the
 * way is durable before the next one. `npx tsx bench/nodepool.bench.ts`; `ROUNDS=50` says how often. Nodepool takes about 3 s.
 */
const rounds = Number(process.env['ROUNDS'] ?? 50);
const config = poolConfig('labels: [{name: small, providers: [cloud]}]\nproviders: [{name: cloud, rate: 0}]');
const directory = await mkdtemp(join(tmpdir(), 'stackgate-bench-'));
try {
  const db = await openPglite({ directory: join(directory, 'database') });
  const store = await openStore(db);
  const cloud = fakeCloud('cloud', siteId, {
    quota: 1000,
    bootTime: () => 0,
    latency: () => 0,
    random: Math.random,
    timer: wallClock,
  });
  const pool = await openLauncher({
    site: siteId,
    config,
    providers: [],
    open: () => cloud,
    records: poolRows(db),
    timer: wallClock,
    random: Math.random,
    test: async () => ({ kind: 'fit' }),
  });
  const one: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const from = performance.now();
    const answer = await pool.acquire(requestFor('small'), AbortSignal.timeout(60_000));
    one.push(performance.now() - from);
    if (answer.kind === 'granted') await pool.release(answer.lease.id);
  }
  const from = performance.now();
  const all = Array.from({ length: 200 }, () =>
    pool.acquire(requestFor('small'), AbortSignal.timeout(60_000)),
  );
  for (const answer of await Promise.all(all))
    if (answer.kind === 'granted') await pool.release(answer.lease.id);
  const burst = performance.now() - from;
  one.sort((a, b) => a - b);
  const at = (share: number) => (one[Math.floor(one.length * share)] ?? 0).toFixed(1);
  console.log(
    `request to node: best ${at(0)} ms, median ${at(0.5)} ms, p95 ${at(0.95)} ms (${rounds} rounds)`,
  );
  console.log(`200 at once, lent and given back: ${burst.toFixed(0)} ms`);
  await pool[Symbol.asyncDispose]();
  await store[Symbol.asyncDispose]();
  await db[Symbol.asyncDispose]();
} finally {
  await rm(directory, { recursive: true, force: true });
}
