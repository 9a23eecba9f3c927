import { EventEmitter } from 'node:events';
import type { PgPool, PgPoolClient, PgQueryResult } from 'bullmq';
import type { PgliteDatabase } from '../store/pglite.ts';

/**
 * BullMQ speaks to a `pg.Pool`; this is one whose every client is the one session of PGlite. Three things make it sound:
 *
 * - A client that said BEGIN owns the session until COMMIT or ROLLBACK, or others would write into its transaction.
 * - LISTEN must be recognised behind the comments that BullMQ's statements begin with. It goes to PGlite's own `listen`, and
 *   missed, a job waits five seconds for the next poll.
 * - A text without parameters may be several statements (a migration) and goes through `exec`.
 */
export function pglitePool(db: PgliteDatabase): PgPool & { readonly options: { readonly keepAlive: true } } {
  const pool = new Pool(db);
  return pool;
}

class Pool extends EventEmitter implements PgPool {
  /** What BullMQ looks at to decide how long a worker may block; nothing here can drop silently. */
  readonly options = { keepAlive: true } as const;
  readonly #db: PgliteDatabase;

  constructor(db: PgliteDatabase) {
    super();
    this.#db = db;
    // One pool serves the queue and the worker of every kind.
    this.setMaxListeners(0);
  }

  async query(text: string, params?: readonly unknown[]): Promise<PgQueryResult> {
    return { rows: await this.#db.query(text, params) };
  }

  async connect(): Promise<PgPoolClient> {
    return new PoolClient(this.#db);
  }

  async end(): Promise<void> {}
}

type Statement = 'begin' | 'end' | 'listen' | 'other';

class PoolClient extends EventEmitter implements PgPoolClient {
  readonly #db: PgliteDatabase;
  readonly #unlisten: (() => Promise<void>)[] = [];
  #held: Awaited<ReturnType<PgliteDatabase['acquire']>> | undefined;

  constructor(db: PgliteDatabase) {
    super();
    this.#db = db;
    this.setMaxListeners(0);
  }

  async query(text: string, params?: readonly unknown[]): Promise<PgQueryResult> {
    const { kind, rest } = readStatement(text);
    if (kind === 'listen') {
      const channel = rest.replace(/^listen\s+/i, '').replace(/[";\s]/g, '');
      const unlisten = await this.#db.listen(channel, (payload) => {
        this.emit('notification', { channel, payload: payload ?? '' });
      });
      this.#unlisten.push(unlisten);
      return { rows: [] };
    }
    if (kind === 'begin') this.#held ??= await this.#db.acquire();
    try {
      return { rows: await this.#run(text, params) };
    } finally {
      if (kind === 'end') this.#let();
    }
  }

  async #run(text: string, params: readonly unknown[] | undefined): Promise<Record<string, unknown>[]> {
    const held = this.#held;
    if (held === undefined) return this.#db.query(text, params);
    if (params !== undefined) return held.run(text, params);
    const select = /^select\b/i.test(readStatement(text).rest);
    if (select) return held.run(text);
    await held.exec(text);
    return [];
  }

  release(): void {
    const held = this.#held;
    this.#held = undefined;
    if (held !== undefined) void held.exec('ROLLBACK').finally(() => held.release());
    for (const unlisten of this.#unlisten.splice(0)) void unlisten().catch(() => undefined);
  }

  #let(): void {
    this.#held?.release();
    this.#held = undefined;
  }
}

/** The statement behind leading comments, and what kind it is. */
export function readStatement(text: string): { kind: Statement; rest: string } {
  const rest = text.replace(/^(?:\s+|--[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/)+/, '');
  const word = /^[a-z]+/i.exec(rest)?.[0]?.toLowerCase();
  switch (word) {
    case 'begin':
    case 'start':
      return { kind: 'begin', rest };
    case 'commit':
    case 'rollback':
    case 'end':
      return { kind: 'end', rest };
    case 'listen':
      return { kind: 'listen', rest };
    default:
      return { kind: 'other', rest };
  }
}
