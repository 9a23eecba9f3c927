import { afterEach, describe, expect, test } from 'vitest';
import type { Action, Precedence } from '../../../pipelines/action.ts';
import { stopReason } from '../../../pipelines/fault.ts';
import type { WorkQueue } from '../../../pipelines/ports.ts';
import { eventually } from './openers.ts';
import { mail } from './store.ts';

/** What every WorkQueue promises. `open` gives an empty one that retries after about 20 ms. */
export type OpenQueue = () => Promise<WorkQueue>;

function merge(id: string, precedence: Precedence): Action {
  const entry = {
    connection: 'g',
    project: 'p',
    branch: 'b',
    number: '1',
    patchset: '1',
    refspec: 'r',
  } as const;
  const stack = [{ ...entry, revision: 'x', mode: 'merge' as const, ref: 'refs/zuul/b/Z' }];
  return { kind: 'merge', id, precedence, stack };
}

/** A promise with its ends outside. */
function gate(): { readonly opened: Promise<void>; open(): void } {
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open: () => open() };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

export function queueConformance(name: string, open: OpenQueue): void {
  describe(`work queue on ${name}`, () => {
    const opened: WorkQueue[] = [];
    const fresh = async (): Promise<WorkQueue> => {
      const queue = await open();
      opened.push(queue);
      return queue;
    };
    afterEach(async () => {
      for (const queue of opened.splice(0)) await queue[Symbol.asyncDispose]();
    });

    test('hands an action over as it was pushed', async () => {
      const queue = await fresh();
      const got: Action[] = [];
      await queue.push(mail('before', 'x\0\ud800"'));
      await queue.consume('mail', async (action) => void got.push(action), { concurrency: 4 });
      await queue.push(mail('after'));
      await eventually(() => expect(got).toHaveLength(2));
      expect(got).toEqual([mail('before', 'x\0\ud800"'), mail('after')]);
    });

    test('runs an id once while it waits or runs, and again afterwards', async () => {
      const queue = await fresh();
      const release = gate();
      let runs = 0;
      await queue.push(mail('m'));
      await queue.push(mail('m'));
      await queue.consume(
        'mail',
        async () => {
          runs += 1;
          await release.opened;
        },
        { concurrency: 4 },
      );
      await eventually(() => expect(runs).toBe(1));
      await queue.push(mail('m'));
      await queue.push(mail('other'));
      await eventually(() => expect(runs).toBe(2));
      release.open();
      await eventually(async () =>
        expect(await queue.counts()).toEqual({ mail: { waiting: 0, running: 0 } }),
      );
      expect(runs).toBe(2);
      await queue.push(mail('m'));
      await eventually(() => expect(runs).toBe(3));
    });

    test('runs a handler that throws again until it does not', async () => {
      const queue = await fresh();
      const tries: number[] = [];
      const handler = async (): Promise<void> => {
        tries.push(Date.now());
        if (tries.length < 4) throw new Error('not yet');
      };
      await queue.consume('mail', handler, { concurrency: 1 });
      await queue.push(mail('m'));
      await eventually(() => expect(tries).toHaveLength(4));
      await eventually(async () =>
        expect(await queue.counts()).toEqual({ mail: { waiting: 0, running: 0 } }),
      );
      expect(tries).toHaveLength(4);
    });

    test('runs no more at once than it may, and the important first', async () => {
      const queue = await fresh();
      const order: string[] = [];
      let running = 0;
      let most = 0;
      for (const precedence of ['low', 'normal', 'high'] as const) {
        await queue.push(merge(`${precedence}-1`, precedence));
        await queue.push(merge(`${precedence}-2`, precedence));
      }
      await queue.consume(
        'merge',
        async (action) => {
          order.push(action.id);
          running += 1;
          most = Math.max(most, running);
          await new Promise((resolve) => setTimeout(resolve, 5));
          running -= 1;
        },
        { concurrency: 1 },
      );
      await eventually(() => expect(order).toHaveLength(6));
      expect(order).toEqual(['high-1', 'high-2', 'normal-1', 'normal-2', 'low-1', 'low-2']);
      expect(most).toBe(1);
    });

    test('tells the handler of a cancelled action why, and nobody else', async () => {
      const queue = await fresh();
      const signals = new Map<string, AbortSignal>();
      const heard: string[] = [];
      queue.onCancel((target, reason) => heard.push(`${target} ${reason}`));
      await queue.consume(
        'mail',
        async (action, signal) => {
          signals.set(action.id, signal);
          await aborted(signal);
        },
        { concurrency: 4 },
      );
      await queue.push(mail('one'));
      await queue.push(mail('two'));
      await eventually(() => expect(signals.size).toBe(2));
      await queue.cancel('nobody', 'abandoned');
      await queue.cancel('one', 'superseded');
      const one = signals.get('one');
      await eventually(() => expect(one?.aborted).toBe(true));
      expect(one === undefined ? undefined : stopReason(one)).toBe('superseded');
      expect(signals.get('two')?.aborted).toBe(false);
      await eventually(() => expect(heard).toEqual(['nobody abandoned', 'one superseded']));
    });

    test('lets go of its handlers when it closes', async () => {
      const queue = await fresh();
      let seen: AbortSignal | undefined;
      await queue.consume(
        'mail',
        async (_, signal) => {
          seen = signal;
          await aborted(signal);
          throw signal.reason;
        },
        { concurrency: 1 },
      );
      await queue.push(mail('m'));
      await eventually(() => expect(seen).toBeDefined());
      await queue[Symbol.asyncDispose]();
      expect(seen?.aborted).toBe(true);
      expect(seen === undefined ? 'none' : stopReason(seen)).toBeUndefined();
      await queue.push(mail('too-late'));
    });

    test('counts what waits and what runs', async () => {
      const queue = await fresh();
      const release = gate();
      for (const id of ['a', 'b', 'c']) await queue.push(mail(id));
      await queue.consume('mail', () => release.opened, { concurrency: 2 });
      await eventually(async () =>
        expect(await queue.counts()).toEqual({ mail: { waiting: 1, running: 2 } }),
      );
      release.open();
      await eventually(async () =>
        expect(await queue.counts()).toEqual({ mail: { waiting: 0, running: 0 } }),
      );
    });
  });
}
