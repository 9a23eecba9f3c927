import { describe, expect, test } from 'vitest';
import { statusOf } from '../../pipelines/status.ts';
import { nextAlarm } from '../../pipelines/step.ts';
import { mustChange } from '../harness/gerrit.ts';
import { configFrom, layoutFrom } from '../harness/layout.ts';
import {
  amend,
  approve,
  changeIdOf,
  changesOf,
  comment,
  create,
  deliver,
  endBuild,
  event,
  finish,
  letGo,
  openRing,
  push,
  type Ring,
  running,
} from '../harness/ring.ts';

/** What the kernel does, told as it happens to people. Quirks off; the ring around it is in memory. */

const layout = `
pipelines:
  - name: check
    manager: independent
    footer-message: 'More: https://wiki.example.com/acme'
    trigger:
      gerrit:
        - event: patchset-created
        - {event: comment-added, comment: (?i)^recheck}
    success: {gerrit: {Verified: 1}}
    failure: {gerrit: {Verified: -1}}
  - name: gate
    manager: dependent
    supercedes: [check]
    trigger: {gerrit: [{event: comment-added, approval: [{Approved: 1}]}]}
    start: {gerrit: {Verified: 0}}
    success: {gerrit: {Verified: 2, submit: true}}
    failure: {gerrit: {Verified: -2}}
  - name: nightly
    manager: independent
    trigger: {timer: [{time: '0 6 * * *'}]}
    success: {smtp: {to: ops@example.com}}
    failure: {smtp: {to: ops@example.com}}
  - name: publish
    manager: supercedent
    trigger: {gerrit: [{event: ref-updated, ref: ^master$}]}
  - name: line
    manager: serial
    trigger: {gerrit: [{event: change-restored}]}
    success: {gerrit: {Verified: 1}}
    failure: {gerrit: {Verified: -1}}
jobs:
  - {name: unit, attempts: 2}
  - {name: soft, voting: false}
  - {name: docs, files: [docs/.*]}
  - {name: half-a, semaphore: {name: array, count: 2}}
  - {name: half-b, semaphore: {name: array, count: 2}}
  - {name: half-c, semaphore: {name: array, count: 2}}
  - {name: quick, fail-fast: true}
projects:
  - name: org/project
    check: [unit: [tempest, soft]]
    gate: [unit]
    nightly: [unit]
    publish: [unit]
    line: [unit]
  - name: org/array
    check: [half-a, half-b, half-c]
  - name: org/quick
    check: [quick, slow: [slower]]
  - name: org/docs
    check: [docs]
  - name: org/filtered
    check: [docs: [built]]
`;

function open(): Ring {
  return openRing(configFrom(layout));
}

function jobs(ring: Ring): string[] {
  return running(ring).map((build) => `${build.action.job} [${changesOf(build) ?? ''}]`);
}

function said(ring: Ring): string[] {
  return ring.reports.map(({ number, patchset, labels, phase }) => {
    return `${phase} ${number},${patchset} ${JSON.stringify(labels)}`;
  });
}

/** Ends what runs, well, until nothing does. */
function finishAll(ring: Ring, result = 'SUCCESS'): void {
  for (let build = running(ring)[0]; build !== undefined; build = running(ring)[0])
    endBuild(ring, build, result);
}

