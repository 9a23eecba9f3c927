import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Action, type ActionOf } from '../../pipelines/action.ts';
import type { Fact } from '../../pipelines/event.ts';
import { type Build, type Subject, subjectName } from '../../pipelines/item.ts';
import type { Row } from '../../pipelines/ports.ts';
import { step } from '../../pipelines/step.ts';
import { digestOf, emptyWorld, rowsOf, type World, worldFrom } from '../../pipelines/world.ts';
import { currentPatchset, mustChange } from '../harness/gerrit.ts';
import { configFrom } from '../harness/layout.ts';
import {
  amend,
  approve,
  changeIdOf,
  comment,
  create,
  deliver,
  endBuild,
  event,
  letGo,
  type NewChange,
  openRing,
  push,
  type Ring,
  running,
  siteId,
} from '../harness/ring.ts';

/** Random lives of a site without Zuul’s quirks: what must hold whatever happens, in whatever order. */

const layoutText = (gateJobs: string) => `
pipelines:
  - name: check
    manager: independent
    trigger:
      gerrit:
        - event: patchset-created
        - event: comment-added
          comment: (?i)recheck
    success: {gerrit: {Verified: 1}}
    failure: {gerrit: {Verified: -1}}
  - name: gate
    manager: dependent
    window: 4
    window-floor: 1
    trigger:
      gerrit: [{event: comment-added, approval: [{Approved: 1}]}]
    start: {gerrit: {Verified: 0}}
    success: {gerrit: {Verified: 2, submit: true}}
    failure: {gerrit: {Verified: -2}}
  - name: post
    manager: supercedent
    trigger: {gerrit: [{event: ref-updated, ref: ^master$}]}
  - name: line
    manager: serial
    trigger: {gerrit: [{event: change-restored}]}
    success: {gerrit: {Verified: 1}}
    failure: {gerrit: {Verified: -1}}
jobs:
  - {name: b-unit, hold-following-changes: true}
  - {name: a-soft, voting: false}
  - {name: a-docs, files: [docs/.*]}
  - {name: c-docs, files: [docs/.*]}
  - {name: one, mutex: m}
  - {name: two, mutex: m}
  - {name: shared, fail-fast: true}
projects:
  - name: org/a
    check: [a-unit: [a-soft, a-docs, one]]
    gate: ${gateJobs}
    post: [two]
    line: [two]
  - name: org/b
    check: [one, two]
    gate: [b-unit: [shared]]
  - name: org/c
    check: [a-docs]
    gate: [c-docs]
`;

const configs = ['[a-unit: [shared, a-docs]]', '[a-unit: [shared, one], a-soft]'].map((jobs, at) =>
  configFrom(layoutText(jobs), `d${at}`),
);

const numbers = ['1', '2', '3', '4', '5', '6'];
const kinds: readonly Action['kind'][] = ['fetch', 'merge', 'acquire', 'report'];

/** One thing that happens. Plain data, so that a counterexample reads like a story. */
const happening = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      op: fc.constant('push' as const),
      n: fc.nat(5),
      project: fc.constantFrom('org/a', 'org/a', 'org/b', 'org/b', 'org/c'),
      files: fc.constantFrom(['README'], ['docs/x']),
      token: fc.constantFrom(undefined, undefined, 'x'),
      parent: fc.option(fc.nat(5), { nil: undefined, freq: 3 }),
      depends: fc.array(fc.nat(5), { maxLength: 2 }),
    }),
  },
  {
    weight: 12,
    arbitrary: fc.record({
      op: fc.constantFrom(
        'approve',
        'approve',
        'amend',
        'abandon',
        'restore',
        'failmerge',
        'move',
        'dequeue',
      ),
      n: fc.nat(5),
    }),
  },
  // May close a cycle.
  { weight: 1, arbitrary: fc.record({ op: fc.constant('depend' as const), n: fc.nat(5), on: fc.nat(5) }) },
  {
    weight: 12,
    arbitrary: fc.record({
      op: fc.constant('finish' as const),
      n: fc.nat(20),
      result: fc.constantFrom('SUCCESS', 'SUCCESS', 'SUCCESS', 'SUCCESS', 'FAILURE', null),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      op: fc.constantFrom('configure', 'promote', 'cancel', 'ref', 'stale', 'restart'),
      n: fc.nat(40),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ op: fc.constantFrom('hold', 'go', 'go'), kind: fc.constantFrom(...kinds) }),
  },
);
type Happening = typeof happening extends fc.Arbitrary<infer T> ? T : never;

