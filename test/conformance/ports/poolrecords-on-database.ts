import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PoolRecords } from '../../../nodepool/records.ts';
import type { Database } from '../../../workers/store/database.ts';
import { migrate } from '../../../workers/store/migrate.ts';
import { poolRows } from '../../../workers/store/pool.ts';
import type { TestDatabase } from './openers.ts';
import { poolRecordsConformance } from './poolrecords.ts';

export function poolRecordsOnDatabase(name: string, made: () => Promise<TestDatabase<Database>>): void {
  describe(`database ${name}`, () => {
    let databases: TestDatabase<Database>;
    beforeAll(async () => {
      databases = await made();
    }, 120_000);
    afterAll(async () => {
      await databases[Symbol.asyncDispose]();
    });
    const open = async (): Promise<PoolRecords> => {
      const db = await databases.fresh();
      await migrate(db);
      return poolRows(db);
    };
    poolRecordsConformance(name, open);

    it('a commit that fails leaves nothing behind', async () => {
      const records = await open();
      const circle: Record<string, unknown> = {};
      circle['self'] = circle;
      const put = [
        { table: 'node', key: 'a', value: 1 },
        { table: 'node', key: 'b', value: circle },
      ];
      await expect(records.commit({ put, drop: [] })).rejects.toThrow('circular');
      expect(await records.all()).toEqual([]);
    });
  });
}
