import { describe, expect, test } from 'vitest';
import { finishAll, jobs, open, said } from '../harness/acme.ts';
import { amend, create, deliver, event, push, running } from '../harness/ring.ts';

/** What the kernel does, told as it happens to people. Quirks off; the ring around it is in memory. */

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
    expect(ring.history.find(({ table }) => table === 'item')?.value).toMatchObject({
      request: 'r1',
      by: 'ann',
    });
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

  test('what a build triggered is stopped with it, and nothing else', () => {
    const ring = open();
    push(ring, { number: '1' });
    const parent = () => running(ring).find(({ action }) => action.params['ZUUL_CHANGE'] === '1');
    const uuid = parent()?.action.uuid ?? '';
    const run = (id: string, upstream?: string) =>
      deliver(ring, {
        kind: 'RunRequested',
        ...asked,
        id,
        job: 'tempest',
        params: { ID: id },
        vote: false,
        ...(upstream === undefined ? {} : { upstream }),
      });
    const runs = () => running(ring).flatMap(({ action }) => action.params['ID'] ?? []);
    run('child', uuid);
    const child = running(ring).find(({ action }) => action.params['ID'] === 'child')?.action.uuid;
    run('grandchild', child);
    run('others');
    expect(runs()).toEqual(['child', 'grandchild', 'others']);
    expect(parent()).toBeDefined();
    amend(ring, '1');
    event(ring, 'patchset-created', '1', 'author_phil');
    expect(runs()).toEqual(['others']);
    expect(ring.actions.filter((each) => each.kind === 'cancel')).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ target: `build-${child}`, reason: 'upstream' }),
        expect.objectContaining({ target: `build-${uuid}`, reason: 'superseded' }),
      ]),
    );
    expect(run('late', uuid)).toBe('refused: the build that asked for it was stopped');
    const next = parent()?.action.uuid ?? '';
    run('again', next);
    deliver(ring, { kind: 'CancelRequested', ...asked, id: 'c', build: next });
    expect(runs()).toEqual(['others']);
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
