import { describe, expect, it } from 'vitest';
import { REGISTERED, SERVICE_USERS } from './access.ts';
import { listen, run } from './client.ts';
import { startGerrit } from './server.ts';

/** What people do; not what becomes of refs. */
const DEEDS = [
  'patchset-created',
  'topic-changed',
  'hashtags-changed',
  'wip-state-changed',
  'private-state-changed',
  'reviewer-added',
  'change-abandoned',
  'change-restored',
  'change-deleted',
]
  .map((type) => `-s ${type}`)
  .join(' ');

async function start() {
  const gerrit = await startGerrit();
  const ci = gerrit.account('ci', { name: 'My CI', groups: [SERVICE_USERS] });
  const admin = gerrit.account('admin');
  gerrit.account('ann', { name: 'Ann' });
  await gerrit.createProject('org/demo');
  return { gerrit, ci, admin };
}

describe('stream-events', () => {
  it('sends ref-updated and meta noise before patchset-created, to all who see the change', async () => {
    const { gerrit, ci, admin } = await start();
    await using _ = gerrit;
    using all = await listen(gerrit, admin);
    using some = await listen(gerrit, ci);
    const pushed = await gerrit.push('org/demo', { user: 'ann' });
    await gerrit.waitFor(() => all.types().length === 3);
    expect(all.types()).toEqual(['ref-updated', 'ref-updated', 'patchset-created']);
    const refs = all.events().map((e) => JSON.stringify(e['refUpdate']));
    expect(refs[0]).toContain(pushed.ref);
    expect(refs[1]).toContain('refs/changes/01/1/meta');
    await gerrit.waitFor(() => some.types().length === 3);
    expect(some.lines()).toEqual(all.lines());
  });

  it('orders fields and escapes characters as Gson does', async () => {
    const { gerrit, ci } = await start();
    await using _ = gerrit;
    using stream = await listen(gerrit, ci, DEEDS);
    await gerrit.push('org/demo', { user: 'ann', commitMessage: `a<b>&'c'="d" é\n\nbody`, wip: true });
    const line = await gerrit.waitFor(() => stream.lines()[0]);
    expect(line).toContain(String.raw`a\u003cb\u003e\u0026\u0027c\u0027\u003d\"d\" é`);
    const [event] = stream.events();
    expect(Object.keys(event ?? {})).toEqual([
      'uploader',
      'patchSet',
      'change',
      'project',
      'refName',
      'changeKey',
      'type',
      'eventCreatedOn',
    ]);
    expect(event).toMatchObject({
      uploader: { name: 'Ann', email: 'ann@example.org', username: 'ann' },
      patchSet: {
        number: 1,
        ref: 'refs/changes/01/1/1',
        kind: 'REWORK',
        sizeInsertions: 1,
        sizeDeletions: 0,
      },
      change: {
        branch: 'master',
        number: 1,
        status: 'NEW',
        wip: true,
        url: 'http://gerrit.example.org/c/org/demo/+/1',
      },
      project: 'org/demo',
      refName: 'refs/heads/master',
      changeKey: { id: gerrit.change(1).id },
    });
    expect(Object.keys(event?.['change'] ?? {})).not.toContain('open');
  });

  it('gives approvals for all labels, with oldValue only where the post changed one', async () => {
    const { gerrit, ci } = await start();
    await using _ = gerrit;
    using stream = await listen(gerrit, ci, '-s comment-added');
    await gerrit.push('org/demo');
    const approvals = async (n: number) => {
      await gerrit.waitFor(() => stream.events().length >= n);
      return {
        approvals: stream.events()[n - 1]?.['approvals'],
        comment: stream.events()[n - 1]?.['comment'],
      };
    };
    const none = { type: 'Code-Review', description: 'Code-Review', value: '0' };
    const verified = { type: 'Verified', description: 'Verified' };

    await gerrit.comment(1, 'recheck', { user: 'ci' });
    expect(await approvals(1)).toEqual({
      approvals: [none, { ...verified, value: '0' }],
      comment: 'Patch Set 1:\n\nrecheck',
    });
    await gerrit.vote(1, { Verified: 1 }, { user: 'ci', message: '  Build succeeded \n' });
    expect(await approvals(2)).toEqual({
      approvals: [none, { ...verified, value: '1', oldValue: '0' }],
      comment: 'Patch Set 1: Verified+1\n\nBuild succeeded',
    });
    await gerrit.vote(1, { Verified: 1 }, { user: 'ci', message: 'again' });
    expect((await approvals(3)).approvals).toEqual([none, { ...verified, value: '1' }]);
    await gerrit.vote(1, { Verified: 0 }, { user: 'ci' });
    expect(await approvals(4)).toEqual({
      approvals: [none, { ...verified, value: '0', oldValue: '1' }],
      comment: 'Patch Set 1: -Verified',
    });
    await gerrit.comment(1, 'recheck', { user: 'ci', patchsetLevel: true, labels: { Verified: -1 } });
    expect(await approvals(5)).toEqual({
      approvals: [none, { ...verified, value: '-1', oldValue: '0' }],
      comment: 'Patch Set 1:\n\nrecheck',
    });
    expect(gerrit.change(1).messages.at(-1)?.text).toBe('Patch Set 1: Verified-1\n\n(1 comment)');
  });

  it('announces what people do to a change', async () => {
    const { gerrit, ci } = await start();
    await using _ = gerrit;
    using stream = await listen(gerrit, ci, DEEDS);
    await gerrit.push('org/demo', { user: 'ann' });
    await gerrit.topic(1, 't1');
    await gerrit.topic(1, 't2');
    await gerrit.topic(1, '');
    await gerrit.hashtags(1, ['b', 'a']);
    await gerrit.flag(1, 'wip', true);
    await gerrit.flag(1, 'wip', false);
    await gerrit.reviewer(1, 'ci');
    await gerrit.abandon(1, { user: 'ann', reason: 'no' });
    await gerrit.restore(1, { user: 'ann' });
    await gerrit.flag(1, 'private', true);
    await gerrit.remove(1);
    await gerrit.waitFor(() => stream.types().includes('change-deleted'));
    expect(stream.types()).toEqual([
      'patchset-created',
      'topic-changed',
      'topic-changed',
      'topic-changed',
      'hashtags-changed',
      'wip-state-changed',
      'wip-state-changed',
      'reviewer-added',
      'change-abandoned',
      'change-restored',
      'private-state-changed',
      'change-deleted',
    ]);
    const [, first, second, third, tags, wip, ready, , abandoned, restored] = stream.events();
    expect(first).toMatchObject({ oldTopic: '' });
    expect(second).toMatchObject({ oldTopic: 't1', change: { topic: 't2' } });
    expect(third).not.toHaveProperty('change.topic');
    expect(tags).toMatchObject({ added: ['a', 'b'], hashtags: ['a', 'b'] });
    expect(tags).not.toHaveProperty('removed');
    expect(wip).toHaveProperty('change.wip', true);
    expect(ready).not.toHaveProperty('change.wip');
    expect(abandoned).toMatchObject({ reason: 'no', abandoner: { username: 'ann' } });
    expect(restored).not.toHaveProperty('reason');
  });

  it('keeps new patch sets, options of the push included, one operation', async () => {
    const { gerrit, ci } = await start();
    await using _ = gerrit;
    await gerrit.push('org/demo', { user: 'ann', wip: true });
    using stream = await listen(gerrit, ci, DEEDS);
    await gerrit.push('org/demo', { user: 'ann', change: 1, wip: false, topic: 't' });
    await gerrit.waitFor(() => stream.types().length === 3);
    expect(stream.types()).toEqual(['patchset-created', 'topic-changed', 'wip-state-changed']);
    expect(stream.events()[0]).toMatchObject({ patchSet: { number: 2 }, change: { topic: 't' } });
    expect(stream.events()[0]).not.toHaveProperty('change.wip');
  });

  it('hides private changes from strangers and projects from those who may not read', async () => {
    const { gerrit, ci, admin } = await start();
    await using _ = gerrit;
    using stream = await listen(gerrit, ci);
    using all = await listen(gerrit, admin, '-s patchset-created');
    await gerrit.push('org/demo', { private: true });
    await gerrit.createProject('org/secret');
    gerrit.allow({
      ref: 'refs/heads/*',
      permission: 'read',
      group: REGISTERED,
      project: 'org/secret',
      action: 'DENY',
    });
    await gerrit.push('org/demo');
    await gerrit.waitFor(() => stream.types().includes('patchset-created'));
    expect(stream.types().filter((t) => t === 'patchset-created')).toHaveLength(1);
    expect(all.types()).toHaveLength(2);
    const asked = await run(gerrit, ci, 'gerrit query --format=JSON change:1');
    expect(asked.stdout).toContain('"rowCount":0');
  });

  it('needs the capability', async () => {
    const { gerrit } = await start();
    await using _ = gerrit;
    const ann = gerrit.account('ann');
    expect(await run(gerrit, ann, 'gerrit stream-events')).toEqual({
      code: 1,
      stdout: '',
      stderr: 'stream events not permitted\n',
    });
  });

  it('subscribes to exact types and replays nothing', async () => {
    const { gerrit, ci } = await start();
    await using _ = gerrit;
    await gerrit.push('org/demo');
    using stream = await listen(gerrit, ci, '-s comment-added --subscribe=change-abandoned');
    await gerrit.push('org/demo');
    await gerrit.comment(1, 'hello');
    await gerrit.abandon(1);
    await gerrit.waitFor(() => stream.types().length === 2);
    expect(stream.types()).toEqual(['comment-added', 'change-abandoned']);
  });

  it('drops what does not fit into 128 events and says so once', async () => {
    const { gerrit, ci } = await start();
    await using _ = gerrit;
    using stream = await listen(gerrit, ci, '-s comment-added');
    await gerrit.push('org/demo');
    gerrit.faults.stallStreams = true;
    for (let i = 0; i < 140; i++) await gerrit.comment(1, `n ${i}`);
    gerrit.faults.stallStreams = false;
    gerrit.wake();
    await gerrit.waitFor(() => stream.lines().length === 129);
    await gerrit.comment(1, 'after');
    await gerrit.waitFor(() => stream.lines().at(-1)?.includes('after'));
    const types = stream.types();
    expect(types).toHaveLength(1 + 128 + 1);
    expect(types[0]).toBe('dropped-output');
    expect(types.filter((t) => t === 'dropped-output')).toHaveLength(1);
    expect(Object.keys(stream.events()[0] ?? {})).toEqual(['type', 'eventCreatedOn']);
  });

  it('drops for a reader that really stops reading', async () => {
    const { gerrit, ci } = await start();
    await using _ = gerrit;
    using stream = await listen(gerrit, ci);
    stream.pause();
    const body = 'x'.repeat(15_000);
    await gerrit.push('org/demo');
    for (let i = 0; i < 600; i++) {
      await gerrit.comment(1, `${i} ${body}`);
      if (i % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    stream.resume();
    await gerrit.waitFor(() => stream.lines().some((line) => line.includes('dropped-output')));
    expect(stream.lines().length).toBeLessThan(600);
  });
});
