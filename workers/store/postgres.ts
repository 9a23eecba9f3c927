import { setTimeout as sleep } from 'node:timers/promises';
import { Client, type ClientBase, type ClientConfig, escapeIdentifier, Pool, types as pgTypes } from 'pg';
import { backoff, Fault } from '../../pipelines/fault.ts';
import type { Claim } from '../../pipelines/ports.ts';
import { type Claims, openClaims } from './claims.ts';
import { type Database, databaseFault, type Hold, type Sql } from './database.ts';
import { openSession, type PgSession } from './session.ts';

/**
 * A PostgreSQL server, for a site of several processes. Queries go through a pool; whatever lives as long as its session
 * (LISTEN, the leader's advisory lock) has a connection of its own.
 */

export interface PostgresOptions {
  readonly url: string;
  /** Most connections of the query pool. */
  readonly connections?: number;
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** How often a follower asks for the leader's lock, ms. */
const LOCK_EVERY = 500;

/** Times and sequence numbers are bigints far below 2^53. */
const INT8 = 20;
const types = {
  getTypeParser: (oid: number): ((text: string) => unknown) =>
    // oxlint-disable-next-line typescript/no-unsafe-enum-assignment -- an oid is any number
    oid === INT8 ? Number : pgTypes.getTypeParser(oid),
};

export async function openPostgres(options: PostgresOptions): Promise<PostgresDatabase> {
  const db = new PostgresDatabase(options);
  try {
    await db.query('SELECT 1');
  } catch (caught) {
    await db[Symbol.asyncDispose]();
    throw caught;
  }
  return db;
}

export class PostgresDatabase implements Database {
  readonly kind = 'postgres';
  readonly url: string;
  readonly #pool: Pool;
  readonly #onError: (error: unknown) => void;
  readonly #closing = new AbortController();
  readonly #lasting = new Set<Client>();
  readonly #sessions = new Set<PgSession>();
  readonly #claims: Claims;

  constructor(options: PostgresOptions) {
    this.url = options.url;
    this.#onError = options.onError ?? (() => undefined);
    this.#claims = openClaims(() => this.#session(), this.#onError);
    this.#pool = new Pool({ ...settings(options.url), types, max: options.connections ?? 10 });
    this.#pool.on('error', this.#onError);
    // A client that is cut off while somebody has it speaks for itself; unheard, that would end the process.
    this.#pool.on('connect', (client) => client.on('error', this.#onError));
  }

  async works(): Promise<void> {
    await this.query('SELECT 1');
  }

  async query<T extends object>(text: string, params?: readonly unknown[]): Promise<T[]> {
    return ask(this.#pool, text, params);
  }

  /** A transaction that PostgreSQL picked to end a deadlock simply starts over. */
  async transaction<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#attempt(work);
      } catch (caught) {
        if (attempt >= 5 || !isConflict(caught)) throw caught;
        await pause(backoff(attempt, 5, 100, Math.random()), this.#closing.signal);
      }
    }
  }

  async #attempt<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    const client = await this.#pool.connect().catch((caught: unknown) => {
      throw databaseFault(caught);
    });
    let broken = true;
    try {
      await ask(client, 'BEGIN');
      const value = await work({ query: (text, params) => ask(client, text, params) });
      await ask(client, 'COMMIT');
      broken = false;
      return value;
    } catch (caught) {
      broken = await client.query('ROLLBACK').then(
        () => false,
        () => true,
      );
      throw caught;
    } finally {
      client.release(broken);
    }
  }

  async script(text: string): Promise<void> {
    await ask(this.#pool, text);
  }

  async listen(
    channel: string,
    listener: (payload: string | undefined) => void,
  ): Promise<() => Promise<void>> {
    const end = new AbortController();
    const name = escapeIdentifier(channel);
    let client = await this.#connect();
    const follow = async (): Promise<void> => {
      for (let failures = 0; !end.signal.aborted && !this.#closing.signal.aborted; ) {
        try {
          client.on('notification', (heard) => listener(heard.payload));
          const ended = new Promise<void>((resolve) => client.once('end', resolve));
          await client.query(`LISTEN ${name}`);
          failures = 0;
          listener(undefined);
          await ended;
        } catch (caught) {
          this.#onError(caught);
        }
        while (!end.signal.aborted && !this.#closing.signal.aborted) {
          failures += 1;
          await pause(backoff(failures, 200, 10_000, Math.random()), this.#closing.signal);
          const next = await this.#connect().catch(this.#onError);
          if (next !== undefined) {
            client = next;
            break;
          }
        }
      }
    };
    const following = follow();
    return async () => {
      end.abort();
      await this.#end(client);
      await following;
    };
  }

  /** An advisory lock of a session: it falls with the connection, so that no dead leader blocks the next one. */
  async hold(name: string, signal: AbortSignal): Promise<Hold> {
    const session = await this.#session();
    try {
      for (;;) {
        if (session.lost.aborted) throw session.lost.reason;
        const [row] = await session.query<{ held: boolean }>(
          'SELECT pg_try_advisory_lock(hashtext($1)) AS held',
          [`stackgate/${name}`],
        );
        if (row?.held === true) return { lost: session.lost, release: () => session.end() };
        await pause(LOCK_EVERY, AbortSignal.any([signal, this.#closing.signal]));
        signal.throwIfAborted();
        this.#closing.signal.throwIfAborted();
      }
    } catch (caught) {
      await session.end();
      throw caught;
    }
  }

  claim(name: string): Promise<Claim | undefined> {
    return this.#claims.claim(name);
  }

  async #session(): Promise<PgSession> {
    const session = await openSession({ ...settings(this.url), types }, this.#onError);
    this.#sessions.add(session);
    session.lost.addEventListener('abort', () => this.#sessions.delete(session), { once: true });
    return session;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort(new Fault('stopped', 'the database is closed'));
    await this.#claims.close();
    await Promise.all([...this.#sessions].map((session) => session.end()));
    await Promise.all([...this.#lasting].map((client) => this.#end(client)));
    await this.#pool.end();
  }

  async #connect(): Promise<Client> {
    const client = new Client({ ...settings(this.url), types });
    client.on('error', this.#onError);
    client.once('end', () => this.#lasting.delete(client));
    try {
      await client.connect();
    } catch (caught) {
      throw databaseFault(caught);
    }
    this.#lasting.add(client);
    return client;
  }

  async #end(client: Client): Promise<void> {
    this.#lasting.delete(client);
    await client.end().catch(this.#onError);
  }
}

/** A dead peer is noticed within half a minute on either side, not after the two hours of the system's default. */
function settings(connectionString: string): ClientConfig {
  return {
    connectionString,
    application_name: 'stackgate',
    connectionTimeoutMillis: 10_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    options:
      '-c search_path=public -c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3',
  };
}

async function ask<T extends object>(
  on: Pool | ClientBase,
  text: string,
  params: readonly unknown[] = [],
): Promise<T[]> {
  try {
    const result = params.length === 0 ? await on.query<T>(text) : await on.query<T>(text, [...params]);
    return result.rows;
  } catch (caught) {
    throw databaseFault(caught);
  }
}

/** Deadlock, or a serialisation failure. */
function isConflict(caught: unknown): boolean {
  return caught instanceof Error && 'code' in caught && (caught.code === '40P01' || caught.code === '40001');
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return sleep(ms, undefined, { signal }).catch(() => undefined);
}
