import { describe, expect, test } from 'vitest';
import { statusOf } from '../../pipelines/status.ts';
import { finishAll, jobs, layout, open, said } from '../harness/acme.ts';
import { mustChange } from '../harness/gerrit.ts';
import { configFrom } from '../harness/layout.ts';
import {
  amend,
  changeIdOf,
  comment,
  create,
  deliver,
  event,
  finish,
  letGo,
  openRing,
  push,
  running,
} from '../harness/ring.ts';

/** What the kernel does, told as it happens to people. Quirks off; the ring around it is in memory. */

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

  test('names that mean something to JavaScript are names like others', () => {
    const ring = open();
    push(ring, { number: '1', project: 'constructor' });
    expect(ring.facts.at(-1)?.note).toBe('no pipeline wants it');
    push(ring, { number: '2', project: 'org/odd' });
    expect(jobs(ring)).toEqual(['constructor [2,1]']);
    finishAll(ring);
    expect(said(ring)).toEqual(['success 2,1 {"Verified":1}']);
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

  test('what another CI writes starts nothing by its text, unless the trigger asks for it by name', () => {
    const ring = openRing(
      configFrom(
        layout
          .replace('comment: (?i)^recheck}', 'comment: (?i)recheck}')
          .replace(
            'approval: [{Approved: 1}]}]}',
            'approval: [{Approved: 1}]}, {event: comment-added, username: ^zuul$, comment: succeeded}]}',
          ),
      ),
    );
    push(ring, { number: '1' });
    finishAll(ring);
    const other = { name: 'Acme Storage CI', username: 'acme' };
    const said = (text: string, account: { name?: string; username: string }) =>
      event(ring, 'comment-added', '1', account.username, { comment: text, approvals: [], account });
    const help = 'Patch Set 1:\n\nTo run it again leave a comment: recheck';
    expect(said(help, other)).toBe('no pipeline wants it');
    expect(said(help, { username: 'cisco-neutron-ci' })).toBe('no pipeline wants it');
    const report =
      'Patch Set 1: Verified-1\n\nBuild failed.  Or say recheck.\n\n- dsvm http://x/1 : FAILURE in 2m 03s\n';
    expect(said(report, { username: 'somebody' })).toBe('no pipeline wants it');
    expect(said('Patch Set 1:\n\nBuild succeeded.', { username: 'zuul' })).toContain('asked about');
    expect(said('Patch Set 1:\n\nBuild failed. recheck', { username: 'jane' })).toContain('asked about');
  });

  test('a stranger’s patch runs once somebody who may has looked at it, and so for each patchset', () => {
    const trust = 'trust: {username: ^core_, approval: [{username: ^core_, Workflow: 1}]}';
    const ring = openRing(
      configFrom(layout.replace('manager: independent', `manager: independent\n    ${trust}`)),
    );
    const why =
      'not in check: owner_jane is not trusted here, and nobody else has approved it with workflow +1, ' +
      'a username that matches ^core_';
    push(ring, { number: '1' });
    expect(ring.facts.at(-1)?.note).toBe(why);
    expect(ring.builds).toEqual([]);
    const vote = { label: 'Workflow', value: 1, grantedOn: ring.now };
    // Her own vote is no second opinion.
    mustChange(ring.gerrit, '1').votes.push({ ...vote, user: 'owner_jane' });
    comment(ring, '1', 'Patch Set 1:\n\nrecheck');
    expect(ring.facts.at(-1)?.note).toBe(why);
    mustChange(ring.gerrit, '1').votes.push({ ...vote, user: 'core_bob' });
    comment(ring, '1', 'Patch Set 1:\n\nrecheck');
    expect(jobs(ring)).toEqual(['unit [1,1]']);
    amend(ring, '1');
    event(ring, 'patchset-created', '1', 'owner_jane');
    expect(jobs(ring)).toEqual([]);
    // Nor does it run as part of what others push on top of it.
    mustChange(ring.gerrit, '1').votes = [];
    create(ring, { number: '2', depends: [changeIdOf('1')] });
    mustChange(ring.gerrit, '2').votes.push({ ...vote, user: 'core_bob' });
    event(ring, 'patchset-created', '2', 'core_bob');
    expect(ring.facts.at(-1)?.note).toContain('it needs 1,2: not in check: owner_jane is not trusted');
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

  test('a change abandoned while we still ask about it does not stay', () => {
    const ring = open();
    ring.hold.add('fetch');
    push(ring, { number: '1' });
    mustChange(ring.gerrit, '1').status = 'ABANDONED';
    event(ring, 'change-abandoned', '1', 'author_phil');
    letGo(ring, 'fetch');
    expect([running(ring).length, ring.reports.length, ring.world.tables.items.size]).toEqual([0, 0, 0]);
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

  test('an address names one change as a Change-Id does', () => {
    const ring = open();
    const address = (number: string) => `https://review.example.com/${number}`;
    create(ring, { number: '1' });
    push(ring, { number: '2', depends: [address('1')] });
    expect(jobs(ring)).toContain('unit [1,1 2,1]');
    amend(ring, '1');
    event(ring, 'patchset-created', '1', 'author_phil');
    expect(jobs(ring)).toContain('unit [1,2 2,1]');
    create(ring, { number: '3', depends: [address('4')] });
    push(ring, { number: '4', depends: [address('3')] });
    expect(ring.reports.at(-1)?.message).toContain('it needs itself: 4 → 3 → 4');
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
