import { join } from 'node:path';
import type { Logger } from 'pino';
import type { PoolRecords } from '../nodepool/records.ts';
import type { Claim, WorkQueue } from '../pipelines/ports.ts';
import { openQueue } from '../workers/queue/bullmq.ts';
import { pgliteQueue, postgresQueue } from '../workers/queue/postgres.ts';
import type { RedisLink } from '../workers/redis/link.ts';
import type { PgliteDatabase } from '../workers/store/pglite.ts';
import { poolRows } from '../workers/store/pool.ts';
import type { PostgresDatabase } from '../workers/store/postgres.ts';
import { openStore, type SqlStore } from '../workers/store/store.ts';
import { type Watch, watchOver } from '../workers/watch.ts';

/** What every role stands on: the one truth and the wake-ups, on one database or beside it on Redis. */
export interface Core {
  readonly store: SqlStore;
  readonly queue: WorkQueue;
  readonly redis: RedisLink | undefined;
  /** What the node pool writes down. */
  readonly records: PoolRecords;
  /** Takes a part that only one process of the site may play. Undefined: another has it. */
  alone(part: string): Promise<Claim | undefined>;
  /** Random, kept with the database: part of every id that leaves. */
  readonly site: string;
  /** The servers that are needed, by the name their probe has. */
  readonly watches: Readonly<Record<string, Watch>>;
  close(): Promise<void>;
}

export interface CoreSettings {
  readonly data: string;
  /** PostgreSQL. Undefined: inside the process, in a directory that this process alone may use. */
  readonly database: string | undefined;
  /** Redis or Valkey. Undefined: the queues are on the database. */
  readonly redis: string | undefined;
  /** ms that a process of a site may say nothing before what it has in hand goes to another. */
  readonly lostAfter: number;
}

const WAITS = 'Nothing is lost: what waits for it goes on by itself when it is back.';

export async function openCore(settings: CoreSettings, log: Logger): Promise<Core> {
  const watches: Record<string, Watch> = {};
  const onDatabase = (error: unknown) => watches['database']?.trouble(error);
  const onRedis = (error: unknown) => watches['redis']?.trouble(error);
  const db = await openDatabase(settings, onDatabase);
  watches['database'] = watchOver({
    name: 'the database',
    meanwhile: WAITS,
    ask: async () => {
      await db.works();
      return 'answers';
    },
    log,
  });
  const store = await openStore(db);
  const site = await store.site();
  const redis =
    settings.redis === undefined ? undefined : await connectRedis(settings.redis, site, onRedis, log);
  if (redis !== undefined)
    watches['redis'] = watchOver({ name: 'Redis', meanwhile: WAITS, ask: () => redis.ask(), log });
  const queue = await queueOn(db, redis, settings.lostAfter, onDatabase, onRedis);
  return {
    store,
    queue,
    redis,
    records: poolRows(db),
    alone: (part) => db.claim(`part/${part}`),
    site,
    watches,
    async close() {
      for (const watch of Object.values(watches)) await watch.close();
      await queue[Symbol.asyncDispose]();
      await redis?.[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
      await db[Symbol.asyncDispose]();
    },
  };
}

/** Loaded only where it is used: PGlite alone is 100 MB. */
async function openDatabase(
  { data, database }: CoreSettings,
  onError: (error: unknown) => void,
): Promise<PgliteDatabase | PostgresDatabase> {
  if (database === undefined) {
    const { openPglite } = await import('../workers/store/pglite.ts');
    return openPglite({ directory: join(data, 'database'), onError });
  }
  const { openPostgres } = await import('../workers/store/postgres.ts');
  return openPostgres({ url: database, onError });
}

async function connectRedis(
  url: string,
  site: string,
  onError: (error: unknown) => void,
  log: Logger,
): Promise<RedisLink> {
  const { openRedis } = await import('../workers/redis/link.ts');
  return openRedis({ url, site, onError, warn: (message) => log.warn(message) });
}

async function queueOn(
  db: PgliteDatabase | PostgresDatabase,
  redis: RedisLink | undefined,
  lostAfter: number,
  onDatabase: (error: unknown) => void,
  onRedis: (error: unknown) => void,
): Promise<WorkQueue> {
  if (redis !== undefined) {
    const { redisQueue } = await import('../workers/queue/redis.ts');
    return openQueue(redisQueue(redis, lostAfter), { onError: onRedis });
  }
  if (db.kind === 'pglite') return openQueue(pgliteQueue(db), { onError: onDatabase });
  return openQueue(postgresQueue(db, onDatabase, lostAfter), { onError: onDatabase });
}
