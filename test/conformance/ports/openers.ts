import { openPglite, type PgliteDatabase } from '../../../workers/store/pglite.ts';
import { openPostgres, type PostgresDatabase } from '../../../workers/store/postgres.ts';
import { startPostgres } from '../../harness/servers.ts';

export { eventually } from '../../harness/servers.ts';

/** Databases for conformance runs. Making a cluster takes seconds, so each is made once a file and emptied for each test. */
export interface TestDatabase<D> extends AsyncDisposable {
  /** A database without any table of ours. The one before it is closed by whoever opened it. */
  fresh(): Promise<D>;
}

export async function testPglite(): Promise<TestDatabase<PgliteDatabase>> {
  const db = await openPglite({});
  return {
    fresh: async () => {
      await db.script('DROP SCHEMA IF EXISTS stackgate CASCADE');
      return db;
    },
    [Symbol.asyncDispose]: () => db[Symbol.asyncDispose](),
  };
}

/** A server of our own; each `fresh` is another database of it. */
export async function testPostgres(): Promise<TestDatabase<PostgresDatabase>> {
  const server = await startPostgres();
  const opened: PostgresDatabase[] = [];
  return {
    fresh: async () => {
      const db = await openPostgres({ url: await server.database() });
      opened.push(db);
      return db;
    },
    [Symbol.asyncDispose]: async () => {
      for (const db of opened) await db[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}
