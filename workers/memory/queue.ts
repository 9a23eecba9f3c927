import type { Action, ActionKind, ActionOf, StopReason } from '../../pipelines/action.ts';
import { backoff, stopped } from '../../pipelines/fault.ts';
import type { WorkQueue } from '../../pipelines/ports.ts';

/** The work queue's twin in memory: one process, lost with it. Passes the same conformance suite as BullMQ. */

interface Consumer {
  readonly handler: (action: Action, signal: AbortSignal) => Promise<void>;
  readonly concurrency: number;
}

interface Lane {
  readonly waiting: Map<string, Action>;
  readonly running: Map<string, AbortController>;
  readonly delayed: Map<string, NodeJS.Timeout>;
  consumer?: Consumer;
}

export function memoryQueue(soonest = 20, latest = 2_000): WorkQueue {
  const lanes = new Map<string, Lane>();
  const listeners = new Set<(target: string, reason: StopReason) => void>();
  const ended = new Set<Promise<void>>();
  let closed = false;

  function lane(kind: string): Lane {
    const known = lanes.get(kind);
    if (known !== undefined) return known;
    const made = { waiting: new Map(), running: new Map(), delayed: new Map() };
    lanes.set(kind, made);
    return made;
  }

  function pump(at: Lane): void {
    if (closed) return;
    while (at.consumer !== undefined && at.running.size < at.consumer.concurrency) {
      const action = first([...at.waiting.values()]);
      if (action === undefined) return;
      at.waiting.delete(action.id);
      start(at, at.consumer, action, 1);
    }
  }

  function start(at: Lane, consumer: Consumer, action: Action, attempt: number): void {
    const run = work(at, consumer, action, attempt);
    ended.add(run);
    void run.finally(() => ended.delete(run));
  }

  async function work(at: Lane, consumer: Consumer, action: Action, attempt: number): Promise<void> {
    const abort = new AbortController();
    at.running.set(action.id, abort);
    try {
      await consumer.handler(action, abort.signal);
    } catch {
      if (!closed) retry(at, consumer, action, attempt);
    } finally {
      at.running.delete(action.id);
      pump(at);
    }
  }

  function retry(at: Lane, consumer: Consumer, action: Action, attempt: number): void {
    const timer = setTimeout(
      () => {
        at.delayed.delete(action.id);
        if (!closed) start(at, consumer, action, attempt + 1);
      },
      backoff(attempt, soonest, latest, Math.random()),
    );
    at.delayed.set(action.id, timer);
  }

  return {
    push: async (action) => {
      const at = lane(action.kind);
      if (closed || at.waiting.has(action.id) || at.running.has(action.id) || at.delayed.has(action.id))
        return;
      at.waiting.set(action.id, structuredClone(action));
      queueMicrotask(() => pump(at));
    },
    consume: async <K extends ActionKind>(
      kind: K,
      handler: (action: ActionOf<K>, signal: AbortSignal) => Promise<void>,
      options: { concurrency: number },
    ) => {
      const at = lane(kind);
      at.consumer = {
        concurrency: options.concurrency,
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a lane holds actions of its kind only
        handler: (action, signal) => handler(action as ActionOf<K>, signal),
      };
      pump(at);
    },
    cancel: async (target, reason) => {
      for (const at of lanes.values()) at.running.get(target)?.abort(stopped(reason));
      for (const listener of listeners) listener(target, reason);
    },
    onCancel: (listener) => {
      listeners.add(listener);
    },
    onLost: () => undefined,
    counts: async () =>
      Object.fromEntries(
        [...lanes].map(([kind, at]) => [
          kind,
          { waiting: at.waiting.size + at.delayed.size, running: at.running.size },
        ]),
      ),
    [Symbol.asyncDispose]: async () => {
      closed = true;
      for (const at of lanes.values()) {
        for (const timer of at.delayed.values()) clearTimeout(timer);
        for (const abort of at.running.values()) abort.abort(stopped());
      }
      await Promise.all(ended);
    },
  };
}

/** The oldest of the highest precedence. */
function first(waiting: readonly Action[]): Action | undefined {
  const rank = (action: Action): number =>
    'precedence' in action ? ['high', 'normal', 'low'].indexOf(action.precedence) : 0;
  return waiting.toSorted((a, b) => rank(a) - rank(b))[0];
}
