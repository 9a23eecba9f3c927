import { describe, expect, test } from 'vitest';
import { nextAlarm } from '../../pipelines/step.ts';
import { finishAll, jobs, open } from '../harness/acme.ts';
import { changesOf, create, deliver, endBuild, event, finish, type Ring, running } from '../harness/ring.ts';

/** What the kernel does, told as it happens to people. Quirks off; the ring around it is in memory. */

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
    finish(ring, { job: 'unit' });
    const builds = ring.history.filter(({ table }) => table === 'build').map(({ value }) => value);
    expect(builds).toMatchObject([{ gitRef: 'master', newRev: '1'.repeat(40) }, { newRev: '3'.repeat(40) }]);
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