describe('check', () => {
  test('an uploaded patch is merged, built and voted on', () => {
    const ring = open();
    push(ring, { number: '1234' });
    expect(ring.actions.map(({ kind }) => kind)).toEqual(['fetch', 'merge', 'acquire', 'build']);
    expect(ring.builds[0]?.action.params).toMatchObject({
      ZUUL_PIPELINE: 'check',
      ZUUL_PROJECT: 'org/project',
      ZUUL_CHANGE_IDS: '1234,1',
      ZUUL_CHANGES: 'org/project:master:refs/changes/34/1234/1',
      ZUUL_VOTING: '1',
      BASE_LOG_PATH: '34/1234/1',
      ZUUL_URL: 'http://zm/p',
    });
    ring.now += 61_000;
    finish(ring, { job: 'unit' });
    expect(jobs(ring)).toEqual(['tempest [1234,1]', 'soft [1234,1]']);
    finish(ring, { job: 'soft' }, 'FAILURE');
    finish(ring, { job: 'tempest' });
    const lines = (ring.reports[0]?.message ?? '').split('\n');
    expect(lines[0]).toBe('Build succeeded (check pipeline).');
    expect(lines[1]).toBe('');
    expect(lines[2]).toMatch(/^- unit http\S+ : SUCCESS in 1m 02s$/);
    expect(lines[3]).toMatch(/^- tempest http\S+ : SUCCESS in 2s$/);
    expect(lines[4]).toMatch(/^- soft http\S+ : FAILURE in 1s \(non-voting\)$/);
    expect(lines.slice(5)).toEqual(['', 'More: https://wiki.example.com/acme']);
    expect(said(ring)).toEqual(['success 1234,1 {"Verified":1}']);
    expect(ring.leases.size).toBe(0);
    expect(ring.world.tables.items.size + ring.world.tables.changes.size).toBe(0);
    expect(ring.history.map(({ table }) => table)).toEqual(['build', 'build', 'build', 'item', 'report']);
  });

  test('a failing parent keeps its children from running', () => {
    const ring = open();
    push(ring, { number: '1' });
    finish(ring, { job: 'unit' }, 'FAILURE');
    expect(said(ring)).toEqual(['failure 1,1 {"Verified":-1}']);
    expect(ring.reports[0]?.message).toContain('- tempest tempest : SKIPPED\n');
  });

  test('a parent that does not apply holds nobody up', () => {
    const ring = open();
    push(ring, { number: '1', project: 'org/filtered' });
    expect(jobs(ring)).toEqual(['built [1,1]']);
  });

  test('a change that no job applies to is left alone', () => {
    const ring = open();
    push(ring, { number: '1', project: 'org/docs' });
    expect(ring.facts.at(-1)?.note).toBe('not in check: none of its jobs applies');
    expect(ring.world.tables.items.size).toBe(0);
  });

  test('recheck runs again, but not twice at a time, and never because of what we wrote', () => {
    const ring = open();
    push(ring, { number: '1' });
    comment(ring, '1', 'Patch Set 1:\n\nrecheck');
    expect(ring.facts.at(-1)?.note).toBe('duplicate of a live item in check');
    finishAll(ring);
    const builds = ring.builds.length;
    expect(comment(ring, '1', 'Patch Set 1:\n\nrecheck', 'jenkins')).toBe('no pipeline wants it');
    expect(ring.builds.length).toBe(builds);
    comment(ring, '1', 'Patch Set 1:\n\n(1 comment)\n\nrecheck please');
    expect(ring.builds.length).toBeGreaterThan(builds);
  });

  test('a newer patchset takes the place of the older one, before Gerrit says more', () => {
    const ring = open();
    push(ring, { number: '1' });
    ring.hold.add('fetch');
    amend(ring, '1');
    event(ring, 'patchset-created', '1', 'author_phil');
    expect(running(ring)).toEqual([]);
    const [cancel, release] = ring.actions.slice(-3);
    expect(cancel).toMatchObject({ kind: 'cancel', reason: 'superseded' });
    expect(release).toMatchObject({ kind: 'release', after: cancel?.kind === 'cancel' ? cancel.target : '' });
    letGo(ring, 'fetch');
    finishAll(ring);
    expect(said(ring)).toEqual(['success 1,2 {"Verified":1}']);
  });

  test('an abandoned change is forgotten', () => {
    const ring = open();
    push(ring, { number: '1' });
    mustChange(ring.gerrit, '1').status = 'ABANDONED';
    event(ring, 'change-abandoned', '1', 'author_phil');
    expect([running(ring).length, ring.reports.length, ring.world.tables.items.size]).toEqual([0, 0, 0]);
  });

  test('events of one change wait for each other; those of another do not', () => {
    const ring = open();
    ring.hold.add('fetch');
    push(ring, { number: '1' });
    comment(ring, '1', 'Patch Set 1:\n\nrecheck');
    comment(ring, '1', 'Patch Set 1:\n\nrecheck');
    push(ring, { number: '2' });
    expect(ring.held.map((action) => action.kind === 'fetch' && action.number)).toEqual(['1', '2']);
    letGo(ring, 'fetch');
    const fetches = ring.actions.filter(({ kind }) => kind === 'fetch');
    expect(fetches.map((action) => action.kind === 'fetch' && action.number)).toEqual(['1', '2', '1']);
    expect(jobs(ring).filter((name) => name.startsWith('unit'))).toEqual(['unit [1,1]', 'unit [2,1]']);
  });

  test('an event that nobody wants leaves no trace', () => {
    const ring = open();
    const before = ring.world;
    create(ring, { number: '1', project: 'org/foreign' });
    expect(event(ring, 'patchset-created', '1', 'author_phil')).toBe('no pipeline wants it');
    expect(ring.world).toEqual(before);
  });

  test('a conflict names the change and the files', () => {
    const ring = open();
    create(ring, { number: '1', token: 'x', status: 'MERGED' });
    push(ring, { number: '2', token: 'x' });
    expect(said(ring)).toEqual(['merge-failure 2,1 {"Verified":-1}']);
    expect(ring.reports[0]?.message).toContain('It conflicts in:\n- README');
  });

  test('a lost node is not the author’s fault, once', () => {
    const ring = open();
    push(ring, { number: '1', files: ['docs/x'] });
    finish(ring, { job: 'unit' }, null);
    expect(jobs(ring)).toContain('unit [1,1]');
    finish(ring, { job: 'unit' }, null);
    finishAll(ring);
    expect(ring.reports[0]?.message).toContain(': RETRY_LIMIT');
    expect(ring.leases.size).toBe(0);
  });

  test('nodes that cannot be had, and a job that nobody defined, are said so', () => {
    const ring = openRing(configFrom(layout, 'd0', ['half-b']));
    ring.hold.add('acquire');
    push(ring, { number: '1', project: 'org/array' });
    for (const action of ring.held.splice(0)) {
      const outcome = { kind: 'refused' as const, reason: 'no label' };
      deliver(ring, { kind: 'NodesAnswered', at: ring.now, action: action.id, outcome });
    }
    for (const action of ring.held.splice(0)) {
      const outcome = { kind: 'refused' as const, reason: 'no label' };
      deliver(ring, { kind: 'NodesAnswered', at: ring.now, action: action.id, outcome });
    }
    expect(ring.reports[0]?.message).toContain('- half-a half-a : NODE_FAILURE');
    expect(ring.reports[0]?.message).toContain('- half-b half-b : NOT_REGISTERED');
  });

  test('what it needs is built on, and when that changes it starts over', () => {
    const ring = open();
    create(ring, { number: '1' });
    push(ring, { number: '2', depends: [changeIdOf('1')] });
    expect(jobs(ring)).toContain('unit [1,1 2,1]');
    amend(ring, '1');
    event(ring, 'patchset-created', '1', 'author_phil');
    expect(jobs(ring)).toContain('unit [1,2 2,1]');
    expect(jobs(ring)).not.toContain('unit [1,1 2,1]');
    finishAll(ring);
    expect(said(ring)).toEqual(['success 1,2 {"Verified":1}', 'success 2,1 {"Verified":1}']);
  });

  test('a cycle is said on the change', () => {
    const ring = open();
    create(ring, { number: '1', depends: [changeIdOf('2')] });
    push(ring, { number: '2', depends: [changeIdOf('1')] });
    expect(said(ring)).toEqual(['failure 2,1 {}']);
    expect(ring.reports[0]?.message).toContain('it needs itself: 2 → 1 → 2');
  });

  test('a semaphore lets as many run as it has places', () => {
    const ring = open();
    push(ring, { number: '1', project: 'org/array' });
    expect(jobs(ring)).toEqual(['half-a [1,1]', 'half-b [1,1]']);
    expect(
      statusOf(ring.world, ring.now, '1').pipelines[0]?.change_queues[0]?.heads[0]?.[0]?.jobs[2]?.waiting,
    ).toBe('waits for array, which another build holds');
    finish(ring, { job: 'half-a' });
    expect(jobs(ring)).toEqual(['half-b [1,1]', 'half-c [1,1]']);
  });

  test('fail-fast ends an item with its first failure', () => {
    const ring = open();
    push(ring, { number: '1', project: 'org/quick' });
    finish(ring, { job: 'quick' }, 'FAILURE');
    expect(running(ring)).toEqual([]);
    const message = ring.reports[0]?.message ?? '';
    expect(message).toContain('- slow slow : CANCELED');
    expect(message).toContain('- slower slower : SKIPPED');
  });

  test('a report never outgrows Gerrit: jobs in the middle go, the footer stays', () => {
    const many = Array.from({ length: 400 }, (_, n) => `job-with-a-rather-long-name-${n}`);
    const text = layout.replace('check: [docs]', `check: [${many.join(', ')}]`);
    const ring = openRing(configFrom(text));
    push(ring, { number: '1', project: 'org/docs' });
    finishAll(ring);
    const message = ring.reports[0]?.message ?? '';
    expect(message.length).toBeLessThanOrEqual(16_000);
    expect(message.split('\n')[2]).toContain('long-name-0 ');
    expect(message).toMatch(/\(\d+ more jobs: see the status page\.\)/);
    expect(message).toContain('long-name-399 ');
    expect(message.endsWith('More: https://wiki.example.com/acme')).toBe(true);
  });
});

