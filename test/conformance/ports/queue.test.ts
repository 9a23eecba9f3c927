import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { memoryQueue } from '../../../workers/memory/queue.ts';
import { openQueue } from '../../../workers/queue/bullmq.ts';
import { pgliteQueue } from '../../../workers/queue/postgres.ts';
import type { PgliteDatabase } from '../../../workers/store/pglite.ts';
import { type TestDatabase, testPglite } from './openers.ts';
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
