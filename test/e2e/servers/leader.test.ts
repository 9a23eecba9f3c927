import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { dispatcher } from '../../../workers/dispatch.ts';
import { openQueue } from '../../../workers/queue/bullmq.ts';
import { postgresQueue } from '../../../workers/queue/postgres.ts';
import { runScheduler } from '../../../workers/scheduler.ts';
import { openPostgres, type PostgresDatabase } from '../../../workers/store/postgres.ts';
import { openStore, type SqlStore } from '../../../workers/store/store.ts';
import { type TestDatabase, testPostgres } from '../../conformance/ports/openers.ts';
import { toyHands } from '../../conformance/ports/toyhands.ts';
import { arrival, STAGES, toyKernel } from '../../conformance/ports/toykernel.ts';
import { eventually, postgresMissing } from '../../harness/servers.ts';

const clock = { now: () => Date.now() };

/** What one process of a site holds; `worked` gets the id of every action its hands did. */
async function member(url: string, worked: string[], leads: number[]) {
  const db = await openPostgres({ url });
  const store = await openStore(db);
  const queue = await openQueue(postgresQueue(db, () => undefined));
  const stop = new AbortController();
  await toyHands({ store, queue, clock }, (_, id) => void worked.push(id));
  const running = runScheduler(
    {
      store,
      dispatch: dispatcher(store, queue),
      kernel: toyKernel,
      clock,
      site: await store.site(),
      sweepEvery: 1_000,
      log: (line) => {
        if (line.kind === 'leading') leads.push(line.epoch);
      },
    },
    stop.signal,
  );
  return {
    store,
    end: async () => {
      stop.abort();
      await running;
      await queue[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
      await db[Symbol.asyncDispose]();
    },
  };
}

/** A job whose connection was cut just as it was taken comes again when its lock has run out (`stalled` of the queue), and may be cut again. */
const RECOVERY = 150_000;

async function expectWhole(store: SqlStore, events: number): Promise<void> {
  await eventually(async () => expect(await store.items({ limit: 999 })).toHaveLength(events), RECOVERY);
  const facts = events * (1 + STAGES.length);
  expect(await store.tally(0)).toEqual({ filed: facts, used: facts, aside: 0, waiting: 0 });
  expect(await store.undone()).toEqual([]);
}

describe.skipIf(postgresMissing() !== undefined)('a site of several processes on PostgreSQL', () => {
  let databases: TestDatabase<PostgresDatabase>;
  beforeAll(async () => {
    databases = await testPostgres();
  }, 120_000);
  afterAll(async () => {
    await databases[Symbol.asyncDispose]();
  });

  test('is led by one, and by another when that one is cut off', { timeout: RECOVERY + 60_000 }, async () => {
    const admin = await databases.fresh();
    const worked: string[] = [];
    const leads: number[] = [];
    const members = [await member(admin.url, worked, leads), await member(admin.url, worked, leads)];
    const [first] = members;
    if (first === undefined) throw new Error('no member');
    await eventually(() => expect(leads).toHaveLength(1));
    let events = 0;
    for (let round = 1; round <= 4; round++) {
      await first.store.file(Array.from({ length: 15 }, () => arrival((events += 1))));
      const cut = await admin.query(
        `SELECT pg_terminate_backend(pid) FROM pg_locks
          WHERE locktype = 'advisory' AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
      );
      expect(cut.length).toBeGreaterThan(0);
      await eventually(() => expect(leads.length).toBeGreaterThan(round), 15_000);
    }
    await expectWhole(first.store, events);
    expect(leads).toEqual(leads.toSorted((a, b) => a - b));
    expect(new Set(worked).size).toBe(events * STAGES.length);
    for (const one of members) await one.end();
  });

  test('goes on after every connection was cut', { timeout: RECOVERY + 60_000 }, async () => {
    const admin = await databases.fresh();
    const one = await member(admin.url, [], []);
    const events = 40;
    await one.store.file(Array.from({ length: events }, (_, index) => arrival(index)));
    for (let round = 0; round < 3; round++) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      await admin.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
          WHERE datname = current_database() AND pid <> pg_backend_pid()`,
      );
    }
    await expectWhole(one.store, events);
    await one.end();
  });
});
