import { afterAll, afterEach, beforeAll, describe } from 'vitest';
import { memoryStore } from '../../../workers/memory/store.ts';
import type { Database } from '../../../workers/store/database.ts';
import { openStore, type SqlStore } from '../../../workers/store/store.ts';
import type { TestDatabase } from './openers.ts';
import { storeConformance, storesAgree } from './store.ts';

/** The store's suite on a database, and beside its twin in memory. */
export function storeOnDatabase(name: string, made: () => Promise<TestDatabase<Database>>): void {
  describe(`database ${name}`, () => {
    let databases: TestDatabase<Database>;
    const stores: SqlStore[] = [];
    const closeAll = async (): Promise<void> => {
      for (const store of stores.splice(0)) await store[Symbol.asyncDispose]();
    };
    beforeAll(async () => {
      databases = await made();
    }, 120_000);
    afterEach(closeAll);
    afterAll(async () => {
      await databases[Symbol.asyncDispose]();
    });
    const open = async (now?: () => number): Promise<SqlStore> => {
      const store = await openStore(await databases.fresh(), now);
      stores.push(store);
      return store;
    };
    storeConformance(name, open);
    storesAgree(name, open, async (now) => memoryStore(now));
  });
}
