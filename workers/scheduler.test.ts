import { afterEach, describe, expect, test } from 'vitest';
import { Fault, stopReason } from '../pipelines/fault.ts';
import type { Store } from '../pipelines/ports.ts';
import { eventually } from '../test/conformance/ports/openers.ts';
import { event, mail, turn } from '../test/conformance/ports/store.ts';
import { toyHands } from '../test/conformance/ports/toyhands.ts';
import { arrival, STAGES, type ToyWorld, toyKernel } from '../test/conformance/ports/toykernel.ts';
import { dispatcher } from './dispatch.ts';
import type { HandKind } from './handle.ts';
import { memoryQueue } from './memory/queue.ts';
import { memoryStore } from './memory/store.ts';
import { joinPatches, runScheduler, type SchedulerLine } from './scheduler.ts';

const clock = { now: () => Date.now() };
const ends: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** A ring in memory: `work` is what its hands do. */
async function ring(
  work: (kind: HandKind, id: string, signal: AbortSignal) => Promise<void> | void = () => undefined,
  store = memoryStore(),
  asSeen: Store = store,
) {
  const queue = memoryQueue();
  const lines: SchedulerLine[] = [];
  const worlds: ToyWorld[] = [];
  const stop = new AbortController();
  await toyHands({ store: asSeen, queue, clock }, work);
  const running = runScheduler(
    {
      store: asSeen,
      dispatch: dispatcher(asSeen, queue),
      kernel: toyKernel,
      clock,
      site: '0'.repeat(16),
      onWorld: (world) => void worlds.push(world),
      log: (line) => void lines.push(line),
    },
    stop.signal,
  );
  ends.push(async () => {
    stop.abort(new Fault('stopped', 'the test ends'));
    await running;
    await queue[Symbol.asyncDispose]();
  });
  return { store, queue, lines, worlds, stop, running };
}

