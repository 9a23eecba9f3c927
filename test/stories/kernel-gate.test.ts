import { describe, expect, test } from 'vitest';
import { statusOf } from '../../pipelines/status.ts';
import { finishAll, jobs, layout, open, said } from '../harness/acme.ts';
import { mustChange } from '../harness/gerrit.ts';
import { configFrom, layoutFrom } from '../harness/layout.ts';
import { approve, create, deliver, finish, letGo, push, running } from '../harness/ring.ts';

/** What the kernel does, told as it happens to people. Quirks off; the ring around it is in memory. */

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

  test('what Gerrit is being asked to merge cannot be taken out: it may merge yet', () => {
    const ring = open();
    create(ring, { number: '1' });
    approve(ring, '1');
    ring.hold.add('report');
    finishAll(ring);
    const what = { pipeline: 'gate', project: 'org/project', number: '1' };
    const note = deliver(ring, { kind: 'DequeueRequested', at: ring.now, id: 'd', by: 'ann', ...what });
    expect(note).toBe('refused: Gerrit is being asked to merge it');
    letGo(ring, 'report');
    expect(ring.merged).toEqual(['1,1']);
    expect(ring.world.tables.items.size).toBe(0);
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

  test('a branch that moved under what was tested: all of the queue is tested again, in its order', () => {
    const ring = open();
    for (const number of ['1', '2']) {
      create(ring, { number });
      approve(ring, number);
    }
    ring.moved.add('org/project');
    finish(ring, { job: 'unit', changes: '1,1' });
    expect(ring.merged).toEqual([]);
    expect(said(ring).filter((line) => !line.startsWith('start'))).toEqual([]);
    expect(jobs(ring)).toEqual(['unit [1,1]', 'unit [1,1 2,1]']);
    const builds = running(ring).map(({ action }) => action.uuid);
    expect(ring.builds.slice(0, 2).map(({ action }) => action.uuid)).not.toContain(builds[0]);
    const report = ring.history.findLast(({ table }) => table === 'report')?.value;
    expect(report).toMatchObject({ result: 'MOVED', detail: 'master of org/project moved' });
    finishAll(ring);
    expect(ring.merged).toEqual(['1,1', '2,1']);
  });

  test('a merge that made something else than was tested is told, and is a merge', () => {
    const ring = open();
    create(ring, { number: '1' });
    approve(ring, '1');
    ring.hold.add('report');
    finishAll(ring);
    const [report] = ring.held.splice(0);
    const outcome = { kind: 'posted' as const, merged: true, alarm: 'master never held the tested tree' };
    const note = deliver(ring, { kind: 'Reported', at: ring.now, action: report?.id ?? '', outcome });
    expect(note).toBe('merged, ALARM: master never held the tested tree');
    expect(ring.history.findLast(({ table }) => table === 'item')?.value).toMatchObject({
      result: 'SUCCESS',
      detail: 'master never held the tested tree',
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
