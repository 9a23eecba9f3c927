import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Action } from '../../../pipelines/action.ts';
import type { Filed, Row, SiteConfig, Turn } from '../../../pipelines/ports.ts';
import type { SqlStore } from '../../../workers/store/store.ts';

/** What every Store promises, whatever it stands on. `open` gives an empty store whose clock is `now`. */
export type OpenStore = (now?: () => number) => Promise<SqlStore>;

const never = new AbortController().signal;

export function event(name: string, more: Partial<Filed> = {}): Filed {
  const fact = {
    kind: 'GerritEvent',
    at: 1,
    connection: 'gerrit',
    via: 'stream',
    type: 'ref-updated',
  } as const;
  return { key: name, fact, ...more };
}

export function mail(id: string, message = 'm'): Action {
  return { kind: 'mail', id, connection: 'smtp', subject: 's', message };
}

export function cancel(id: string, target: string): Action {
  return { kind: 'cancel', id, target, reason: 'superseded' };
}

export function turn(epoch: number, part: Partial<Turn> = {}): Turn {
  return { epoch, used: [], world: { put: [], drop: [] }, actions: [], history: [], ...part };
}

/** Strings of any UTF-16 units, so also NUL and halves of surrogate pairs. */
const anyString = fc
  .array(
    fc.oneof(fc.constantFrom(0, 0xd800, 0xdc00, 0x22, 0x5c, 0x2d), fc.integer({ min: 0, max: 0xffff })),
    { maxLength: 12 },
  )
  .map((units) => String.fromCharCode(...units));

