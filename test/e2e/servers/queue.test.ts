import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { openQueue } from '../../../workers/queue/bullmq.ts';
import { postgresQueue } from '../../../workers/queue/postgres.ts';
import { redisQueue } from '../../../workers/queue/redis.ts';
import { openRedis, type RedisLink } from '../../../workers/redis/link.ts';
import type { PostgresDatabase } from '../../../workers/store/postgres.ts';
import { type TestDatabase, testPostgres } from '../../conformance/ports/openers.ts';
import { queueConformance } from '../../conformance/ports/queue.ts';
import { mail } from '../../conformance/ports/store.ts';
import {
  eventually,
  postgresMissing,
  redisMissing,
  startRedis,
  type TestRedis,
} from '../../harness/servers.ts';

const retry = { first: 20, most: 40 };

describe.skipIf(postgresMissing() !== undefined)('BullMQ over PostgreSQL', () => {
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

describe.skipIf(redisMissing() !== undefined)('BullMQ over Redis', () => {
  let server: TestRedis;
  const links: RedisLink[] = [];
  beforeAll(async () => {
    server = await startRedis();
  }, 60_000);
  afterEach(async () => {
    for (const link of links.splice(0)) await link[Symbol.asyncDispose]();
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
  });
  /** A site of its own for each test: sites that share a server do not meet. */
  const link = async (site = randomBytes(8).toString('hex')): Promise<RedisLink> => {
    const opened = await openRedis({
      url: server.url,
      site,
      onError: () => undefined,
      warn: () => undefined,
    });
    links.push(opened);
    return opened;
  };
  queueConformance('redis', async () => openQueue(redisQueue(await link()), { retry }));

  test('spreads over processes: one runs it, and a cancel reaches it there', async () => {
    const site = randomBytes(8).toString('hex');
    const here = await openQueue(redisQueue(await link(site)), { retry });
    const there = await openQueue(redisQueue(await link(site)), { retry });
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

  test('says that wake-ups are gone when the server forgot them, and takes them again', async () => {
    const opened = await link();
    const queue = await openQueue(redisQueue(opened), { retry });
    let lost = 0;
    queue.onLost(() => {
      lost += 1;
    });
    await queue.push(mail('m'));
    await server.command('flushall');
    await opened.ask();
    expect(lost).toBe(1);
    const got: string[] = [];
    await queue.consume('mail', async ({ id }) => void got.push(id), { concurrency: 1 });
    await queue.push(mail('m'));
    await eventually(() => expect(got).toEqual(['m']));
    await opened.ask();
    expect(lost).toBe(1);
    await queue[Symbol.asyncDispose]();
  });

  test('fails at once while the server is away, and works when it is back', { timeout: 60_000 }, async () => {
    const opened = await link();
    const queue = await openQueue(redisQueue(opened), { retry });
    let lost = 0;
    queue.onLost(() => {
      lost += 1;
    });
    const got: string[] = [];
    await queue.consume('mail', async ({ id }) => void got.push(id), { concurrency: 1 });
    await server.stop('SIGKILL');
    await eventually(async () => {
      const began = performance.now();
      await expect(queue.push(mail('m'))).rejects.toMatchObject({ code: 'queue-away', retry: true });
      expect(performance.now() - began).toBeLessThan(1_000);
    });
    await expect(opened.ask()).rejects.toMatchObject({ code: 'queue-away' });
    await server.start();
    await eventually(() => expect(lost).toBeGreaterThan(0), 20_000);
    await queue.push(mail('m'));
    await eventually(() => expect(got).toEqual(['m']), 20_000);
    await queue[Symbol.asyncDispose]();
  });

  test('is refused where it evicts, with the command that mends it', async () => {
    await server.command('config', 'set', 'maxmemory-policy', 'allkeys-lru');
    try {
      await expect(link()).rejects.toMatchObject({
        code: 'config-invalid',
        hint: expect.stringContaining('CONFIG SET maxmemory-policy noeviction'),
      });
    } finally {
      await server.command('config', 'set', 'maxmemory-policy', 'noeviction');
    }
    const said: string[] = [];
    await server.command('config', 'set', 'appendfsync', 'everysec');
    const opened = await openRedis({
      url: server.url,
      site: 'x',
      onError: () => undefined,
      warn: (line) => void said.push(line),
    });
    links.push(opened);
    await server.command('config', 'set', 'appendfsync', 'always');
    expect(said).toEqual([expect.stringContaining('CONFIG SET appendfsync always')]);
  });
});
