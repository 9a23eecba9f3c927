import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FetchAction } from '../../pipelines/action.ts';
import type { Change } from '../../pipelines/change.ts';
import type { ChangeFetched } from '../../pipelines/event.ts';
import type { CodeReview } from '../../pipelines/ports.ts';
import { type Lab, openLab, PROJECT } from '../../test/fixtures/gerritlab.ts';
import type { GerritSettings } from './settings.ts';

describe.each(['ssh', 'rest'] as const)('over %s', (way) => {
  let lab: Lab;
  let review: CodeReview;
  let road: Partial<GerritSettings>;
  const never = new AbortController().signal;
  beforeAll(async () => {
    lab = await openLab();
    await lab.gerrit.createProject('org/other', { branches: ['stable/1'] });
    road = way === 'rest' ? (await lab.rest()).settings : {};
    review = lab.review(road);
  });
  afterAll(async () => {
    await lab[Symbol.asyncDispose]();
  });

  function fetch(
    number: number,
    more: Partial<FetchAction> = {},
    signal = never,
  ): Promise<ChangeFetched['outcome']> {
    const action: FetchAction = {
      kind: 'fetch',
      id: `fetch-${number}`,
      connection: 'gerrit',
      number: String(number),
      expect: {},
      dependents: false,
      ...more,
    };
    return review.fetch(action, signal);
  }

  async function found(
    number: number,
    more: Partial<FetchAction> = {},
  ): Promise<{ change: Change; related: Change[] }> {
    const outcome = await fetch(number, more);
    if (outcome.kind !== 'found') throw new Error(JSON.stringify(outcome));
    return outcome;
  }

  const numbers = (changes: readonly { number: string }[]) =>
    changes.map(({ number }) => Number(number)).sort((a, b) => a - b);

  describe('fetch', () => {
    it('describes a change as the kernel needs it', async () => {
      const pushed = await lab.gerrit.push(PROJECT, {
        user: 'ann',
        files: { 'a b.txt': 'x', 'dir/ü.txt': 'y' },
        commitMessage: 'Subject line\n\nBody text.',
      });
      await lab.gerrit.vote(pushed.number, { 'Code-Review': 2 });
      const { change } = await found(pushed.number);
      expect(change).toMatchObject({
        connection: 'gerrit',
        project: PROJECT,
        branch: 'master',
        number: String(pushed.number),
        patchset: '1',
        currentPatchset: '1',
        revision: pushed.revision,
        ref: pushed.ref,
        changeId: pushed.changeId,
        subject: 'Subject line',
        owner: { username: 'ann' },
        status: 'NEW',
        wip: false,
        private: false,
        dependsOn: [],
        neededBy: [],
      });
      expect(change.gitParent).toBeUndefined();
      expect(change.message).toContain('Body text.');
      expect(change.files).toEqual(expect.arrayContaining(['/COMMIT_MSG', 'a b.txt', 'dir/ü.txt']));
      expect(change.approvals).toMatchObject([{ label: 'Code-Review', value: 2, by: { username: 'admin' } }]);
      expect(change.submitRecords.length).toBeGreaterThan(0);
      expect(change.parents).toHaveLength(1);
    });

    it('shows an outdated patchset when asked for it', async () => {
      const first = await lab.gerrit.push(PROJECT, { files: { old: '1' } });
      const second = await lab.gerrit.push(PROJECT, { change: first.number, files: { new: '2' } });
      const old = await found(first.number, { patchset: '1' });
      expect(old.change).toMatchObject({ patchset: '1', currentPatchset: '2', revision: first.revision });
      expect((await found(first.number)).change).toMatchObject({ patchset: '2', revision: second.revision });
    });

    it('says when there is no such change, at once when nothing proved that there is', async () => {
      const before = Date.now();
      expect(await fetch(99_999)).toMatchObject({ kind: 'absent' });
      expect(Date.now() - before).toBeLessThan(1_000);
      expect(await fetch(99_999, { number: "1' OR '1" }).catch((caught: unknown) => caught)).toMatchObject({
        code: 'gerrit-refused',
      });
    });

    it('asks again while the answer is older than the events', async () => {
      const pushed = await lab.gerrit.push(PROJECT);
      await new Promise((resolve) => setTimeout(resolve, 20));
      lab.gerrit.faults.queryLag = 600;
      const next = await lab.gerrit.push(PROJECT, { change: pushed.number });
      const { change } = await found(pushed.number, {
        patchset: '2',
        expect: { patchset: '2', revision: next.revision },
      });
      expect(change.revision).toBe(next.revision);
      await lab.gerrit.abandon(pushed.number);
      expect((await found(pushed.number, { expect: { status: 'ABANDONED' } })).change.status).toBe(
        'ABANDONED',
      );
      lab.gerrit.faults.queryLag = 0;
      await lab.until(
        'the index caught up',
        async () => (await fetch((await lab.gerrit.push(PROJECT)).number)).kind === 'found',
      );
    });

    it('says what it saw when the answer stays older for too long', async () => {
      const pushed = await lab.gerrit.push(PROJECT);
      const impatient = lab.review({ ...road, fetchDeadline: 300 });
      const action = { kind: 'fetch' as const, id: 'fetch-old', connection: 'gerrit', dependents: false };
      const number = String(pushed.number);
      expect(await impatient.fetch({ ...action, number, expect: { patchset: '2' } }, never)).toEqual({
        kind: 'failed',
        reason: `after 0 s Gerrit's answer about ${number} is still older than its events (patchset 1, status NEW)`,
      });
      expect(await impatient.fetch({ ...action, number, expect: { status: 'MERGED' } }, never)).toMatchObject(
        {
          kind: 'failed',
        },
      );
      const restored = await impatient.fetch({ ...action, number, expect: { status: 'ABANDONED' } }, never);
      expect(restored).toMatchObject({ kind: 'found', change: { status: 'NEW' } });
      const unknown = await impatient.fetch({ ...action, number: '77777', expect: { patchset: '1' } }, never);
      expect(unknown).toMatchObject({ kind: 'absent' });
    });

    it('can be called off while it waits', async () => {
      const pushed = await lab.gerrit.push(PROJECT);
      const stop = new AbortController();
      const waiting = fetch(pushed.number, { expect: { patchset: '9' } }, stop.signal);
      setTimeout(() => stop.abort(), 60);
      await expect(waiting).rejects.toMatchObject({ code: 'stopped' });
    });
  });

  describe('the network', () => {
    it('walks git parents until they are merged', async () => {
      const merged = await lab.gerrit.push(PROJECT);
      const below = await lab.gerrit.push(PROJECT, { parentChange: merged.number });
      const middle = await lab.gerrit.push(PROJECT, { parentChange: below.number });
      const top = await lab.gerrit.push(PROJECT, { parentChange: middle.number });
      await lab.gerrit.vote(merged.number, { 'Code-Review': 2, Verified: 1 });
      await lab.gerrit.submit(merged.number);
      const { change, related } = await found(top.number);
      expect(change.gitParent).toMatchObject({ number: String(middle.number), patchset: '1' });
      expect(numbers(related)).toEqual([below.number, middle.number]);
      expect(related.find(({ number }) => number === String(below.number))?.gitParent).toBeUndefined();
    });

    it('names the outdated patchset that a commit sits on', async () => {
      const below = await lab.gerrit.push(PROJECT);
      const top = await lab.gerrit.push(PROJECT, { parentChange: below.number });
      await lab.gerrit.push(PROJECT, { change: below.number });
      const { change, related } = await found(top.number);
      expect(change.gitParent).toMatchObject({ number: String(below.number), patchset: '1' });
      expect(related).toMatchObject([{ number: String(below.number), patchset: '1', currentPatchset: '2' }]);
    });

    it('follows Depends-On to every open change with that id, in text order, and no other', async () => {
      const one = await lab.gerrit.push('org/other');
      const backport = await lab.gerrit.push('org/other', { branch: 'stable/1', changeId: one.changeId });
      const two = await lab.gerrit.push(PROJECT);
      const closed = await lab.gerrit.push(PROJECT);
      await lab.gerrit.abandon(closed.number);
      const top = await lab.gerrit.push(PROJECT, {
        commitMessage: `Top\n\nDepends-On: ${two.changeId}\nDepends-On: ${one.changeId}\nDepends-On: ${closed.changeId}\nnot Depends-On: Inothing`,
      });
      const { change, related } = await found(top.number);
      expect(change.dependsOn.map(({ number }) => Number(number))).toEqual([
        two.number,
        one.number,
        backport.number,
      ]);
      expect(numbers(related)).toEqual([one.number, backport.number, two.number].sort((a, b) => a - b));
    });

    it('follows addresses of this Gerrit where the dialect has them, to the change that is meant', async () => {
      const one = await lab.gerrit.push('org/other');
      const two = await lab.gerrit.push(PROJECT);
      const gone = await lab.gerrit.push(PROJECT);
      await lab.gerrit.abandon(gone.number);
      const { url } = (await found(one.number)).change;
      const { origin } = new URL(url);
      const top = await lab.gerrit.push(PROJECT, {
        commitMessage: [
          'Top\n',
          `Depends-On: ${origin}/c/${PROJECT}/+/${two.number}`,
          `Depends-On: ${one.changeId}`,
          `Depends-On: ${origin}/${gone.number}`,
          `Depends-On: https://elsewhere.example.org/${one.number}`,
          `Depends-On: ${origin}/99999`,
        ].join('\n'),
      });
      const named = (change: Change) => change.dependsOn.map(({ number }) => Number(number));
      expect(named((await found(top.number)).change)).toEqual([one.number]);
      const { change, related } = await found(top.number, { addresses: true });
      expect(named(change)).toEqual([two.number, one.number, gone.number]);
      expect(change.elsewhere).toEqual([`https://elsewhere.example.org/${one.number}`]);
      expect(numbers(related)).toEqual([one.number, two.number, gone.number].sort((a, b) => a - b));
      const under = await found(two.number, { addresses: true, dependents: true });
      expect(under.change.neededBy).toMatchObject([{ number: String(top.number) }]);
      expect((await found(two.number, { dependents: true })).change.neededBy).toEqual([]);
    });

    it('finds who needs it by git and by message, checked by what the message really says', async () => {
      const base = await lab.gerrit.push(PROJECT);
      const child = await lab.gerrit.push(PROJECT, { parentChange: base.number });
      const far = await lab.gerrit.push('org/other', {
        commitMessage: `Far\n\nDepends-On: ${base.changeId}`,
      });
      await lab.gerrit.push('org/other', { commitMessage: `Mentions ${base.changeId} only` });
      const further = await lab.gerrit.push(PROJECT, {
        commitMessage: `Further\n\nDepends-On: ${far.changeId}`,
      });
      const { change, related } = await found(base.number, { dependents: true });
      expect(change.neededBy.map(({ number }) => Number(number))).toEqual([child.number, far.number]);
      expect(numbers(related)).toEqual([child.number, far.number, further.number]);
      expect(related.find(({ number }) => number === String(far.number))?.neededBy).toMatchObject([
        { number: String(further.number) },
      ]);
      const middle = await found(far.number, { dependents: true });
      expect(middle.change.dependsOn).toMatchObject([{ number: String(base.number) }]);
      expect(numbers(middle.related)).toEqual([base.number, child.number, further.number]);
    });

    it('reports a ring instead of walking it', async () => {
      const a = await lab.gerrit.push(PROJECT);
      const b = await lab.gerrit.push('org/other', { commitMessage: `B\n\nDepends-On: ${a.changeId}` });
      await lab.gerrit.push(PROJECT, {
        change: a.number,
        commitMessage: `A\n\nDepends-On: ${b.changeId}\nChange-Id: ${a.changeId}`,
      });
      const outside = await lab.gerrit.push(PROJECT, {
        commitMessage: `Outside\n\nDepends-On: ${b.changeId}`,
      });
      expect(await fetch(a.number)).toEqual({
        kind: 'cycle',
        path: [`gerrit/${a.number},2`, `gerrit/${b.number},1`, `gerrit/${a.number},2`],
      });
      expect(await fetch(outside.number)).toMatchObject({ kind: 'cycle' });
      const self = await lab.gerrit.push(PROJECT);
      await lab.gerrit.push(PROJECT, {
        change: self.number,
        commitMessage: `Self\n\nDepends-On: ${self.changeId}\nChange-Id: ${self.changeId}`,
      });
      expect(await fetch(self.number)).toMatchObject({ kind: 'cycle' });
    });

    it('gives up on a bomb of dependencies, and asks few questions about a deep stack', async () => {
      let parent = await lab.gerrit.push(PROJECT);
      const bottom = parent;
      for (let depth = 0; depth < 12; depth++)
        parent = await lab.gerrit.push(PROJECT, { parentChange: parent.number });
      const small = lab.review({ ...road, maxRelated: 10 });
      const action = {
        kind: 'fetch' as const,
        id: 'fetch-bomb',
        connection: 'gerrit',
        expect: {},
        dependents: false,
      };
      expect(await small.fetch({ ...action, number: String(parent.number) }, never)).toMatchObject({
        kind: 'failed',
        reason: `${parent.number} needs more than 10 other changes`,
      });
      const outcome = await small.fetch(
        { ...action, number: String(bottom.number), dependents: true },
        never,
      );
      expect(outcome).toMatchObject({ kind: 'found' });
      if (outcome.kind === 'found') expect(outcome.related.length).toBeLessThanOrEqual(11);
      const before = lab.gerrit.commands().length;
      expect((await found(parent.number)).related).toHaveLength(12);
      expect(lab.gerrit.commands().length - before).toBeLessThanOrEqual(14);
    });

    it('finds the open changes of the project when asked', async () => {
      await lab.gerrit.createProject('org/small');
      const one = await lab.gerrit.push('org/small');
      const two = await lab.gerrit.push('org/small');
      const gone = await lab.gerrit.push('org/small');
      await lab.gerrit.abandon(gone.number);
      expect(numbers((await found(one.number, { siblings: true })).related)).toEqual([two.number]);
    });
  });
});
