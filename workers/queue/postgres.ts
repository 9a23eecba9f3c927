import { createPostgresBackend, type PgPool, type PostgresConnectionOptions, runMigrations } from 'bullmq';
import { Pool } from 'pg';
import type { PgliteDatabase } from '../store/pglite.ts';
import type { PostgresDatabase } from '../store/postgres.ts';
import { type Broadcast, LOST_AFTER, type QueueBackend, stalledAfter } from './bullmq.ts';
import { pglitePool } from './pool.ts';

/** BullMQ's PostgreSQL backend: on the PGlite of this process, or on a server that several processes share. */

const CANCEL = 'stackgate_cancel';

export function pgliteQueue(db: PgliteDatabase): QueueBackend<PostgresConnectionOptions> {
  const pool = pglitePool(db);
  const heard = new Set<(message: string) => void>();
  return {
    factory: createPostgresBackend,
    connection: pool,
    broadcast: inProcess(heard),
    // Jobs of a dead process are dropped at the start, and no connection can be cut. But while the disk is full nobody can write
    // down that a job failed and shall come again.
    stalled: { lock: 30_000, look: 15_000 },
    prepare: async () => {
      await migrate(pool);
      // Nobody else runs on this database, so whatever is left in the queues belongs to a dead process. The outbox knows.
      await db.script('TRUNCATE bullmq.job, bullmq.event, bullmq.dedup CASCADE');
    },
    close: async () => undefined,
  };
}

export function postgresQueue(
  db: PostgresDatabase,
  onError: (error: unknown) => void,
  lostAfter = LOST_AFTER,
): QueueBackend<PostgresConnectionOptions> {
  const server = new Pool({
    connectionString: db.url,
    application_name: 'stackgate-queue',
    options: '-c search_path=bullmq,public -c synchronous_commit=off',
    keepAlive: true,
    max: 24,
  });
  server.on('error', onError);
  server.on('connect', (client) => client.on('error', onError));
  server.setMaxListeners(0);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- BullMQ's own words for what a pg.Pool is
  const pool = server as unknown as PgPool;
  return {
    factory: createPostgresBackend,
    connection: pool,
    stalled: stalledAfter(lostAfter),
    broadcast: {
      send: async (message) => {
        await db.query('SELECT pg_notify($1, $2)', [CANCEL, message]);
      },
      listen: (heard) => db.listen(CANCEL, (message) => heard(message ?? '')),
    },
    prepare: () => migrate(pool),
    close: () => server.end(),
  };
}

function inProcess(heard: Set<(message: string) => void>): Broadcast {
  return {
    send: async (message) => {
      for (const listener of heard) listener(message);
    },
    listen: async (listener) => {
      heard.add(listener);
      return async () => {
        heard.delete(listener);
      };
    },
  };
}

async function migrate(pool: PgPool): Promise<void> {
  const client = await pool.connect();
  try {
    await runMigrations(client);
  } finally {
    client.release();
  }
}