describe('gate', () => {
  test('changes are tested together and merge in order', () => {
    const ring = open();
    for (const number of ['1', '2', '3']) {
      create(ring, { number });
      approve(ring, number);
    }
    expect(jobs(ring)).toEqual(['unit [1,1]', 'unit [1,1 2,1]', 'unit [1,1 2,1 3,1]']);
    finish(ring, { job: 'unit', changes: '1,1 2,1' });
    expect(ring.merged).toEqual([]);
    finish(ring, { job: 'unit', changes: '1,1' });
    expect(ring.merged).toEqual(['1,1', '2,1']);
    finishAll(ring);
    expect(ring.merged).toEqual(['1,1', '2,1', '3,1']);
  });

  test('nobody builds on a change that fails', () => {
    const ring = open();
    for (const number of ['1', '2', '3']) {
      create(ring, { number });
      approve(ring, number);
    }
    finish(ring, { job: 'unit', changes: '1,1 2,1' }, 'FAILURE');
    expect(jobs(ring)).toEqual(['unit [1,1]', 'unit [1,1 3,1]']);
    finishAll(ring);
    expect(ring.merged).toEqual(['1,1', '3,1']);
    expect(said(ring).filter((line) => line.startsWith('failure'))).toEqual(['failure 2,1 {"Verified":-2}']);
  });

  test('while Gerrit merges one, the next go on; if it does not, they start over', () => {
    const ring = open();
    for (const number of ['1', '2']) {
      create(ring, { number });
      approve(ring, number);
    }
    mustChange(ring.gerrit, '1').failMerge = true;
    ring.hold.add('report');
    finish(ring, { job: 'unit', changes: '1,1' });
    expect(jobs(ring)).toEqual(['unit [1,1 2,1]']);
    const [head] = statusOf(ring.world, ring.now, '1').pipelines[1]?.change_queues[0]?.heads[0] ?? [];
    expect(head?.waiting).toBe('waits for Gerrit to merge it');
    letGo(ring, 'report');
    expect(jobs(ring)).toEqual(['unit [2,1]']);
    finishAll(ring);
    expect(ring.merged).toEqual(['2,1']);
  });

  test('a refused report ends the item, it is not tried for ever', () => {
    const ring = open();
    create(ring, { number: '1' });
    approve(ring, '1');
    ring.hold.add('report');
    finishAll(ring);
    const [report] = ring.held.splice(0);
    deliver(ring, {
      kind: 'Reported',
      at: ring.now,
      action: report?.id ?? '',
      outcome: { kind: 'refused', reason: 'no right to vote Verified' },
    });
    expect(ring.world.tables.items.size).toBe(0);
    expect(
      ring.history.find(({ table, key }) => table === 'report' && key === report?.id)?.value,
    ).toMatchObject({
      result: 'REFUSED',
      detail: 'no right to vote Verified',
    });
  });

  test('entering the gate ends the check', () => {
    const ring = open();
    push(ring, { number: '1' });
    approve(ring, '1');
    expect(running(ring).map(({ action }) => action.pipeline)).toEqual(['gate']);
  });

  test('a configuration takes over while builds run', () => {
    const ring = open();
    create(ring, { number: '1' });
    approve(ring, '1');
    const before = running(ring)[0];
    const next = configFrom(layout.replace('    gate: [unit]', '    gate: [unit, extra]'), 'd1');
    deliver(ring, { kind: 'Configured', at: ring.now, digest: 'd1' }, next);
    expect(running(ring)[0]).toBe(before);
    expect(jobs(ring)).toEqual(['unit [1,1]', 'extra [1,1]']);
    const without = { ...layoutFrom(layout), pipelines: layoutFrom(layout).pipelines.slice(0, 1) };
    const config = { ...next, digest: 'd2', layout: without };
    deliver(ring, { kind: 'Configured', at: ring.now, digest: 'd2' }, config);
    expect(running(ring)).toEqual([]);
    expect(ring.leases.size).toBe(0);
  });
});

