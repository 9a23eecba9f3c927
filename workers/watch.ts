import { asFault, Fault, isOutage } from '../pipelines/fault.ts';

/**
 * Watches over a server that we need. While it is away every connection, every retry and every library has something to say
 * about it; a person wants one sentence when it goes and one when it is back.
 */
export interface Watch {
  /** For pages: whether it answers, and what it said or what is wrong. */
  state(): { readonly ok: boolean; readonly detail: string };
  /** Somebody met an error on it: it is asked at once. Told only when it is not the server that is away. */
  trouble(caught: unknown): void;
  close(): Promise<void>;
}

export interface WatchOptions {
  /** `Redis at 127.0.0.1:6379`. */
  readonly name: string;
  /** What that means for whoever reads the sentence. */
  readonly meanwhile: string;
  /** Answers what is to be said of it while it is fine; throws when it is not. */
  readonly ask: (signal: AbortSignal) => Promise<string>;
  readonly log: Pick<Console, 'info' | 'warn'>;
  /** ms between questions. */
  readonly every?: number;
  readonly deadline?: number;
}

/** The same error of one library is told once in so many ms. */
const AGAIN = 60_000;
const MOST_TOLD = 100;
/** ms that a server gets to be gone after the first error on it. */
const SETTLE = 1_000;
/** ms after its return for which errors still belong to the time it was away. */
const ECHO = 10_000;

export function watchOver(options: WatchOptions): Watch {
  const { name, meanwhile, ask, log, every = 5_000, deadline = 3_000 } = options;
  const closing = new AbortController();
  const told = new Map<string, number>();
  let gone: { readonly since: number; readonly code: string; readonly why: string } | undefined;
  let backAt = Number.NEGATIVE_INFINITY;
  /** The last answer was late. One late answer is a busy moment, of the server or of ours. */
  let late = false;
  let detail = 'answers';
  let asking: Promise<boolean> | undefined;
  let wake = (): void => undefined;

  function look(): Promise<boolean> {
    asking ??= lookOnce().finally(() => {
      asking = undefined;
    });
    return asking;
  }

  async function lookOnce(): Promise<boolean> {
    try {
      detail = await inTime(ask, AbortSignal.any([closing.signal, AbortSignal.timeout(deadline)]));
      if (gone !== undefined)
        log.info(`${name} is in order again after ${Math.round((Date.now() - gone.since) / 1000)} s`);
      if (gone !== undefined) backAt = Date.now();
      gone = undefined;
      late = false;
      return true;
    } catch (caught) {
      if (closing.signal.aborted) return false;
      const { code, message, hint } = asFault(caught);
      if (code === 'deadline' && gone === undefined && !late) {
        late = true;
        return false;
      }
      const why = hint === undefined ? message : `${message}. ${hint}`;
      if (isNews(gone?.code, code)) log.warn(`${name}: ${why} ${meanwhile}`);
      gone = { since: gone?.since ?? Date.now(), code, why };
      return false;
    }
  }

  async function keepLooking(): Promise<void> {
    while (!closing.signal.aborted) {
      await look();
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, gone === undefined && !late ? every : Math.min(every, 1_000));
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
        if (closing.signal.aborted) wake();
      });
    }
  }
  const looking = keepLooking();

  async function tell(caught: unknown): Promise<void> {
    const now = Date.now();
    if (!(await look())) return;
    // A server that ends cuts one connection after the other, and may have answered on the last of them.
    await new Promise((resolve) => setTimeout(resolve, Math.min(every, SETTLE)));
    if (closing.signal.aborted || !(await look()) || closing.signal.aborted || now - backAt < ECHO) return;
    const fault = asFault(caught);
    if (isOutage(fault)) return;
    const { message } = fault;
    if ((told.get(message) ?? Number.NEGATIVE_INFINITY) > now - AGAIN) return;
    if (told.size >= MOST_TOLD) told.clear();
    told.set(message, now);
    log.warn(`${name}: ${message}`);
  }

  return {
    state: () =>
      gone === undefined ? { ok: true, detail } : { ok: false, detail: `${gone.why} ${meanwhile}` },
    trouble: (caught) => {
      if (!closing.signal.aborted) void tell(caught);
    },
    async close() {
      closing.abort();
      wake();
      await looking;
    },
  };
}

/** Away, late and cut off are one thing to whoever reads it; a server that answers and is set up wrongly is another. */
function isNews(before: string | undefined, now: string): boolean {
  return before === undefined || (before !== now && (now === 'config-invalid' || now === 'database-full'));
}

/** An answer that never comes is none, even where `ask` does not listen to its signal. */
async function inTime<T>(ask: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
  const late = new AbortController();
  const over = new Promise<never>((_, reject) => {
    const give = () => reject(new Fault('deadline', 'it does not answer in time', { retry: true }));
    if (signal.aborted) give();
    else signal.addEventListener('abort', give, { once: true, signal: late.signal });
  });
  try {
    return await Promise.race([ask(signal), over]);
  } finally {
    late.abort();
  }
}