describe('the ring', () => {
  test('takes an event through every stage into history', async () => {
    const done: string[] = [];
    const { store, worlds } = await ring((_, id) => void done.push(id));
    await store.file([arrival(1)]);
    await eventually(async () => expect(await store.items({ limit: 9 })).toHaveLength(1));
    expect(done).toEqual(STAGES.map((stage) => `${stage}-1`));
    expect(await store.world()).toEqual([]);
    expect(await store.undone()).toEqual([]);
    expect(await store.tally(0)).toEqual({ filed: 6, used: 6, aside: 0, waiting: 0 });
    expect(worlds.at(-1)?.stages.size).toBe(0);
    const notes = (await store.ledger({ limit: 9 })).map((line) => line.note).toReversed();
    expect(notes).toEqual([...STAGES, 'ended']);
  });

  test('sets aside what it cannot digest or write, and goes on', async () => {
    const { store, lines } = await ring();
    await store.file([arrival(1), arrival(2, 'poison'), arrival(3, 'unwritable'), arrival(4)]);
    await eventually(async () => expect(await store.items({ limit: 9 })).toHaveLength(2));
    expect(await store.tally(0)).toMatchObject({ aside: 2, waiting: 0 });
    const aside = (await store.ledger({ limit: 50 })).filter((line) => line.aside);
    expect(aside.map((line) => line.note)).toEqual([
      expect.stringContaining('BigInt'),
      'set aside: indigestible',
    ]);
    expect(lines.flatMap((line) => (line.kind === 'aside' ? [line.key] : []))).toEqual(
      expect.arrayContaining(['poison/2', 'unwritable/3']),
    );
  });

  test('pushes again after a restart whatever has no answer', async () => {
    const store = memoryStore();
    const lead = await store.lead(new AbortController().signal);
    await store.file([arrival(1)]);
    const [entry] = await store.unused(1);
    const step = toyKernel.step(toyKernel.emptyWorld(''), arrival(1).fact);
    const used = [{ seq: entry?.seq ?? 0, note: '' }];
    await store.commit(turn(lead.epoch, { used, world: step.patch, actions: step.actions }));
    await lead.resign();
    await ring(undefined, store);
    await eventually(async () => expect(await store.items({ limit: 9 })).toHaveLength(1));
  });

  test('tells the hand of a cancelled action, and starts none that nobody began', async () => {
    const seen: string[] = [];
    const { store, queue } = await ring(async (kind, id, signal) => {
      seen.push(id);
      if (kind !== 'build') return;
      await new Promise<void>((resolve) => {
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
      seen.push(`${id} ${stopReason(signal)}`);
    });
    await store.file([arrival(1)]);
    await eventually(() => expect(seen).toContain('build-1'));
    await store.file([arrival(1, 'change-abandoned')]);
    await eventually(() => expect(seen).toContain('build-1 abandoned'));
    await eventually(async () => expect(await store.undone()).toEqual([]));
    expect((await store.ledger({ limit: 1 }))[0]?.note).toBe('stale answer');
    await queue.push(mail('never-wanted'));
    await queue.push({
      kind: 'fetch',
      id: 'fetch-9',
      connection: 'g',
      number: '9',
      expect: {},
      dependents: false,
    });
    await store.file([arrival(2)]);
    await eventually(() => expect(seen).toContain('fetch-2'));
    expect(seen).not.toContain('fetch-9');
  });

  test('undoes what a hand had begun before it died and a cancel came', async () => {
    const store = memoryStore();
    const lead = await store.lead(new AbortController().signal);
    const [build] = toyKernel.step(
      { ...toyKernel.emptyWorld(''), stages: new Map([['1', 'acquire']]) },
      {
        kind: 'NodesAnswered',
        at: 1,
        action: 'acquire-1',
        outcome: { kind: 'refused', reason: '' },
      },
    ).actions;
    await store.commit(turn(lead.epoch, { actions: build === undefined ? [] : [build] }));
    await store.begin('build-1');
    const cancel = { kind: 'cancel', id: 'c', target: 'build-1', reason: 'superseded' } as const;
    await store.commit(turn(lead.epoch, { actions: [cancel] }));
    await lead.resign();
    const reasons: unknown[] = [];
    await ring((_, __, signal) => {
      reasons.push(stopReason(signal));
      throw signal.reason;
    }, store);
    await eventually(async () => expect(await store.undone()).toEqual([]));
    expect(reasons).toEqual(['superseded']);
  });

  test('rings when the alarm is due, and not for ever when nothing silences it', async () => {
    const { store, worlds } = await ring();
    await store.file([arrival(1, 'alarm', { at: Date.now() + 30 })]);
    await eventually(() => expect(worlds.at(-1)?.ticks).toBe(1));
    expect(await store.ledger({ limit: 9, kind: 'Tick' })).toHaveLength(1);
  });

  test('reads the world again when a commit failed, and loses nothing', async () => {
    const store = memoryStore();
    let failures = 3;
    const flaky: Store = {
      ...store,
      commit: async (one) => {
        if (failures-- > 0) throw new Fault('database-away', 'gone for a moment', { retry: true });
        await store.commit(one);
      },
    };
    const { lines } = await ring(undefined, store, flaky);
    await store.file([arrival(1), arrival(2)]);
    await eventually(async () => expect(await store.items({ limit: 9 })).toHaveLength(2));
    expect(lines.filter((line) => line.kind === 'leading').length).toBeGreaterThan(1);
  });

  test('stops at once when it no longer leads; another goes on', async () => {
    const store = memoryStore();
    const lost = new AbortController();
    let commitsAfter = 0;
    const first: Store = {
      ...store,
      lead: async (signal) => {
        if (lost.signal.aborted) return new Promise((_, reject) => signal.addEventListener('abort', reject));
        return { ...(await store.lead(signal)), lost: lost.signal };
      },
      commit: async (one) => {
        if (lost.signal.aborted) commitsAfter += 1;
        await store.commit(one);
      },
    };
    await ring(undefined, store, first);
    await store.file([arrival(1)]);
    await eventually(async () => expect(await store.items({ limit: 9 })).toHaveLength(1));
    lost.abort(new Fault('leader-lost', 'cut off'));
    await ring(undefined, store);
    await store.file([arrival(2)]);
    await eventually(async () => expect(await store.items({ limit: 9 })).toHaveLength(2));
    expect(commitsAfter).toBe(0);
  });

  test('ends when the kernel cannot read the world: waiting would not cure it', async () => {
    const store = memoryStore();
    await store.file([event('a')]);
    const broken = { ...toyKernel, emptyWorld: () => expect.fail('unreadable') };
    const run = runScheduler(
      { store, dispatch: dispatcher(store, memoryQueue()), kernel: broken, clock, site: '' },
      new AbortController().signal,
    );
    await expect(run).rejects.toMatchObject({ code: 'bug' });
  });
});

test('patches join to what they do one after the other', () => {
  const row = (key: string, value: number) => ({ table: 't', key, value });
  const at = (key: string) => ({ table: 't', key });
  const joined = joinPatches([
    { put: [row('a', 1), row('b', 1)], drop: [at('c')] },
    { put: [row('c', 2), row('a', 3)], drop: [at('b')] },
  ]);
  expect(joined.put).toEqual(expect.arrayContaining([row('a', 3), row('c', 2)]));
  expect(joined.put).toHaveLength(2);
  expect(joined.drop).toEqual([at('b')]);
});
