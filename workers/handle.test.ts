import { expect, test } from 'vitest';
import type { Action } from '../pipelines/action.ts';
import { Fault, stopReason } from '../pipelines/fault.ts';
import type { Store } from '../pipelines/ports.ts';
import { eventually } from '../test/conformance/ports/openers.ts';
import { cancel, mail, turn } from '../test/conformance/ports/store.ts';
import { type Hand, handle } from './handle.ts';
import { memoryQueue } from './memory/queue.ts';
import { memoryStore } from './memory/store.ts';

const clock = { now: () => 7 };
const fetch: Action = { kind: 'fetch', id: 'f', connection: 'g', number: '1', expect: {}, dependents: false };

async function wanted(...actions: Action[]) {
  const store = memoryStore();
  const { epoch } = await store.lead(new AbortController().signal);
  await store.commit(turn(epoch, { actions }));
  return {
    store,
    queue: memoryQueue(),
    commit: (more: Action[]) => store.commit(turn(epoch, { actions: more })),
  };
}

test('files what a hand answers, once', async () => {
  const { store, queue } = await wanted(fetch);
  let runs = 0;
  const hand: Hand<'fetch'> = async () => {
    runs += 1;
    return { kind: 'absent', reason: 'gone' };
  };
  await handle({ store, queue, clock }, 'fetch', hand, { concurrency: 1 });
  await queue.push(fetch);
  await eventually(async () => expect(await store.isDone('f')).toBe(true));
  await queue.push(fetch);
  await eventually(async () => expect(await queue.counts()).toEqual({ fetch: { waiting: 0, running: 0 } }));
  expect(runs).toBe(1);
  const outcome = { kind: 'absent', reason: 'gone' };
  expect(await store.unused(9)).toMatchObject([
    { key: 'done/f', fact: { kind: 'ChangeFetched', at: 7, action: 'f', outcome } },
  ]);
});

test('a mail needs no answer but is done', async () => {
  const { store, queue } = await wanted(mail('m'));
  await handle({ store, queue, clock }, 'mail', async () => undefined, { concurrency: 1 });
  await queue.push(mail('m'));
  await eventually(async () => expect(await store.isDone('m')).toBe(true));
  expect(await store.unused(9)).toEqual([]);
});

test('what a hand throws is told and tried again', async () => {
  const { store, queue } = await wanted(fetch);
  const told: string[] = [];
  let runs = 0;
  const log = (line: { action: string; error: Fault }): void => void told.push(line.error.message);
  const hand: Hand<'fetch'> = async () => {
    runs += 1;
    if (runs < 3) throw new Fault('gerrit-away', `try ${runs}`, { retry: true });
    return { kind: 'absent', reason: '' };
  };
  await handle({ store, queue, clock, log }, 'fetch', hand, { concurrency: 1 });
  await queue.push(fetch);
  await eventually(async () => expect(await store.isDone('f')).toBe(true));
  expect(told).toEqual(['try 1', 'try 2']);
});

test('only the answer is tried again while the database is away', async () => {
  const { store, queue } = await wanted(fetch);
  let failures = 2;
  let runs = 0;
  const flaky: Store = {
    ...store,
    answer: async (action, filed) => {
      if (failures-- > 0) throw new Fault('database-away', 'gone', { retry: true });
      return store.answer(action, filed);
    },
  };
  const hand: Hand<'fetch'> = async () => {
    runs += 1;
    return { kind: 'absent', reason: '' };
  };
  await handle({ store: flaky, queue, clock }, 'fetch', hand, { concurrency: 1 });
  await queue.push(fetch);
  await eventually(async () => expect(await store.isDone('f')).toBe(true));
  expect(runs).toBe(1);
});

test('a cancelled hand that has nothing to undo is done; one that cannot undo yet is tried again', async () => {
  const { store, queue, commit } = await wanted(mail('m'), fetch);
  const log: string[] = [];
  const stuck: Hand<'mail'> = async (_, signal) => {
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener('abort', () => resolve(), { once: true });
    });
    log.push(`mail ${stopReason(signal)}`);
    if (log.length < 3) throw new Fault('node-lost', 'cannot reach it', { retry: true });
    throw signal.reason;
  };
  await handle({ store, queue, clock }, 'mail', stuck, { concurrency: 1 });
  await queue.push(mail('m'));
  await eventually(async () => expect(await queue.counts()).toEqual({ mail: { waiting: 0, running: 1 } }));
  await store.begin('m');
  await commit([cancel('c', 'm')]);
  await queue.cancel('m', 'superseded');
  await eventually(async () => expect(await store.isDone('m')).toBe(true));
  expect(log).toEqual(['mail superseded', 'mail superseded', 'mail superseded']);
  expect(await store.unused(9)).toEqual([]);
});
