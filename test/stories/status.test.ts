import { expect, test } from 'vitest';
import { statusOf } from '../../pipelines/status.ts';
import { configFrom } from '../harness/layout.ts';
import { approve, create, finish, openRing } from '../harness/ring.ts';

const layout = `
pipelines:
  - name: gate
    manager: dependent
    description: Merges
    window: 2
    trigger: {gerrit: [{event: comment-added, approval: [{Approved: 1}]}]}
    success: {gerrit: {Verified: 2, submit: true}}
    failure: {gerrit: {Verified: -2}}
jobs: [{name: merge, hold-following-changes: true}]
projects: [{name: org/project, gate: [merge: [unit]]}]
`;

test('the status shows every item, what it stands on and what it waits for', () => {
  const ring = openRing(configFrom(layout));
  for (const number of ['1', '2', '3']) {
    create(ring, { number });
    approve(ring, number);
  }
  ring.now += 30_000;
  const status = statusOf(ring.world, ring.now, '1.2.3', () => 60_000);
  expect(status).toMatchObject({ zuul_version: '1.2.3', last_reconfigured: 1_500_000_000_000 });
  const [gate, run] = status.pipelines;
  expect(gate).toMatchObject({ name: 'gate', description: 'Merges', disabled: false });
  expect(run).toMatchObject({ name: 'run', change_queues: [] });
  const [queue] = gate?.change_queues ?? [];
  expect(queue).toMatchObject({ name: 'org/project', window: 2 });
  const [head = []] = queue?.heads ?? [];
  expect(
    head.map(({ id, item_ahead, items_behind, active, waiting }) => [
      id,
      item_ahead,
      items_behind,
      active,
      waiting,
    ]),
  ).toEqual([
    ['1,1', null, ['2,1'], true, null],
    ['2,1', '1,1', ['3,1'], true, 'waits for merge of a change ahead'],
    ['3,1', '2,1', [], false, 'waits for its turn: it is outside the window'],
  ]);
  expect(
    head[0]?.jobs.map(({ name, elapsed_time, remaining_time, estimated_time }) => [
      name,
      elapsed_time,
      remaining_time,
      estimated_time,
    ]),
  ).toEqual([
    ['merge', 30_000, 30_000, 60],
    ['unit', null, null, 60],
  ]);
  expect(head[0]?.remaining_time).toBeNull();
  // What readers of Zuul 2.6's status.json may look for, all of it.
  const item =
    'active live url id item_ahead items_behind failing_reasons zuul_ref project owner enqueue_time remaining_time jobs';
  const job =
    'name elapsed_time remaining_time url report_url result voting uuid launch_time start_time end_time estimated_time ' +
    'pipeline canceled retry number node_labels node_name worker';
  expect(Object.keys(head[0] ?? {})).toEqual(expect.arrayContaining(item.split(' ')));
  expect(Object.keys(head[0]?.jobs[0] ?? {})).toEqual(expect.arrayContaining(job.split(' ')));
  const worker = 'name hostname ips fqdn program version extra';
  expect(Object.keys(head[0]?.jobs[0]?.worker ?? {})).toEqual(expect.arrayContaining(worker.split(' ')));

  finish(ring, { job: 'merge', changes: '1,1' }, 'FAILURE');
  const heads = statusOf(ring.world, ring.now, '1').pipelines[0]?.change_queues[0]?.heads[0] ?? [];
  expect(heads.map(({ id }) => id)).toEqual(['2,1', '3,1']);
});
