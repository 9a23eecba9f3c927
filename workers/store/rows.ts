import type { Row, WorldPatch } from '../../pipelines/ports.ts';
import type { Sql } from './database.ts';
import { fromJson, fromText, toText } from './text.ts';

/** Rows of JSON by table and key: the world, and what the node pool writes down. */
export type RowTable = 'world' | 'pool';

export async function readRows(sql: Sql, table: RowTable): Promise<Row[]> {
  const rows = await sql.query<{ tbl: string; key: string; value: string }>(
    `SELECT tbl, key, value FROM stackgate.${table} ORDER BY tbl, key`,
  );
  return rows.map((row) => ({
    table: row.tbl,
    key: fromText(row.key),
    value: fromJson<unknown>(row.value),
  }));
}

/** Drops, then puts. */
export async function patchRows(sql: Sql, table: RowTable, { put, drop }: WorldPatch): Promise<void> {
  if (drop.length > 0) {
    await sql.query(
      `DELETE FROM stackgate.${table} AS row USING unnest($1::text[], $2::text[]) AS old (tbl, key)
        WHERE row.tbl = old.tbl AND row.key = old.key`,
      [drop.map((row) => row.table), drop.map((row) => toText(row.key))],
    );
  }
  if (put.length > 0) {
    await sql.query(
      `INSERT INTO stackgate.${table} (tbl, key, value)
       SELECT * FROM unnest($1::text[], $2::text[], $3::text[])
       ON CONFLICT (tbl, key) DO UPDATE SET value = excluded.value`,
      columns(put),
    );
  }
}

/** A row written twice in one statement is an error in SQL; the later one is meant. */
function columns(rows: readonly Row[]): [string[], string[], string[]] {
  const last = new Map(rows.map((row) => [JSON.stringify([row.table, row.key]), row]));
  const kept = [...last.values()];
  return [
    kept.map((row) => row.table),
    kept.map((row) => toText(row.key)),
    kept.map((row) => JSON.stringify(row.value)),
  ];
}
