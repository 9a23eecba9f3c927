/** Exclusive use of named things inside one process. */
export interface KeyedLock {
  /** Waits for all of `keys` (in one order for everybody, so nobody waits in a ring). Answers how to give them back. */
  hold(keys: Iterable<string>, signal: AbortSignal): Promise<() => void>;
}

export function createKeyedLock(): KeyedLock {
  const tails = new Map<string, Promise<void>>();

  async function holdOne(key: string, signal: AbortSignal): Promise<() => void> {
    const before = tails.get(key) ?? Promise.resolve();
    let release: () => void = () => {};
    const mine = new Promise<void>((done) => {
      release = done;
    });
    const tail = before.then(() => mine);
    tails.set(key, tail);
    void tail.finally(() => {
      if (tails.get(key) === tail) tails.delete(key);
    });
    try {
      await untilAborted(before, signal);
    } catch (caught) {
      release();
      throw caught;
    }
    return release;
  }

  return {
    async hold(keys, signal) {
      const held: (() => void)[] = [];
      const giveBack = () => {
        for (const release of held) release();
      };
      try {
        for (const key of [...new Set(keys)].sort()) held.push(await holdOne(key, signal));
      } catch (caught) {
        giveBack();
        throw caught;
      }
      return giveBack;
    },
  };
}

async function untilAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  let stop: () => void = () => {};
  const aborted = new Promise<void>((done) => {
    stop = done;
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
  signal.throwIfAborted();
}
