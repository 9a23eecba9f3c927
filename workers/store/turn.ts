import { Fault } from '../../pipelines/fault.ts';
import type { Turn } from '../../pipelines/ports.ts';
import { crashpoint } from '../crashpoint.ts';
import type { Sql } from './database.ts';
import { insertHistory } from './history.ts';
import { insertActions } from './outbox.ts';
import { patchRows } from './rows.ts';
import { toNote } from './text.ts';

/** What begins a fact's note when the kernel could not digest it. */
export const ASIDE = 'set aside: ';

/** One turn of the ring, inside the caller's transaction. */
export async function writeTurn(sql: Sql, turn: Turn, now: number): Promise<void> {
  await checkEpoch(sql, turn.epoch);
  await useFacts(sql, turn.used, now);
  crashpoint('store.commit.used');
  await patchRows(sql, 'world', turn.world);
  await insertActions(sql, turn.actions, now);
  crashpoint('store.commit.acted');
  await insertHistory(sql, turn.history, now);
}

/** A share lock on the leader's row: a new leader's epoch waits for our commit, or we see it. */
async function checkEpoch(sql: Sql, epoch: number): Promise<void> {
  const [row] = await sql.query<{ epoch: number }>('SELECT epoch FROM stackgate.leader FOR SHARE');
  if (row?.epoch !== epoch) {
    throw new Fault('leader-lost', `a turn of epoch ${epoch} came when epoch ${row?.epoch} leads`, {
      retry: true,
      hint: 'Another scheduler took over; this one starts again as a follower.',
    });
  }
}

async function useFacts(sql: Sql, used: Turn['used'], now: number): Promise<void> {
  if (used.length === 0) return;
  const rows = await sql.query(
    `UPDATE stackgate.facts AS fact SET used_at = $3, note = new.note, aside = starts_with(new.note, $4)
       FROM unnest($1::bigint[], $2::text[]) AS new (seq, note)
      WHERE fact.seq = new.seq AND fact.used_at IS NULL RETURNING 1 AS used`,
    [used.map((entry) => entry.seq), used.map((entry) => toNote(entry.note)), now, ASIDE],
  );
  if (rows.length !== used.length) {
    throw new Fault('leader-lost', `${used.length - rows.length} of a turn's facts were used before`, {
      retry: true,
      hint: 'The turn was written before, or by another scheduler; the world is read again.',
    });
  }
}
