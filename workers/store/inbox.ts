import type { Fact } from '../../pipelines/event.ts';
import type { Filed, JournalEntry, LedgerEntry } from '../../pipelines/ports.ts';
import type { Sql } from './database.ts';
import { fromJson, fromText, toKey, toText } from './text.ts';

interface FactRow {
  seq: number;
  key: string;
  body: string;
  raw: string | null;
  filed_at: number;
  used_at: number | null;
  aside: boolean;
  note: string | null;
}

/** Answers how many were new. Their order is the order given. */
export async function insertFacts(sql: Sql, facts: readonly Filed[], now: number): Promise<number> {
  if (facts.length === 0) return 0;
  const rows = await sql.query(
    `INSERT INTO stackgate.facts (key, kind, type, body, raw, filed_at)
     SELECT key, kind, type, body, raw, $6
       FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
            WITH ORDINALITY AS new (key, kind, type, body, raw, place)
      ORDER BY place
     ON CONFLICT (key) DO NOTHING
     RETURNING 1 AS filed`,
    [
      facts.map((filed) => toKey(filed.key)),
      facts.map((filed) => filed.fact.kind),
      facts.map((filed) => ('type' in filed.fact ? toText(filed.fact.type.slice(0, 200)) : null)),
      facts.map((filed) => JSON.stringify(filed.fact)),
      facts.map((filed) => (filed.raw === undefined ? null : toText(filed.raw))),
      now,
    ],
  );
  return rows.length;
}

export async function unusedFacts(sql: Sql, limit: number): Promise<JournalEntry[]> {
  const rows = await sql.query<Pick<FactRow, 'seq' | 'key' | 'body' | 'raw'>>(
    'SELECT seq, key, body, raw FROM stackgate.facts WHERE used_at IS NULL ORDER BY seq LIMIT $1',
    [limit],
  );
  return rows.map((row) => ({ seq: row.seq, ...filedOf(row) }));
}

export async function ledgerOf(
  sql: Sql,
  query: { since?: number; before?: number; kind?: string; type?: string; limit: number },
): Promise<LedgerEntry[]> {
  const rows = await sql.query<FactRow>(
    `SELECT seq, key, body, raw, filed_at, used_at, aside, note FROM stackgate.facts
      WHERE filed_at >= $1 AND seq < $2 AND ($3::text IS NULL OR kind = $3) AND ($4::text IS NULL OR type = $4)
      ORDER BY seq DESC LIMIT $5`,
    [
      query.since ?? 0,
      query.before ?? Number.MAX_SAFE_INTEGER,
      query.kind ?? null,
      query.type === undefined ? null : toText(query.type),
      query.limit,
    ],
  );
  return rows.map((row) => ({
    seq: row.seq,
    ...filedOf(row),
    filedAt: row.filed_at,
    aside: row.aside,
    ...(row.used_at === null ? {} : { usedAt: row.used_at }),
    ...(row.note === null ? {} : { note: row.note }),
  }));
}

export async function tallyOf(
  sql: Sql,
  since: number,
): Promise<{ filed: number; used: number; aside: number; waiting: number }> {
  const [row] = await sql.query<{ filed: number; used: number; aside: number; waiting: number }>(
    `SELECT count(*) AS filed,
            count(*) FILTER (WHERE used_at IS NOT NULL AND NOT aside) AS used,
            count(*) FILTER (WHERE aside) AS aside,
            count(*) FILTER (WHERE used_at IS NULL) AS waiting
       FROM stackgate.facts WHERE filed_at >= $1`,
    [since],
  );
  return row ?? { filed: 0, used: 0, aside: 0, waiting: 0 };
}

function filedOf(row: Pick<FactRow, 'key' | 'body' | 'raw'>): Filed {
  return {
    key: fromText(row.key),
    fact: fromJson<Fact>(row.body),
    ...(row.raw === null ? {} : { raw: fromText(row.raw) }),
  };
}
