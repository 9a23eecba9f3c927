import { reasonOf, type Timer } from '../../../nodepool/timer.ts';

interface Alarm {
  readonly at: number;
  readonly turn: number;
  readonly ring: () => void;
}

/** Time that jumps from one alarm to the next: a day of a cloud in a second, the same each time. */
export interface VirtualTime extends Timer {
  /** Goes on until `done` says so; throws when `until` (ms from now) passes before. */
  run(until: number, done: () => boolean): Promise<void>;
}

export function virtualTime(start = 1_500_000_000_000): VirtualTime {
  let now = start;
  let turn = 0;
  let alarms: Alarm[] = [];
  return {
    now: () => now,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        if (signal.aborted) {
          reject(reasonOf(signal));
          return;
        }
        const aborted = () => {
          alarms = alarms.filter((each) => each !== alarm);
          reject(reasonOf(signal));
        };
        const ring = () => {
          signal.removeEventListener('abort', aborted);
          resolve();
        };
        const alarm = { at: now + ms, turn: turn++, ring };
        signal.addEventListener('abort', aborted, { once: true });
        alarms.push(alarm);
      }),
    async run(until, done) {
      const end = now + until;
      for (;;) {
        await quiet();
        if (done()) return;
        const next = Math.min(...alarms.map((alarm) => alarm.at));
        if (next > end) throw new Error(`it did not happen within ${until / 1000} s`);
        now = Math.max(now, next);
        const due = alarms.filter((alarm) => alarm.at <= now).sort((a, b) => a.at - b.at || a.turn - b.turn);
        alarms = alarms.filter((alarm) => alarm.at > now);
        for (const { ring } of due) ring();
      }
    },
  };
}

/** Everything that follows from the last alarm has happened: in a simulation nothing waits for the world outside. */
function quiet(): Promise<void> {
  return new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
}

/** mulberry32: small, seeded, good enough. In [0, 1). */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let value = Math.imul(state ^ (state >>> 15), 1 | state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32;
  };
}
