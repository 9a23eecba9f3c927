import { setTimeout as sleep } from 'node:timers/promises';
import { asFault, backoff, type Fault } from '../../pipelines/fault.ts';
import type { Filed } from '../../pipelines/ports.ts';
import { crashpoint } from '../crashpoint.ts';

/**
 * The way from the stream into the ledger: in order, in batches, never blocking whoever reads the socket. Gerrit keeps 128
 * events for a slow reader and then throws them away, so we read as fast as they come and hold them here. The queue is
 * bounded; when the ledger stands still for so long that it is full, `push` says so and the stream must start over with
 * a reconciliation.
 */
export interface Filer extends AsyncDisposable {
  /** False: full; the fact was not taken. */
  push(filed: Filed): boolean;
  readonly size: number;
  /** How many facts the ledger took. */
  readonly filed: number;
  /** Resolves when everything pushed so far is in the ledger, or when the filer closes. */
  drained(): Promise<void>;
}

export interface FilerOptions {
  readonly file: (facts: readonly Filed[]) => Promise<unknown>;
  readonly onTrouble: (fault: Fault) => void;
  readonly maxFacts?: number;
  readonly maxBytes?: number;
  readonly random?: () => number;
}

const BATCH = 500;

export function createFiler(options: FilerOptions): Filer {
  const { file, onTrouble, maxFacts = 10_000, maxBytes = 64 * 1024 * 1024, random = Math.random } = options;
  const closing = new AbortController();
  let waiting: Filed[] = [];
  let bytes = 0;
  let done = 0;
  let pump: Promise<void> | undefined;

  async function run(): Promise<void> {
    while (waiting.length > 0) {
      const batch = waiting.slice(0, BATCH);
      if (!(await write(batch))) return;
      waiting = waiting.slice(batch.length);
      bytes = waiting.length === 0 ? 0 : bytes - batch.reduce((sum, filed) => sum + weight(filed), 0);
      done += batch.length;
    }
  }

  /** Writes until it is written. When we close, one last attempt is enough: a start reconciles what was lost. */
  async function write(batch: readonly Filed[]): Promise<boolean> {
    for (let attempt = 1; ; attempt++) {
      try {
        crashpoint('intake.file.before');
        await file(batch);
        crashpoint('intake.file.after');
        return true;
      } catch (caught) {
        onTrouble(asFault(caught));
        if (closing.signal.aborted) return false;
        await sleep(backoff(attempt, 100, 5_000, random()), undefined, { signal: closing.signal }).catch(
          () => undefined,
        );
      }
    }
  }

  async function start(): Promise<void> {
    try {
      await run();
    } finally {
      pump = undefined;
    }
  }

  return {
    push(filed) {
      const size = weight(filed);
      if (waiting.length >= maxFacts || bytes + size > maxBytes) return false;
      waiting.push(filed);
      bytes += size;
      pump ??= start();
      return true;
    },
    get size() {
      return waiting.length;
    },
    get filed() {
      return done;
    },
    async drained() {
      await pump;
    },
    async [Symbol.asyncDispose]() {
      closing.abort();
      await pump;
    },
  };
}

function weight(filed: Filed): number {
  return 500 + (filed.raw?.length ?? 0);
}