describe('other managers and triggers', () => {
  const master = (ring: Ring, digit: string) =>
    deliver(ring, {
      kind: 'GerritEvent',
      at: ring.now,
      connection: 'gerrit',
      via: 'stream',
      type: 'ref-updated',
      project: 'org/project',
      ref: 'master',
      oldRev: '0'.repeat(40),
      newRev: digit.repeat(40),
    });

  test('supercedent: what runs runs on, of those that wait only the newest', () => {
    const ring = open();
    for (const digit of ['1', '2', '3']) master(ring, digit);
    expect(running(ring).map(({ action }) => action.params.ZUUL_NEWREV?.[0])).toEqual(['1']);
    finish(ring, { job: 'unit' });
    expect(running(ring).map(({ action }) => action.params.ZUUL_NEWREV?.[0])).toEqual(['3']);
  });

  test('serial: one after the other, none left out', () => {
    const ring = open();
    for (const number of ['1', '2', '3']) {
      create(ring, { number });
      event(ring, 'change-restored', number, 'author_phil');
    }
    const seen: (string | null)[] = [];
    for (let build = running(ring)[0]; build !== undefined; build = running(ring)[0]) {
      expect(running(ring).length).toBe(1);
      seen.push(changesOf(build));
      endBuild(ring, build, 'SUCCESS');
    }
    expect(seen).toEqual(['1,1', '2,1', '3,1']);
  });

  test('a timer fires when its time has come, once, however late', () => {
    const ring = open();
    const due = nextAlarm(ring.world) ?? 0;
    expect(new Date(due).toISOString()).toBe('2017-07-14T06:00:00.000Z');
    deliver(ring, { kind: 'Tick', at: due - 1 });
    expect(running(ring)).toEqual([]);
    deliver(ring, { kind: 'Tick', at: due + 3 * 86_400_000 });
    expect(jobs(ring)).toEqual(['unit []']);
    expect(running(ring)[0]?.action.params).not.toHaveProperty('ZUUL_REF');
    expect(nextAlarm(ring.world)).toBe(due + 4 * 86_400_000);
    finishAll(ring);
    expect(ring.mails.map(({ to, subject }) => [to, subject])).toEqual([
      ['ops@example.com', 'Report for change org/project'],
    ]);
  });
});

