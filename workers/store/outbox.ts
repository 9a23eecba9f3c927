import type { Action, ActionKind, CancelAction, StopReason } from '../../pipelines/action.ts';
import type { Begin } from '../../pipelines/ports.ts';
import type { Sql } from './database.ts';
import { fromJson } from './text.ts';

/**
 * The life of an action: wanted → begun → answered, and a cancel may come at any time.
 *
 * - Cancelled before anybody began it: it is done, in the transaction that holds the cancel. Nobody will start it.
 * - Cancelled after: it is marked and stays undone, because something of it may run in the world (a build's supervisor
 *   outlives us). The broadcast reaches the hand that runs it; if that hand died, the action is pushed again after the
 *   restart, and `begin` tells the new hand to undo it.
 * - Its answer, early or late, is filed; the kernel ignores what it no longer waits for.
 */

/** `answered_at` means it has its answer; `done_at` that no hand needs to touch it any more. */
export async function insertActions(sql: Sql, actions: readonly Action[], now: number): Promise<void> {
  if (actions.length === 0) return;
  await sql.query(
    `INSERT INTO stackgate.actions (id, kind, body, wanted_at, done_at)
     SELECT id, kind, body, $4, CASE WHEN kind = 'cancel' THEN $4::bigint END
       FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS new (id, kind, body, place)
      ORDER BY place
     ON CONFLICT (id) DO NOTHING`,
    [
      actions.map((action) => action.id),
      actions.map((action) => action.kind),
      actions.map((action) => JSON.stringify(action)),
      now,
    ],
  );
  const cancels = actions.filter((action): action is CancelAction => action.kind === 'cancel');
  if (cancels.length === 0) return;
  await sql.query(
    `UPDATE stackgate.actions AS act
        SET cancelled_at = $3, reason = new.reason, done_at = CASE WHEN act.begun_at IS NULL THEN $3::bigint END
       FROM unnest($1::text[], $2::text[]) AS new (target, reason)
      WHERE act.id = new.target AND act.done_at IS NULL AND act.cancelled_at IS NULL`,
    [cancels.map((cancel) => cancel.target), cancels.map((cancel) => cancel.reason), now],
  );
}

export async function beginAction(sql: Sql, id: string, now: number): Promise<Begin> {
  const [row] = await sql.query<{ reason: StopReason | null }>(
    `UPDATE stackgate.actions SET begun_at = coalesce(begun_at, $2)
      WHERE id = $1 AND done_at IS NULL RETURNING reason`,
    [id, now],
  );
  if (row === undefined) return { kind: 'done' };
  return row.reason === null ? { kind: 'go' } : { kind: 'stop', reason: row.reason };
}

/** True when this is its first answer; an action that is not ours (any more) has none. */
export async function answerAction(sql: Sql, id: string, now: number): Promise<boolean> {
  const rows = await sql.query<{ answered: boolean }>(
    'SELECT answered_at IS NOT NULL AS answered FROM stackgate.actions WHERE id = $1 FOR UPDATE',
    [id],
  );
  if (rows[0]?.answered === true) return false;
  await sql.query(
    'UPDATE stackgate.actions SET answered_at = $2, done_at = coalesce(done_at, $2) WHERE id = $1',
    [id, now],
  );
  return true;
}

export async function undoneActions(sql: Sql, kinds?: readonly ActionKind[]): Promise<Action[]> {
  const rows = await sql.query<{ body: string }>(
    `SELECT body FROM stackgate.actions
      WHERE done_at IS NULL AND ($1::text[] IS NULL OR kind = ANY ($1::text[])) ORDER BY seq`,
    [kinds === undefined ? null : [...kinds]],
  );
  return rows.map((row) => fromJson<Action>(row.body));
}

export async function cancelledActions(sql: Sql): Promise<{ target: string; reason: StopReason }[]> {
  return sql.query<{ target: string; reason: StopReason }>(
    `SELECT id AS target, reason FROM stackgate.actions
      WHERE done_at IS NULL AND cancelled_at IS NOT NULL ORDER BY seq`,
  );
}

export async function isDoneAction(sql: Sql, id: string): Promise<boolean> {
  const [row] = await sql.query<{ done: boolean }>(
    'SELECT done_at IS NOT NULL AS done FROM stackgate.actions WHERE id = $1',
    [id],
  );
  return row?.done === true;
}
