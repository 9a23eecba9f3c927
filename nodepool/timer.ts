import { setTimeout as sleep } from 'node:timers/promises';
import { Fault } from '../pipelines/fault.ts';

/** Time as the pool knows it, so that a simulation can run a day in a second. */
export interface Timer {
  /** ms since the epoch. */
  now(): number;
  /** Resolves after `ms`; rejects with the signal's reason when that aborts before. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

export const wallClock: Timer = {
  now: Date.now,
  sleep: async (ms, signal) => {
    try {
      await sleep(Math.min(ms, 2 ** 31 - 1), undefined, { signal });
    } catch (caught) {
      throw signal.aborted ? reasonOf(signal) : caught;
    }
  },
};

export function reasonOf(signal: AbortSignal): Error {
  return signal.reason instanceof Error ? signal.reason : new Fault('stopped', 'no longer wanted');
}

/** Runs `work` with a signal that aborts after `ms` of the timer, or with `signal`. Says which by `late`. */
export async function within<T>(
  timer: Timer,
  ms: number,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<{ kind: 'done'; value: T } | { kind: 'late' }> {
  const inTime = new AbortController();
  const late = Symbol('late');
  const alarm = timer.sleep(ms, AbortSignal.any([signal, inTime.signal])).then(
    () => late,
    () => late,
  );
  const both = AbortSignal.any([signal, inTime.signal]);
  try {
    const first = await Promise.race([work(both), alarm]);
    if (first === late) {
      if (signal.aborted) throw reasonOf(signal);
      return { kind: 'late' };
    }
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the symbol is nobody else's
    return { kind: 'done', value: first as T };
  } finally {
    inTime.abort(new Fault('deadline', 'took too long', { retry: true }));
  }
}