function happen(ring: Ring, what: Happening): void {
  const asked = { at: ring.now, id: `r${ring.facts.length}`, by: 'me' };
  const live = running(ring);
  if ('kind' in what) {
    if (what.op === 'hold') ring.hold.add(what.kind);
    else letGo(ring, what.kind);
    return;
  }
  const number = numbers[what.n % numbers.length] ?? '1';
  const change = ring.gerrit.changes.get(number);
  const build = live[what.n % Math.max(1, live.length)];
  switch (what.op) {
    case 'push':
      if (change === undefined) push(ring, fromWish(ring, what));
      else comment(ring, number, 'recheck');
      return;
    case 'approve':
      if (change !== undefined) approve(ring, number);
      return;
    case 'amend':
      if (change === undefined) return;
      amend(ring, number);
      event(ring, 'patchset-created', number, 'author_phil');
      return;
    case 'depend':
      if (change === undefined) return;
      change.depends = what.on === what.n ? [] : [changeIdOf(numbers[what.on] ?? '1')];
      event(ring, 'patchset-created', number, 'author_phil');
      return;
    case 'abandon':
      if (change?.status !== 'NEW') return;
      change.status = 'ABANDONED';
      event(ring, 'change-abandoned', number, 'author_phil');
      return;
    case 'restore':
      if (change?.status !== 'ABANDONED') return;
      change.status = 'NEW';
      event(ring, 'change-restored', number, 'author_phil');
      return;
    case 'failmerge':
      if (change !== undefined) change.failMerge = !change.failMerge;
      return;
    case 'move':
      if (change !== undefined) ring.moved.add(change.project);
      return;
    case 'dequeue': {
      if (change === undefined) return;
      const { project } = change;
      deliver(ring, { kind: 'DequeueRequested', ...asked, pipeline: 'gate', project, number });
      return;
    }
    case 'finish':
      ring.now += 1000;
      if (build !== undefined) endBuild(ring, build, what.result);
      return;
    case 'configure': {
      const config = configs[what.n % configs.length];
      if (config === undefined) return;
      deliver(ring, { kind: 'Configured', at: ring.now, digest: config.digest }, config);
      return;
    }
    case 'promote': {
      const gate = [...ring.world.tables.items.values()].filter(({ pipeline }) => pipeline === 'gate');
      const name = subjectName(gate[what.n % Math.max(1, gate.length)]?.subject ?? nothing);
      deliver(ring, { kind: 'PromoteRequested', ...asked, pipeline: 'gate', changes: [name ?? '9,9'] });
      return;
    }
    case 'cancel':
      deliver(ring, { kind: 'CancelRequested', ...asked, build: build?.action.uuid ?? 'none' });
      return;
    case 'ref': {
      const rev = { oldRev: '0'.repeat(40), newRev: `${what.n % 10}`.repeat(40) };
      const about = { connection: 'gerrit', via: 'stream' as const, type: 'ref-updated', project: 'org/a' };
      deliver(ring, { kind: 'GerritEvent', at: ring.now, ...about, ref: 'master', ...rev });
      return;
    }
    case 'stale': {
      const answers = ring.facts.filter(({ fact }) => 'action' in fact);
      const again = answers[what.n % Math.max(1, answers.length)];
      if (again !== undefined) deliver(ring, again.fact);
      return;
    }
    case 'restart': {
      // The process dies; another one reads the rows, in whatever order.
      const rows: Row[] = JSON.parse(JSON.stringify(rowsOf(ring.world)));
      const config = configs.find(({ digest }) => digest === digestOf(rows));
      ring.world = worldFrom(rows.reverse(), config);
      return;
    }
  }
}

const nothing: Subject = { kind: 'none', connection: '', project: '', request: '' };

