import { join } from 'node:path';
import type { Logger } from 'pino';
import type { WorkQueue } from '../pipelines/ports.ts';
import { openQueue } from '../workers/queue/bullmq.ts';
import { pgliteQueue, postgresQueue } from '../workers/queue/postgres.ts';
import { openPglite } from '../workers/store/pglite.ts';
import { openPostgres } from '../workers/store/postgres.ts';
import { openStore, type SqlStore } from '../workers/store/store.ts';

/** What every role stands on: the one truth and the wake-ups, on one database. */
export interface Core {
  readonly store: SqlStore;
  readonly queue: WorkQueue;
  /** Random, kept with the database: part of every id that leaves. */
  readonly site: string;
  close(): Promise<void>;
}

/** Inside the process when no `url` is given: a directory that this process alone may use. */
export async function openCore(data: string, url: string | undefined, log: Logger): Promise<Core> {
  const onError = (error: unknown) => log.warn({ err: error }, 'database');
  if (url === undefined) {
    const db = await openPglite({ directory: join(data, 'database'), onError });
    const store = await openStore(db);
    const queue = await openQueue(pgliteQueue(db), { onError });
    return core(store, queue, () => db[Symbol.asyncDispose]());
  }
  const db = await openPostgres({ url, onError });
  const store = await openStore(db);
  const queue = await openQueue(postgresQueue(db, onError), { onError });
  return core(store, queue, () => db[Symbol.asyncDispose]());
}

async function core(store: SqlStore, queue: WorkQueue, closeDatabase: () => Promise<void>): Promise<Core> {
  return {
    store,
    queue,
    site: await store.site(),
    async close() {
      await queue[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
      await closeDatabase();
    },
  };
}
