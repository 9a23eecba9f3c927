import type { HistoryQuery, HistoryRow, Row } from '../../pipelines/ports.ts';
import type { Sql } from './database.ts';
import { fromJson, fromText, toNote, toText } from './text.ts';

/** What history is found by: these fields of a value, where the kernel wrote strings there. */
const FOUND_BY = ['uuid', 'job', 'pipeline', 'project', 'change', 'result'] as const;

export async function insertHistory(sql: Sql, rows: readonly Row[], now: number): Promise<void> {
  if (rows.length === 0) return;
  const last = new Map(rows.map((row) => [JSON.stringify([row.table, row.key]), row]));
  const kept = [...last.values()];
  await sql.query(
    `INSERT INTO stackgate.history (tbl, key, at, uuid, job, pipeline, project, change, result, value)
     SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[],
                          $8::text[], $9::text[], $10::text[])
     ON CONFLICT (tbl, key) DO UPDATE SET at = excluded.at, uuid = excluded.uuid, job = excluded.job,
       pipeline = excluded.pipeline, project = excluded.project, change = excluded.change,
       result = excluded.result, value = excluded.value`,
    [
      kept.map((row) => row.table),
      kept.map((row) => toText(row.key)),
      kept.map((row) => finishedAt(row.value, now)),
      ...FOUND_BY.map((name) => kept.map((row) => shortField(row.value, name))),
      kept.map((row) => JSON.stringify(row.value)),
    ],
  );
}

export async function findHistory(sql: Sql, table: string, query: HistoryQuery): Promise<HistoryRow[]> {
  const params: unknown[] = [table, query.before ?? Number.MAX_SAFE_INTEGER, query.limit];
  const where = ['tbl = $1', 'at < $2'];
  for (const name of ['job', 'pipeline', 'project', 'result'] as const) {
    const wanted = query[name];
    if (wanted === undefined) continue;
    params.push(toNote(wanted).slice(0, 500));
    where.push(`${name} = $${params.length}`);
  }
  if (query.change !== undefined) {
    const wanted = toNote(query.change).slice(0, 500);
    params.push(wanted, `${likeText(wanted)},%`);
    where.push(`(change = $${params.length - 1} OR change LIKE $${params.length})`);
  }
  const rows = await sql.query<StoredRow>(
    `SELECT tbl, key, at, value FROM stackgate.history
      WHERE ${where.join(' AND ')} ORDER BY at DESC, key DESC LIMIT $3`,
    params,
  );
  return rows.map(historyRow);
}

export async function findBuild(
  sql: Sql,
  uuid: string,
): Promise<
  { kind: 'found'; row: HistoryRow } | { kind: 'absent' } | { kind: 'ambiguous'; uuids: readonly string[] }
> {
  if (!/^[0-9a-f]{1,32}$/.test(uuid)) return { kind: 'absent' };
  const rows = await sql.query<StoredRow & { uuid: string }>(
    `SELECT tbl, key, at, value, uuid FROM stackgate.history
      WHERE tbl = 'build' AND uuid LIKE $1 ORDER BY uuid, at DESC LIMIT 10`,
    [`${uuid}%`],
  );
  const [first] = rows;
  if (first === undefined) return { kind: 'absent' };
  const uuids = [...new Set(rows.map((row) => row.uuid))];
  if (uuids.length > 1) return { kind: 'ambiguous', uuids };
  return { kind: 'found', row: historyRow(first) };
}

interface StoredRow {
  tbl: string;
  key: string;
  at: number;
  value: string;
}

function historyRow(row: StoredRow): HistoryRow {
  return { table: row.tbl, key: fromText(row.key), at: row.at, value: fromJson<unknown>(row.value) };
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}

/** Short enough for an index entry, storable, and cut the same way when it is asked for. */
export function shortField(value: unknown, name: string): string | null {
  const text = field(value, name);
  return typeof text === 'string' ? toNote(text).slice(0, 500) : null;
}

export function finishedAt(value: unknown, now: number): number {
  for (const name of ['at', 'finishedAt']) {
    const at = field(value, name);
    if (typeof at === 'number' && Number.isFinite(at)) return Math.round(at);
  }
  return now;
}

function likeText(text: string): string {
  return text.replace(/[\\%_]/g, '\\$&');
}