export function storeConformance(name: string, open: OpenStore): void {
  describe(`store on ${name}`, () => {
    test('files facts once each, in order, and keeps the first of a key', async () => {
      const store = await open();
      expect(await store.file([event('a', { raw: '1' }), event('b'), event('a', { raw: '2' })])).toBe(2);
      expect(await store.file([event('b'), event('c')])).toBe(1);
      const entries = await store.unused(10);
      expect(entries.map((entry) => [entry.key, entry.raw])).toEqual([
        ['a', '1'],
        ['b', undefined],
        ['c', undefined],
      ]);
      expect(entries.map((entry) => entry.seq)).toEqual(
        entries.map((entry) => entry.seq).toSorted((a, b) => a - b),
      );
      expect(await store.unused(2)).toHaveLength(2);
      expect(await store.file([])).toBe(0);
    });

    test('files from many sides at once, each key once', async () => {
      const store = await open();
      const keys = Array.from({ length: 40 }, (_, index) => `k${index}`);
      const sides = Array.from({ length: 8 }, (_, side) =>
        store.file((side % 2 === 0 ? keys : keys.toReversed()).map((key) => event(key))),
      );
      const fresh = await Promise.all(sides);
      expect(fresh.reduce((sum, count) => sum + count, 0)).toBe(40);
      expect(await store.unused(100)).toHaveLength(40);
    });

    test('gives back what strangers wrote, whatever it is', async () => {
      const store = await open();
      const { epoch } = await store.lead(never);
      let run = 0;
      await fc.assert(
        fc.asyncProperty(anyString, fc.jsonValue(), async (text, value) => {
          run += 1;
          const key = `${run}${text}`;
          await store.file([event(key, { raw: text })]);
          const entry = (await store.unused(10)).find((candidate) => candidate.key === key);
          expect(entry?.raw).toBe(text);
          const row: Row = { table: 'strange', key: text, value: { text, value } };
          const used = (await store.unused(10)).map(({ seq }) => ({ seq, note: text }));
          const actions = [mail(`m${used[0]?.seq}`, text)];
          await store.commit(turn(epoch, { used, world: { put: [row], drop: [] }, actions }));
          expect((await store.world()).find((found) => found.key === text)?.value).toEqual(
            JSON.parse(JSON.stringify(row.value)),
          );
          expect((await store.undone()).at(-1)).toMatchObject({ message: text });
        }),
        { numRuns: 40 },
      );
      const long = `patchset-created/${'x'.repeat(50_000)}`;
      expect(await store.file([event(`${long}1`), event(`${long}2`), event(`${long}1`)])).toBe(2);
    });

    test('wakes who waits for facts, and remembers a wake-up nobody waited for', async () => {
      const store = await open();
      const far = Date.now() + 60_000;
      const waiting = store.filed(far, never);
      await store.file([event('a')]);
      await waiting;
      await store.file([event('b')]);
      await store.filed(far, never);
      const abort = new AbortController();
      const aborted = store.filed(far, abort.signal);
      abort.abort();
      await aborted;
      await store.filed(Date.now() + 5, never);
    });

    test('commits a turn whole', async () => {
      const store = await open();
      await store.file([event('a'), event('b')]);
      const [a] = await store.unused(1);
      const { epoch } = await store.lead(never);
      const put = [
        { table: 'items', key: '1', value: { n: 1 } },
        { table: 'items', key: '2', value: [1, 'x', null] },
        { table: 'items', key: '1', value: { n: 2 } },
      ];
      await store.commit(
        turn(epoch, {
          used: [{ seq: a?.seq ?? 0, note: 'enqueued in check' }],
          world: { put, drop: [] },
          actions: [mail('one'), mail('two'), mail('one', 'again')],
          history: [{ table: 'build', key: 'b1', value: { uuid: 'ab', job: 'unit', at: 5 } }],
        }),
      );
      expect(await store.world()).toEqual([
        { table: 'items', key: '1', value: { n: 2 } },
        { table: 'items', key: '2', value: [1, 'x', null] },
      ]);
      expect((await store.unused(9)).map((entry) => entry.key)).toEqual(['b']);
      expect(await store.undone()).toEqual([mail('one'), mail('two')]);
      await store.commit(
        turn(epoch, { world: { put: [], drop: [{ table: 'items', key: '1' }] }, actions: [mail('one')] }),
      );
      expect((await store.world()).map((row) => row.key)).toEqual(['2']);
      expect(await store.undone()).toHaveLength(2);
    });

    test('refuses a turn whose facts are used, and one of an older leader, and writes nothing of them', async () => {
      const store = await open();
      await store.file([event('a'), event('b')]);
      const [a, b] = await store.unused(2);
      const first = await store.lead(never);
      const note = 'x';
      await store.commit(turn(first.epoch, { used: [{ seq: a?.seq ?? 0, note }] }));
      const both = {
        used: [
          { seq: a?.seq ?? 0, note },
          { seq: b?.seq ?? 0, note },
        ],
        world: { put: [{ table: 't', key: 'k', value: 1 }], drop: [] },
        actions: [mail('never')],
      };
      await expect(store.commit(turn(first.epoch, both))).rejects.toMatchObject({ code: 'leader-lost' });
      await first.resign();
      const second = await store.lead(never);
      expect(second.epoch).toBeGreaterThan(first.epoch);
      const stale = turn(first.epoch, { ...both, used: [{ seq: b?.seq ?? 0, note }] });
      await expect(store.commit(stale)).rejects.toMatchObject({ code: 'leader-lost' });
      expect(await store.world()).toEqual([]);
      expect(await store.undone()).toEqual([]);
      expect((await store.unused(9)).map((entry) => entry.key)).toEqual(['b']);
      await store.commit({ ...stale, epoch: second.epoch });
      expect(await store.undone()).toEqual([mail('never')]);
    });

    test('has one leader at a time', async () => {
      const store = await open();
      const first = await store.lead(never);
      const abort = new AbortController();
      const impatient = store.lead(abort.signal);
      abort.abort(new Error('no time'));
      await expect(impatient).rejects.toThrow('no time');
      let second: { epoch: number } | undefined;
      const waiting = store.lead(never).then((lead) => {
        second = lead;
        return lead;
      });
      await store.world();
      expect(second).toBeUndefined();
      expect(first.lost.aborted).toBe(false);
      await first.resign();
      expect(first.lost.aborted).toBe(true);
      const lead = await waiting;
      expect(lead.epoch).toBe(first.epoch + 1);
      await lead.resign();
    });

    test('has an action in one hand at a time', async () => {
      const store = await open();
      const claim = await store.claim('m');
      expect(claim?.lost.aborted).toBe(false);
      expect(await store.claim('m')).toBeUndefined();
      const other = await store.claim('n');
      expect(other).toBeDefined();
      await claim?.sure();
      await store.saveEffect('m', { phase: 'posting' });
      await claim?.release();
      await claim?.release();
      const again = await store.claim('m');
      expect(again).toBeDefined();
      await again?.release();
      await other?.release();
    });

    test('answers an action once, with its fact', async () => {
      const store = await open();
      const { epoch } = await store.lead(never);
      await store.commit(turn(epoch, { actions: [mail('m'), mail('n')] }));
      expect(await store.isDone('m')).toBe(false);
      expect(await store.answer('m', event('done/m'))).toBe(true);
      expect(await store.answer('m', event('done/m'))).toBe(false);
      expect(await store.isDone('m')).toBe(true);
      expect(await store.answer('n')).toBe(true);
      expect(await store.undone()).toEqual([]);
      expect((await store.unused(9)).map((entry) => entry.key)).toEqual(['done/m']);
      expect(await store.isDone('nobody')).toBe(false);
    });

    test('ends a cancelled action that nobody began, and makes who began one undo it', async () => {
      const store = await open();
      const { epoch } = await store.lead(never);
      const actions = [mail('idle'), mail('busy'), mail('late'), mail('free')];
      await store.commit(turn(epoch, { actions }));
      expect(await store.begin('busy')).toEqual({ kind: 'go' });
      expect(await store.begin('late')).toEqual({ kind: 'go' });
      expect(await store.begin('nobody')).toEqual({ kind: 'done' });
      const cancels = ['idle', 'busy', 'late', 'both'].map((target) => cancel(`cancel-${target}`, target));
      await store.commit(turn(epoch, { actions: [mail('both'), ...cancels] }));

      expect(await store.isDone('idle')).toBe(true);
      expect(await store.isDone('both')).toBe(true);
      expect(await store.begin('idle')).toEqual({ kind: 'done' });
      expect(await store.isDone('busy')).toBe(false);
      expect((await store.undone(['mail'])).map((action) => action.id)).toEqual(['busy', 'late', 'free']);
      expect(await store.undone(['build'])).toEqual([]);
      expect(await store.cancelled()).toEqual([
        { target: 'busy', reason: 'superseded' },
        { target: 'late', reason: 'superseded' },
      ]);
      // Its hand died: the next one is told to undo it.
      expect(await store.begin('busy')).toEqual({ kind: 'stop', reason: 'superseded' });
      expect(await store.answer('busy', event('done/busy'))).toBe(true);
      expect(await store.answer('late')).toBe(true);
      expect(await store.begin('busy')).toEqual({ kind: 'done' });
      expect(await store.cancelled()).toEqual([]);
      // The answer of one that was never begun is filed too, once.
      expect(await store.answer('idle', event('done/idle'))).toBe(true);
      expect(await store.answer('idle', event('done/idle'))).toBe(false);
      expect((await store.undone()).map((action) => action.id)).toEqual(['free']);
      expect((await store.unused(9)).map((entry) => entry.key)).toEqual(['done/busy', 'done/idle']);
    });

    test('keeps effects and configurations', async () => {
      const store = await open();
      expect(await store.effect('report-1')).toBeUndefined();
      await store.saveEffect('report-1', { posted: false, text: '\0' });
      await store.saveEffect('report-1', { posted: true });
      expect(await store.effect('report-1')).toEqual({ posted: true });
      const layout: SiteConfig['layout'] = {
        dialect: 'stackgate',
        pipelines: [],
        jobs: {},
        projects: {},
        places: {},
        quirks: [],
      };
      const config: SiteConfig = { digest: 'abc', layout, jobs: { unit: { name: 'unit' } }, needs: {} };
      expect(await store.config('abc')).toBeUndefined();
      await store.saveConfig(config);
      await store.saveConfig(config);
      expect(await store.config('abc')).toEqual(config);
      expect(await store.inForce()).toBe(undefined);
      const { epoch } = await store.lead(never);
      const put = [{ table: 'site', key: '', value: { digest: 'abc' } }];
      await store.commit(turn(epoch, { world: { put, drop: [] } }));
      expect(await store.inForce()).toBe('abc');
      expect(await store.site()).toMatch(/^[0-9a-f]{16}$/);
    });

    test('keeps secret parameters until their request has ended', async () => {
      let clock = 1_000;
      const store = await open(() => clock);
      const { epoch } = await store.lead(never);
      await store.keepSealed('run-1', 'first');
      await store.keepSealed('run-1', 'second');
      expect(await store.sealed('run-1')).toBe('first');
      expect(await store.sealed('run-10')).toBeUndefined();
      expect(await store.forgetSealed()).toBe(0);
      await store.file([event('request/run-1')]);
      expect(await store.forgetSealed()).toBe(0);
      const used = (await store.unused(9)).map(({ seq }) => ({ seq, note: '' }));
      const item = { table: 'items', key: 'i', value: { run: { request: 'run-1' } } };
      await store.commit(turn(epoch, { used, world: { put: [item], drop: [] } }));
      expect(await store.forgetSealed()).toBe(0);
      const build: Action = {
        kind: 'build',
        id: 'build-1',
        uuid: '0'.repeat(32),
        number: 1,
        job: 'j',
        pipeline: 'run',
        project: '',
        config: '',
        lease: 'l',
        params: {},
        sealed: { request: 'run-1', names: ['PW'] },
        logPath: 'run/j/0000000',
      };
      await store.commit(turn(epoch, { world: { put: [], drop: [item] }, actions: [build] }));
      await store.begin('build-1');
      await store.commit(turn(epoch, { actions: [cancel('c', 'build-1')] }));
      expect(await store.forgetSealed()).toBe(0);
      await store.keepSealed('run-10', 'another');
      await store.answer('build-1');
      expect(await store.forgetSealed()).toBe(1);
      expect(await store.sealed('run-1')).toBeUndefined();
      // Sealed, but its asker died before it asked.
      clock += 2 * 86_400_000;
      expect(await store.forgetSealed()).toBe(1);
    });

    test('finds builds, items and reports', async () => {
      const store = await open();
      const { epoch } = await store.lead(never);
      const build = (uuid: string, at: number, more: object = {}): Row => ({
        table: 'build',
        key: uuid,
        value: {
          uuid,
          job: 'unit',
          pipeline: 'check',
          project: 'a/b',
          change: '12,3',
          result: 'SUCCESS',
          at,
          ...more,
        },
      });
      const uuids = ['abc', 'abd', '0ff'].map((start) => start.padEnd(32, '0'));
      const [first = '', second = '', third = ''] = uuids;
      await store.commit(
        turn(epoch, {
          history: [
            build(first, 10),
            build(second, 20, { change: '123,1', result: 'FAILURE' }),
            build(third, 30, { job: 'pep8', pipeline: 'gate', change: '12,4' }),
            { table: 'item', key: 'i1', value: { change: '12,3', finishedAt: 7 } },
            { table: 'report', key: 'r1', value: { change: '12,3', at: 8, message: 'Build succeeded' } },
          ],
        }),
      );
      const found = async (query: object): Promise<string[]> =>
        (await store.builds({ limit: 10, ...query })).map((row) => row.key);
      expect(await found({})).toEqual([third, second, first]);
      expect(await found({ limit: 1 })).toEqual([third]);
      expect(await found({ before: 30 })).toEqual([second, first]);
      expect(await found({ change: '12' })).toEqual([third, first]);
      expect(await found({ change: '12,3' })).toEqual([first]);
      expect(await found({ change: '1_' })).toEqual([]);
      expect(await found({ job: 'unit', result: 'FAILURE' })).toEqual([second]);
      expect(await found({ pipeline: 'gate', project: 'a/b' })).toEqual([third]);
      expect(await store.build('ab')).toEqual({ kind: 'ambiguous', uuids: [first, second] });
      expect(await store.build('0f')).toMatchObject({ kind: 'found', row: { key: third, at: 30 } });
      expect(await store.build('%')).toEqual({ kind: 'absent' });
      expect(await store.build('7')).toEqual({ kind: 'absent' });
      expect(await store.items({ limit: 9, change: '12' })).toMatchObject([{ key: 'i1', at: 7 }]);
      expect(await store.reports({ limit: 9 })).toMatchObject([{ key: 'r1', at: 8 }]);
      await store.commit(turn(epoch, { history: [build(first, 40, { result: 'LOST' })] }));
      expect(await found({ result: 'LOST' })).toEqual([first]);
    });

    test('shows what became of every fact, and counts what was missed', async () => {
      let clock = 1_000;
      const store = await open(() => clock);
      const { epoch } = await store.lead(never);
      await store.file([event('a'), event('b'), event('c')]);
      const [a, b] = await store.unused(2);
      clock = 2_000;
      const used = [
        { seq: a?.seq ?? 0, note: 'no pipeline wants it' },
        { seq: b?.seq ?? 0, note: 'set aside: boom' },
      ];
      await store.commit(turn(epoch, { used }));
      await store.file([{ key: 'tick/1', fact: { kind: 'Tick', at: 1 } }]);
      const lines = await store.ledger({ limit: 10 });
      expect(lines.map((line) => [line.key, line.filedAt, line.usedAt, line.aside, line.note])).toEqual([
        ['tick/1', 2_000, undefined, false, undefined],
        ['c', 1_000, undefined, false, undefined],
        ['b', 1_000, 2_000, true, 'set aside: boom'],
        ['a', 1_000, 2_000, false, 'no pipeline wants it'],
      ]);
      expect(await store.ledger({ limit: 10, kind: 'Tick' })).toHaveLength(1);
      expect(await store.ledger({ limit: 10, type: 'ref-updated' })).toHaveLength(3);
      expect(await store.ledger({ limit: 10, since: 1_500 })).toHaveLength(1);
      expect(await store.ledger({ limit: 1, before: b?.seq ?? 0 })).toMatchObject([{ key: 'a' }]);
      expect(await store.tally(0)).toEqual({ filed: 4, used: 1, aside: 1, waiting: 2 });
      expect(await store.tally(1_500)).toEqual({ filed: 1, used: 0, aside: 0, waiting: 1 });
    });

    test('forgets what is old and done, and nothing else', async () => {
      let clock = 1_000;
      const store = await open(() => clock);
      const { epoch } = await store.lead(never);
      await store.file([
        event('old'),
        event('waits'),
        { key: 'c', fact: { kind: 'Configured', at: 1, digest: 'd' } },
      ]);
      const entries = await store.unused(9);
      const used = entries.filter(({ key }) => key !== 'waits').map(({ seq }) => ({ seq, note: '' }));
      const history = [{ table: 'build', key: 'b', value: { uuid: 'b', at: 1_000 } }];
      await store.commit(turn(epoch, { used, history, actions: [mail('done'), mail('undone')] }));
      await store.answer('done');
      expect(await store.prune({ facts: 500, history: 500 })).toBe(0);
      clock = 2_000;
      expect(await store.prune({ facts: 500, history: 5_000 })).toBe(2);
      expect((await store.ledger({ limit: 9 })).map((line) => line.key)).toEqual(['c', 'waits']);
      expect((await store.undone()).map((action) => action.id)).toEqual(['undone']);
      expect(await store.prune({ facts: 500, history: 500 })).toBe(1);
      expect(await store.builds({ limit: 9 })).toEqual([]);
    });
  });
}