/** Only older changes are needed, so that there is no cycle but those that `depend` makes. */
function fromWish(ring: Ring, wish: Extract<Happening, { op: 'push' }>): NewChange {
  const { n, project, files, token, parent, depends } = wish;
  const below =
    parent === undefined || parent >= n ? undefined : ring.gerrit.changes.get(numbers[parent] ?? '');
  return {
    number: numbers[n] ?? '1',
    project,
    files,
    ...(token === undefined ? {} : { token }),
    depends: depends.filter((each) => each < n).map((each) => changeIdOf(numbers[each] ?? '1')),
    ...(below?.project === project ? { parent: [below.number, currentPatchset(below)] } : {}),
  };
}

/** Follows a ring from outside and complains. */
function watch(ring: Ring): { check: () => void; store: Map<string, unknown> } {
  const store = new Map<string, unknown>();
  let seen = 0;
  let order = new Map<string, readonly string[]>();
  let world: World = emptyWorld(siteId);
  const finals = new Map<string, number>();
  return {
    store,
    check: () => {
      for (; seen < ring.facts.length; seen++) {
        const { fact, config } = ring.facts[seen] ?? { fact: undefined, config: undefined };
        if (fact === undefined) break;
        takenBack(fact, finals, world);
        const first = step(world, fact, config);
        const second = step(world, fact, config);
        expect(second.actions).toEqual(first.actions);
        expect(second.patch).toEqual(first.patch);
        for (const { table, key, value } of first.patch.put) store.set(`${table} ${key}`, value);
        for (const { table, key } of first.patch.drop) store.delete(`${table} ${key}`);
        if ('action' in fact || 'by' in fact) sameAgain(first.world, fact);
        structure(first.world);
        const next = orders(first.world);
        if (fact.kind !== 'PromoteRequested' && fact.kind !== 'Configured') kept(order, next);
        order = next;
        for (const action of first.actions) {
          // What leaves is what its schema says, ids that a queue takes included.
          expect(Action.parse(JSON.parse(JSON.stringify(action)))).toEqual(action);
          speaksOnce(action, finals, first.world);
        }
        world = first.world;
      }
      expect(rowsOf(ring.world)).toEqual(rowsOf(world));
    },
  };
}

function sameAgain(world: World, fact: Fact): void {
  const again = step(world, fact);
  expect(again.patch).toEqual({ put: [], drop: [] });
  // Nodes that nobody waits for go back, as often as they are offered.
  expect(again.actions.filter(({ kind }) => kind !== 'release')).toEqual([]);
}

function structure(world: World): void {
  const { items, queues, pending, fetches, locks } = world.tables;
  const placed = [...queues.values()].flatMap((queue) => queue.items.map((id) => [id, queue.id] as const));
  expect(new Set(placed.map(([id]) => id)).size).toBe(placed.length);
  expect(placed.map(([id]) => id).sort()).toEqual([...items.keys()].sort());
  for (const queue of queues.values()) {
    if (queue.dynamic) expect(queue.items.length).toBeGreaterThan(0);
    queue.items.forEach((id, at) => {
      const item = items.get(id);
      expect(item?.queue).toBe(queue.id);
      if (item !== undefined && item.ahead !== null) expect(queue.items.slice(0, at)).toContain(item.ahead);
    });
  }
  for (const [action, row] of pending) {
    if (row.kind === 'fetch') expect(fetches.get(row.key)?.action).toBe(action);
    else if (row.kind !== 'report') expect(items.has(row.item)).toBe(true);
  }
  for (const { holders } of locks.values()) {
    expect(holders.length).toBe(1);
    for (const { item, job } of holders) {
      const build = items.get(item)?.set.builds[job];
      expect(build !== undefined && build.phase !== 'done').toBe(true);
    }
  }
}

function orders(world: World): Map<string, readonly string[]> {
  return new Map([...world.tables.queues.values()].map(({ id, items }) => [id, items]));
}

/** Who stays keeps the place among those who stay. */
function kept(
  before: ReadonlyMap<string, readonly string[]>,
  after: ReadonlyMap<string, readonly string[]>,
): void {
  for (const [queue, items] of after) {
    const old = before.get(queue) ?? [];
    expect(items.filter((id) => old.includes(id))).toEqual(old.filter((id) => items.includes(id)));
  }
}

