import { Fault } from '../../pipelines/fault.ts';
import type { Claim } from '../../pipelines/ports.ts';

/**
 * What the store needs of a database: the same SQL goes to PGlite (in this process) and to a PostgreSQL server.
 *
 * Durability is a property of `transaction`: when it resolves, its writes survive SIGKILL and loss of power. A bare `query`
 * is for reads only (on PGlite a write through it might be lost with the process, see pglite.ts).
 */
export interface Sql {
  query<T extends object = Record<string, unknown>>(text: string, params?: readonly unknown[]): Promise<T[]>;
}

export interface Database extends Sql, AsyncDisposable {
  readonly kind: 'pglite' | 'postgres';
  transaction<T>(work: (sql: Sql) => Promise<T>): Promise<T>;
  /** Runs several statements without parameters, such as a migration. */
  script(text: string): Promise<void>;
  /**
   * Calls `listener` for each notification on `channel`, whoever sent it; also after a lost connection came back, with
   * `undefined`, because nobody knows what was said meanwhile. The answer ends it.
   */
  listen(channel: string, listener: (payload: string | undefined) => void): Promise<() => Promise<void>>;
  /** Waits until nobody else holds `name`. `lost` aborts when it is no longer certain that we do. */
  hold(name: string, signal: AbortSignal): Promise<Hold>;
  /** Takes `name` if nobody has it, in this process or another. */
  claim(name: string): Promise<Claim | undefined>;
  /** Resolves when it answers and can write; the Fault says why not. */
  works(): Promise<void>;
}

export interface Hold {
  readonly lost: AbortSignal;
  release(): Promise<void>;
}

/** One caller at a time, in the order they came. */
export class Mutex {
  #last: Promise<void> = Promise.resolve();

  /** Resolves when it is our turn; the answer ends it. */
  async lock(): Promise<() => void> {
    const before = this.#last;
    let unlock: () => void = () => undefined;
    this.#last = new Promise((resolve) => {
      unlock = resolve;
    });
    await before;
    return unlock;
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    const unlock = await this.lock();
    try {
      return await work();
    } finally {
      unlock();
    }
  }
}

/** Claims where there is but one process: what it has in hand, it has. */
export function ownClaims(): (name: string) => Claim | undefined {
  const held = new Set<string>();
  return (name) => {
    if (held.has(name)) return undefined;
    held.add(name);
    return {
      lost: new AbortController().signal,
      sure: async () => undefined,
      release: async () => {
        held.delete(name);
      },
    };
  };
}

/** `work`, or the signal's reason; what came too late is handed to `undo`. */
export function unlessAborted<T>(work: Promise<T>, signal: AbortSignal, undo: (late: T) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      void work.then(undo, () => undefined);
      reject(signal.reason instanceof Error ? signal.reason : new Fault('stopped', 'aborted'));
    };
    if (signal.aborted) {
      abort();
      return;
    }
    signal.addEventListener('abort', abort, { once: true });
    work
      .then(resolve, reject)
      .finally(() => signal.removeEventListener('abort', abort))
      .catch(() => undefined);
  });
}

/** Errors of a server that is away or a disk that is full, as Faults; everything else as it came. */
export function databaseFault(caught: unknown): unknown {
  if (caught instanceof Fault || !(caught instanceof Error)) return caught;
  const code = 'code' in caught && typeof caught.code === 'string' ? caught.code : '';
  if (code === '53100' || code === 'ENOSPC') {
    return new Fault('database-full', `the database cannot write: ${caught.message}`, {
      retry: true,
      hint: 'Free space where the data directory lies; everything acknowledged so far is safe.',
      cause: caught,
    });
  }
  if (isAway(code, caught.message)) {
    return new Fault('database-away', `the database is away: ${caught.message}`, {
      retry: true,
      hint: 'Check database.url, and that PostgreSQL runs and accepts connections from here.',
      cause: caught,
    });
  }
  return caught;
}

/** Class 08 and 57P are connections that ended; the words are pg's own for a socket that closed under a query. */
function isAway(code: string, message: string): boolean {
  return (
    /^(ECONN|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_|ENOENT)/.test(code) ||
    /^(08|57P|53300)/.test(code) ||
    /Connection terminated|Client has encountered a connection error|timeout exceeded when trying to connect/.test(
      message,
    )
  );
}