type Step =
  | { readonly do: 'file'; readonly keys: readonly string[] }
  | { readonly do: 'use'; readonly count: number; readonly actions: readonly Action[] }
  | { readonly do: 'begin'; readonly id: string }
  | { readonly do: 'answer'; readonly id: string }
  | { readonly do: 'isDone'; readonly id: string };

const id = fc.constantFrom('a', 'b', 'c', 'd');
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant('file' as const), keys: fc.array(fc.constantFrom('1', '2', '3', '4', '5')) }),
  fc.record({
    do: fc.constant('use' as const),
    count: fc.nat(2),
    actions: fc.array(
      fc.oneof(
        id.map((name) => mail(name)),
        id.map((name) => cancel(`cancel-${name}`, name)),
      ),
      {
        maxLength: 3,
      },
    ),
  }),
  fc.record({ do: fc.constant('begin' as const), id }),
  fc.record({ do: fc.constant('answer' as const), id }),
  fc.record({ do: fc.constant('isDone' as const), id }),
);

/** Whatever is done to both, a store and its twin answer the same. */
export function storesAgree(name: string, open: OpenStore, twin: OpenStore): void {
  test(`store on ${name} agrees with its twin`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const stores = [await open(() => 7), await twin(() => 7)] as const;
        const epochs = await Promise.all(stores.map(async (store) => (await store.lead(never)).epoch));
        for (const one of steps) {
          const [here, there] = await Promise.all(
            stores.map((store, index) => take(store, epochs[index] ?? 0, one)),
          );
          expect(here).toEqual(there);
        }
        for (const store of stores) await store[Symbol.asyncDispose]();
      }),
      { numRuns: 25 },
    );
  });
}

async function take(store: SqlStore, epoch: number, one: Step): Promise<unknown> {
  if (one.do === 'begin') return store.begin(one.id);
  if (one.do === 'isDone') return store.isDone(one.id);
  if (one.do === 'answer') return store.answer(one.id, event(`done/${one.id}`));
  if (one.do === 'file') return store.file(one.keys.map((key) => event(key)));
  const entries = await store.unused(one.count);
  await store.commit(
    turn(epoch, { used: entries.map(({ seq }) => ({ seq, note: 'n' })), actions: one.actions }),
  );
  const { filed, used, aside, waiting } = await store.tally(0);
  return [
    entries.map((entry) => entry.key),
    (await store.undone()).map((action) => action.id),
    await store.cancelled(),
    [filed, used, aside, waiting],
  ];
}
