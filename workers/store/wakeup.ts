/** A bell that remembers one ring: what rang while nobody waited is heard by the next who waits. */
export interface Wakeup {
  ring(): void;
  /** Resolves at a ring, after `timeout` ms, or when `signal` aborts; never rejects. */
  wait(timeout: number, signal: AbortSignal): Promise<void>;
}

/** setTimeout's longest, ms. */
const LONGEST = 2 ** 31 - 1;

export function wakeup(): Wakeup {
  let rung = false;
  const waiting = new Set<() => void>();
  return {
    ring: () => {
      rung = true;
      for (const wake of waiting) wake();
    },
    wait: (timeout, signal) =>
      new Promise((resolve) => {
        const done = (): void => {
          waiting.delete(done);
          clearTimeout(timer);
          signal.removeEventListener('abort', done);
          rung = false;
          resolve();
        };
        const timer = setTimeout(done, Math.max(0, Math.min(timeout, LONGEST)));
        signal.addEventListener('abort', done, { once: true });
        waiting.add(done);
        if (rung || signal.aborted || timeout <= 0) done();
      }),
  };
}