/** What Gerrit was not told, since its branch had moved, is no verdict. */
function takenBack(fact: Fact, finals: Map<string, number>, world: World): void {
  if (fact.kind !== 'Reported' || fact.outcome.kind !== 'moved') return;
  const pending = world.tables.pending.get(fact.action);
  if (pending?.kind === 'report') finals.delete(pending.item);
}

/** An item speaks its verdict once. */
function speaksOnce(action: Action, finals: Map<string, number>, world: World): void {
  if (action.kind !== 'report' || action.phase === 'start') return;
  const pending = world.tables.pending.get(action.id);
  const id = pending?.kind === 'report' ? pending.item : '';
  if (id === '') return;
  finals.set(id, (finals.get(id) ?? 0) + 1);
  expect(finals.get(id)).toBe(1);
}

/** A merge is right only if exactly what is on the branch now was tested: the base, what merged since, and the change. */
function onlyTested(ring: Ring, report: ActionOf<'report'>): void {
  const pending = ring.world.tables.pending.get(report.id);
  const item = pending?.kind === 'report' ? ring.world.tables.items.get(pending.item) : undefined;
  const trial = ring.trials.get(item?.set.ref ?? '');
  if (trial === undefined) throw new Error(`nobody tested ${report.number},${report.patchset}`);
  const { project } = report;
  // ring.merged ends with this very change. org/c has a queue of its own.
  const since = ring.merged.slice(trial.merged).filter((name) => {
    const other = mustChange(ring.gerrit, name.split(',')[0] ?? '').project;
    return (other === 'org/c') === (project === 'org/c');
  });
  const ahead = trial.stack.filter((name) => !ring.merged.slice(0, trial.merged).includes(name));
  expect(since).toEqual(ahead);
  expect(Object.values(item?.set.builds ?? {}).every(votedFor)).toBe(true);
}

function votedFor(build: Build): boolean {
  return build.phase === 'done' && (build.result === 'SUCCESS' || build.job === 'a-soft');
}

/** Lets everything go and ends every build well, until nothing happens any more. */
function rest(ring: Ring): void {
  for (const kind of kinds) letGo(ring, kind);
  for (let turn = 0; turn < 500; turn++) {
    const build = running(ring)[0];
    if (build === undefined) return;
    ring.now += 1000;
    endBuild(ring, build, 'SUCCESS');
  }
  throw new Error('it never comes to rest');
}

/** Six approved changes of two projects, one needing another. */
function fillGate(ring: Ring): void {
  for (const [at, number] of numbers.entries()) {
    const project = at % 3 === 1 ? 'org/b' : 'org/a';
    create(ring, { number, project, depends: at === 4 ? [changeIdOf('2')] : [] });
    approve(ring, number);
  }
}

/** `KERNEL_RUNS=10000 npx vitest run test/stories/kernel.property.test.ts` takes about half an hour. */
const RUNS = Number(process.env['KERNEL_RUNS'] ?? 60);

describe('whatever happens', () => {
  test(
    'the kernel keeps its promises',
    () => {
      fc.assert(
        fc.property(fc.boolean(), fc.array(happening, { minLength: 5, maxLength: 60 }), (busy, ops) => {
          const [config] = configs;
          if (config === undefined) throw new Error('no configuration');
          const ring = openRing(config);
          ring.heard = (report, merged) => {
            if (merged) onlyTested(ring, report);
          };
          const watcher = watch(ring);
          if (busy) fillGate(ring);
          for (const what of ops) {
            happen(ring, what);
            watcher.check();
          }
          rest(ring);
          watcher.check();
          const { items, pending, fetches, locks, changes } = ring.world.tables;
          expect([...items.values()].map(({ id, pipeline, set }) => ({ id, pipeline, set }))).toEqual([]);
          expect([pending.size, fetches.size, locks.size, changes.size]).toEqual([0, 0, 0, 0]);
          expect([...ring.leases]).toEqual([]);
          const rows = new Map(rowsOf(ring.world).map(({ table, key, value }) => [`${table} ${key}`, value]));
          watcher.store.set('site site', rows.get('site site'));
          expect(Object.fromEntries(watcher.store)).toEqual(Object.fromEntries(rows));
        }),
        { numRuns: RUNS },
      );
    },
    60_000 + RUNS * 1_000,
  );
});