describe('people', () => {
  const asked = { at: 1_500_000_000_000, by: 'ann' };

  test('one job on nothing at all', () => {
    const ring = open();
    const run = {
      kind: 'RunRequested' as const,
      ...asked,
      id: 'r1',
      job: 'tempest',
      params: { COLOUR: 'red' },
    };
    expect(deliver(ring, { ...run, vote: false })).toBe('enqueued in run');
    expect(deliver(ring, { ...run, vote: false })).toBe('asked before');
    expect(ring.builds.map(({ action }) => action.params)).toMatchObject([
      { COLOUR: 'red', ZUUL_PIPELINE: 'run' },
    ]);
    expect(ring.builds[0]?.action.params).not.toHaveProperty('ZUUL_CHANGE');
    expect(ring.actions.some(({ kind }) => kind === 'merge')).toBe(false);
    finishAll(ring);
    expect(ring.world.tables.items.size).toBe(0);
  });

  test('one job on a change, with the vote that check would give and never a submit', () => {
    const ring = open();
    create(ring, { number: '1' });
    const change = { number: '1' };
    deliver(ring, { kind: 'RunRequested', ...asked, id: 'r1', job: 'unit', change, params: {}, vote: true });
    expect(jobs(ring)).toEqual(['unit [1,1]']);
    deliver(ring, { kind: 'RunRequested', ...asked, id: 'r2', job: 'unit', change, params: {}, vote: false });
    finishAll(ring);
    expect(said(ring)).toEqual(['success 1,1 {"Verified":1}']);
    expect(ring.reports[0]).toMatchObject({ submit: false, pipeline: 'check' });
    expect(ring.reports[0]?.message).toContain('Build succeeded (check pipeline).');
  });

  test('enqueue, cancel, dequeue, and what is refused', () => {
    const ring = open();
    create(ring, { number: '1' });
    const what = { pipeline: 'check', project: 'org/project', number: '1' };
    deliver(ring, { kind: 'EnqueueRequested', ...asked, id: 'e', ...what, patchset: '1' });
    const build = running(ring)[0]?.action.uuid.slice(0, 7) ?? '';
    expect(deliver(ring, { kind: 'CancelRequested', ...asked, id: 'c', build })).toBe('unit cancelled');
    expect(ring.reports[0]?.message).toMatch(/- unit \S+ : ABORTED/);
    deliver(ring, { kind: 'EnqueueRequested', ...asked, id: 'e1', ...what, patchset: '1' });
    expect(deliver(ring, { kind: 'DequeueRequested', ...asked, id: 'd', ...what })).toBe('1 dequeued');
    expect(deliver(ring, { kind: 'DequeueRequested', ...asked, id: 'd2', ...what })).toMatch(/^refused/);
    const nowhere = { ...what, pipeline: 'nowhere', patchset: '1' };
    expect(deliver(ring, { kind: 'EnqueueRequested', ...asked, id: 'e2', ...nowhere })).toBe(
      'refused: no pipeline nowhere',
    );
    expect(ring.leases.size).toBe(0);
  });
});
