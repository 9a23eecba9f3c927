import type { Sql } from './database.ts';

/** Ages in ms. Facts that wait and actions that are not done are never forgotten. */
export interface Retention {
  readonly facts: number;
  readonly history: number;
}

/**
 * What identity rests on stays longest: a key or an action id that comes again after it was forgotten would count as new, so
 * facts should be kept well beyond the farthest a reconcile looks back. Actions and their effects go with the facts.
 */
export async function prune(sql: Sql, retention: Retention, now: number): Promise<number> {
  const facts = now - retention.facts;
  const statements: [string, unknown[]][] = [
    [
      `DELETE FROM stackgate.facts WHERE used_at < $1
          AND seq <> coalesce((SELECT max(seq) FROM stackgate.facts WHERE kind = 'Configured'), 0) RETURNING 1 AS gone`,
      [facts],
    ],
    ['DELETE FROM stackgate.actions WHERE done_at < $1 RETURNING 1 AS gone', [facts]],
    [
      `DELETE FROM stackgate.effects WHERE saved_at < $1
          AND NOT EXISTS (SELECT 1 FROM stackgate.actions WHERE id = action AND done_at IS NULL) RETURNING 1 AS gone`,
      [facts],
    ],
    ['DELETE FROM stackgate.history WHERE at < $1 RETURNING 1 AS gone', [now - retention.history]],
  ];
  let gone = 0;
  for (const [statement, params] of statements) gone += (await sql.query(statement, params)).length;
  return gone;
}
