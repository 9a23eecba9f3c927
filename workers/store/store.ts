import type { ActionKind } from '../../pipelines/action.ts';
import type { Claim, Filed, History, SiteConfig, Store } from '../../pipelines/ports.ts';
import { crashpoint } from '../crashpoint.ts';
import type { Database, Hold, Sql } from './database.ts';
import { findBuild, findHistory } from './history.ts';
import { insertFacts, ledgerOf, tallyOf, unusedFacts } from './inbox.ts';
import { migrate } from './migrate.ts';
import { answerAction, beginAction, cancelledActions, isDoneAction, undoneActions } from './outbox.ts';
import { prune, type Retention } from './prune.ts';
import { readRows } from './rows.ts';
import { forgetSealed, keepSealed, sealedText } from './sealed.ts';
import { fromJson, toText } from './text.ts';
import { writeTurn } from './turn.ts';
import { wakeup } from './wakeup.ts';

/** Said on this channel when facts were filed, for a leader in another process. */
const FILED = 'stackgate_filed';
/** The advisory lock of batches, any number. */
const FILING = 0x5748;

/** What the store keeps besides the port: who we are, and forgetting. */
export interface Keeper {
  /** 16 hex, made once for this database: what makes ids of two sites differ. */
  site(): Promise<string>;
  /** Digest of the configuration that the kernel plans by; undefined: none was in force yet. */
  inForce(): Promise<string | undefined>;
  /** Forgets what is older than the retention says; answers how many rows went. */
  prune(retention: Retention): Promise<number>;
}

export type SqlStore = Store & History & Keeper;

/** Brings the database up to date and opens the store on it. The database stays the caller's, who closes it afterwards. */
export async function openStore(db: Database, now: () => number = Date.now): Promise<SqlStore> {
  await migrate(db);
  const wake = wakeup();
  // In one process the call below is the whole wake-up; between processes it is NOTIFY in the same transaction.
  const apart = db.kind === 'postgres';
  const unlisten = apart ? await db.listen(FILED, () => wake.ring()) : async () => undefined;

  const holds = new Set<Hold>();
  const claims = new Map<string, Claim>();

  async function write<T>(name: string, work: (sql: Sql) => Promise<T>): Promise<T> {
    crashpoint(`store.${name}.before`);
    const value = await db.transaction(work);
    crashpoint(`store.${name}.after`);
    return value;
  }

  async function fileFacts(sql: Sql, facts: readonly Filed[]): Promise<number> {
    // Two that file the same keys in another order would deadlock; batches take turns.
    if (apart && facts.length > 1) await sql.query('SELECT pg_advisory_xact_lock($1)', [FILING]);
    const fresh = await insertFacts(sql, facts, now());
    if (fresh > 0 && apart) await sql.query(`SELECT pg_notify('${FILED}', '')`);
    return fresh;
  }

  return {
    file: async (facts) => {
      const fresh = await write('file', (sql) => fileFacts(sql, facts));
      if (fresh > 0) wake.ring();
      return fresh;
    },
    claim: async (action) => {
      const claim = await db.claim(`action/${action}`);
      if (claim === undefined) return undefined;
      claims.set(action, claim);
      const release = async (): Promise<void> => {
        claims.delete(action);
        await claim.release();
      };
      return { lost: claim.lost, sure: () => claim.sure(), release };
    },
    begin: (action) => write('begin', (sql) => beginAction(sql, action, now())),
    answer: async (action, filed) => {
      const first = await write('answer', async (sql) => {
        if (!(await answerAction(sql, action, now()))) return false;
        if (filed !== undefined) await fileFacts(sql, [filed]);
        return true;
      });
      if (first && filed !== undefined) wake.ring();
      return first;
    },
    unused: (limit) => unusedFacts(db, limit),
    filed: (deadline, signal) => wake.wait(deadline - now(), signal),
    world: () => readRows(db, 'world'),
    commit: (turn) => write('commit', (sql) => writeTurn(sql, turn, now())),
    undone: (kinds?: readonly ActionKind[]) => undoneActions(db, kinds),
    cancelled: () => cancelledActions(db),
    isDone: (action) => isDoneAction(db, action),
    lead: async (signal) => {
      const hold = await db.hold('leader', signal);
      holds.add(hold);
      const resign = async (): Promise<void> => {
        if (holds.delete(hold)) await hold.release();
      };
      try {
        const [row] = await write('lead', (sql) =>
          sql.query<{ epoch: number }>(
            'UPDATE stackgate.leader SET epoch = epoch + 1, since = $1 RETURNING epoch',
            [now()],
          ),
        );
        return { epoch: row?.epoch ?? 0, lost: hold.lost, resign };
      } catch (caught) {
        await resign();
        throw caught;
      }
    },
    effect: async (action) => {
      const [row] = await db.query<{ value: string }>(
        'SELECT value FROM stackgate.effects WHERE action = $1',
        [toText(action)],
      );
      return row === undefined ? undefined : fromJson<unknown>(row.value);
    },
    saveEffect: async (action, value) => {
      await claims.get(action)?.sure();
      await write('effect', (sql) =>
        sql.query(
          `INSERT INTO stackgate.effects (action, value, saved_at) VALUES ($1, $2, $3)
           ON CONFLICT (action) DO UPDATE SET value = excluded.value, saved_at = excluded.saved_at`,
          [toText(action), JSON.stringify(value ?? null), now()],
        ),
      );
    },
    keepSealed: (request, text) => write('seal', (sql) => keepSealed(sql, request, text, now())),
    sealed: (request) => sealedText(db, request),
    forgetSealed: () => write('unseal', (sql) => forgetSealed(sql, now())),
    config: async (digest) => {
      const [row] = await db.query<{ value: string }>(
        'SELECT value FROM stackgate.configs WHERE digest = $1',
        [digest],
      );
      return row === undefined ? undefined : fromJson<SiteConfig>(row.value);
    },
    inForce: async () => {
      const rows = await db.query<{ value: string }>("SELECT value FROM stackgate.world WHERE tbl = 'site'");
      return rows
        .map(({ value }) => fromJson<{ digest?: string }>(value).digest)
        .find((digest) => digest !== undefined);
    },
    saveConfig: async (config) => {
      await write('config', (sql) =>
        sql.query(
          `INSERT INTO stackgate.configs (digest, value, saved_at) VALUES ($1, $2, $3)
           ON CONFLICT (digest) DO UPDATE SET saved_at = excluded.saved_at`,
          [config.digest, JSON.stringify(config), now()],
        ),
      );
    },
    ledger: (query) => ledgerOf(db, query),
    tally: (since) => tallyOf(db, since),
    builds: (query) => findHistory(db, 'build', query),
    build: (uuid) => findBuild(db, uuid),
    items: (query) => findHistory(db, 'item', query),
    reports: (query) => findHistory(db, 'report', query),
    site: async () => {
      const [row] = await db.query<{ site: string }>('SELECT site FROM stackgate.leader');
      return row?.site ?? '';
    },
    prune: (retention) => write('prune', (sql) => prune(sql, retention, now())),
    [Symbol.asyncDispose]: async () => {
      wake.ring();
      for (const hold of holds) await hold.release();
      holds.clear();
      await unlisten();
    },
  };
}
