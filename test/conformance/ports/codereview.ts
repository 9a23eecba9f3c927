import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { FetchAction, ReportAction } from '../../../pipelines/action.ts';
import type { CodeReview } from '../../../pipelines/ports.ts';

/** What every CodeReview promises, asked through a world in which the same things can be done to any of them. */
export interface ReviewWorld extends AsyncDisposable {
  /** Opened as often as wished: each is another process's view, over the same effects. */
  open(): CodeReview;
  push(spec?: { change?: number; parentChange?: number; message?: string }): Promise<Pushed>;
  abandon(change: number): Promise<void>;
  /** Gives the change what it needs besides our vote to be merged. */
  approve(change: number): Promise<void>;
  status(change: number): string;
  /** What we posted on a change, in order. */
  posts(change: number): readonly { message: string; labels: Readonly<Record<string, number>> }[];
  /** The next post is applied (or not), and its answer lost. */
  loseAnswer(applied: boolean): void;
  /** May we vote Verified? */
  mayVote(may: boolean): void;
}

export interface Pushed {
  readonly number: number;
  readonly patchset: number;
  readonly revision: string;
  readonly changeId: string;
  readonly project: string;
}

export function codeReviewConformance(name: string, open: () => Promise<ReviewWorld>): void {
  describe(`code review on ${name}`, () => {
    const never = new AbortController().signal;
    let world: ReviewWorld;
    let review: CodeReview;
    beforeEach(async () => {
      world = await open();
      review = world.open();
    });
    afterEach(async () => {
      await world[Symbol.asyncDispose]();
    });

    const fetch = (number: number, more: Partial<FetchAction> = {}) =>
      review.fetch(
        {
          kind: 'fetch',
          id: `fetch-${number}`,
          connection: review.connection,
          number: String(number),
          expect: {},
          dependents: false,
          ...more,
        },
        never,
      );
    const action = (pushed: Pushed, more: Partial<ReportAction> = {}): ReportAction => ({
      kind: 'report',
      id: `report-${pushed.number}`,
      connection: review.connection,
      project: pushed.project,
      branch: 'master',
      number: String(pushed.number),
      patchset: String(pushed.patchset),
      revision: pushed.revision,
      pipeline: 'check',
      phase: 'success',
      message: 'Build succeeded (check pipeline).',
      labels: { verified: 1 },
      submit: false,
      ...more,
    });

    test('fetch finds the change with all that it needs, and says absent for what is not', async () => {
      const below = await world.push();
      const named = await world.push();
      const top = await world.push({
        parentChange: below.number,
        message: `Top\n\nDepends-On: ${named.changeId}`,
      });
      const outcome = await fetch(top.number);
      if (outcome.kind !== 'found') throw new Error(JSON.stringify(outcome));
      expect(outcome.change).toMatchObject({
        connection: review.connection,
        number: String(top.number),
        revision: top.revision,
        status: 'NEW',
        gitParent: { number: String(below.number) },
        dependsOn: [{ number: String(named.number) }],
      });
      expect(outcome.related.map(({ number }) => Number(number)).sort((a, b) => a - b)).toEqual([
        below.number,
        named.number,
      ]);
      expect(await fetch(999_999)).toMatchObject({ kind: 'absent' });
    });

    test('fetch finds dependents when asked, and only then', async () => {
      const base = await world.push();
      const child = await world.push({ parentChange: base.number });
      expect(await fetch(base.number)).toMatchObject({ kind: 'found', related: [] });
      expect(await fetch(base.number, { dependents: true })).toMatchObject({
        kind: 'found',
        change: { neededBy: [{ number: String(child.number) }] },
        related: [{ number: String(child.number) }],
      });
    });

    test('fetch names a ring', async () => {
      const a = await world.push();
      const b = await world.push({ message: `B\n\nDepends-On: ${a.changeId}` });
      await world.push({
        change: a.number,
        message: `A\n\nDepends-On: ${b.changeId}\nChange-Id: ${a.changeId}`,
      });
      expect(await fetch(a.number)).toMatchObject({ kind: 'cycle' });
    });

    test('fetch never answers with less than is known to have happened', async () => {
      const pushed = await world.push();
      const second = await world.push({ change: pushed.number });
      expect(
        await fetch(pushed.number, { expect: { patchset: '2', revision: second.revision } }),
      ).toMatchObject({ kind: 'found', change: { patchset: '2', revision: second.revision } });
      expect(await fetch(pushed.number, { expect: { patchset: '3' } })).toMatchObject({ kind: 'failed' });
    });

    test('report posts once for one id, in one life or in several', async () => {
      const pushed = await world.push();
      expect(await review.report(action(pushed), never)).toEqual({ kind: 'posted' });
      expect(await world.open().report(action(pushed), never)).toEqual({ kind: 'posted' });
      expect(world.posts(pushed.number)).toEqual([
        { message: 'Build succeeded (check pipeline).', labels: { Verified: 1 } },
      ]);
    });

    test.each([true, false])('report reads back a lost answer (applied: %s)', async (applied) => {
      const pushed = await world.push();
      world.loseAnswer(applied);
      expect(await review.report(action(pushed), never)).toEqual({ kind: 'posted' });
      expect(world.posts(pushed.number)).toHaveLength(1);
    });

    test('report keeps the words when the vote is refused', async () => {
      const pushed = await world.push();
      world.mayVote(false);
      expect(await review.report(action(pushed), never)).toMatchObject({
        kind: 'posted',
        note: expect.stringContaining('Verified+1'),
      });
      expect(world.posts(pushed.number)).toMatchObject([{ labels: {} }]);
    });

    test('report on an abandoned change says its words without votes', async () => {
      const pushed = await world.push();
      await world.abandon(pushed.number);
      expect(await review.report(action(pushed), never)).toMatchObject({ kind: 'posted' });
      expect(world.posts(pushed.number)).toMatchObject([{ labels: {} }]);
    });

    test('report answers refused for a change that is not there', async () => {
      const pushed = await world.push();
      expect(await review.report(action({ ...pushed, number: 999_999 }), never)).toMatchObject({
        kind: 'refused',
      });
    });

    test('submit tells merged from refused', async () => {
      const good = await world.push();
      await world.approve(good.number);
      expect(await review.report(action(good, { submit: true }), never)).toEqual({
        kind: 'posted',
        merged: true,
      });
      expect(world.status(good.number)).toBe('MERGED');
      const bad = await world.push();
      expect(await review.report(action(bad, { submit: true }), never)).toMatchObject({
        kind: 'posted',
        merged: false,
        note: expect.any(String),
      });
      expect(world.status(bad.number)).toBe('NEW');
    });
  });
}
