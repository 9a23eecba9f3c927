import type { Row, WorldPatch } from '../../pipelines/ports.ts';
import type { Database } from './database.ts';
import { patchRows, readRows } from './rows.ts';
import { fromJson, toText } from './text.ts';

/** What the node pool writes down (its port is PoolRecords of nodepool/records.ts), on the store's database. */
export interface PoolRows {
  all(): Promise<Row[]>;
  get(table: string, key: string): Promise<unknown>;
  commit(patch: WorldPatch): Promise<void>;
}

/** The database must be up to date: open the store first. */
export function poolRows(db: Database): PoolRows {
  return {
    all: () => readRows(db, 'pool'),
    async get(table, key) {
      const [row] = await db.query<{ value: string }>(
        'SELECT value FROM stackgate.pool WHERE tbl = $1 AND key = $2',
        [table, toText(key)],
      );
      return row === undefined ? undefined : fromJson<unknown>(row.value);
    },
    commit: (patch) => db.transaction((sql) => patchRows(sql, 'pool', patch)),
  };
}
