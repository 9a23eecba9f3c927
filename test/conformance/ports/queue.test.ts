import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { memoryQueue } from '../../../workers/memory/queue.ts';
import { openQueue } from '../../../workers/queue/bullmq.ts';
import { pgliteQueue, postgresQueue } from '../../../workers/queue/postgres.ts';
import type { PgliteDatabase } from '../../../workers/store/pglite.ts';
import type { PostgresDatabase } from '../../../workers/store/postgres.ts';
import { eventually, hasPostgres, type TestDatabase, testPglite, testPostgres } from './openers.ts';
import { queueConformance } from './queue.ts';
import { mail } from './store.ts';

const retry = { first: 20, most: 40 };

queueConformance('memory', async () => memoryQueue());

describe('BullMQ over PGlite', () => {
  let databases: TestDatabase<PgliteDatabase>;
  beforeAll(async () => {
    databases = await testPglite();
  }, 120_000);
  afterAll(async () => {
    await databases[Symbol.asyncDispose]();
  });
  queueConformance('pglite', async () => openQueue(pgliteQueue(await databases.fresh()), { retry }));

  test('starts without what a dead process left', async () => {
    const before = await openQueue(pgliteQueue(await databases.fresh()), { retry });
    await before.push(mail('left'));
    await before[Symbol.asyncDispose]();
    const after = await openQueue(pgliteQueue(await databases.fresh()), { retry });
    await after.consume('mail', async () => undefined, { concurrency: 1 });
    expect(await after.counts()).toEqual({ mail: { waiting: 0, running: 0 } });
    await after[Symbol.asyncDispose]();
  });
});

describe.skipIf(!hasPostgres())('BullMQ over PostgreSQL', () => {
  let databases: TestDatabase<PostgresDatabase>;
  beforeAll(async () => {
    databases = await testPostgres();
  }, 120_000);
  afterAll(async () => {
    await databases[Symbol.asyncDispose]();
  });
  const open = async (db: PostgresDatabase) =>
    openQueue(
      postgresQueue(db, () => undefined),
      { retry },
    );
  queueConformance('postgres', async () => open(await databases.fresh()));

  test('spreads over processes: one runs it, and a cancel reaches it there', async () => {
    const db = await databases.fresh();
    const [here, there] = [await open(db), await open(db)];
    const signals: AbortSignal[] = [];
    await there.consume(
      'mail',
      async (_, signal) => {
        signals.push(signal);
        await new Promise<void>((resolve) => {
          signal.addEventListener('abort', () => resolve(), { once: true });
        });
      },
      { concurrency: 2 },
    );
    await here.push(mail('m'));
    await eventually(() => expect(signals).toHaveLength(1));
    await here.cancel('m', 'requested');
    await eventually(() => expect(signals[0]?.aborted).toBe(true));
    await here[Symbol.asyncDispose]();
    await there[Symbol.asyncDispose]();
  });
});
