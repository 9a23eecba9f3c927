import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { MergeEntry, ReportAction } from '../../pipelines/action.ts';
import type { CodeReview } from '../../pipelines/ports.ts';
import { mergeAction } from '../../test/conformance/ports/merger.ts';
import type { Pushed } from '../../test/fakes/gerrit/push.ts';
import { type Lab, openLab, PROJECT } from '../../test/fixtures/gerritlab.ts';
import type { Branches } from '../git/branches.ts';
import { createMerger, type GitMerger } from '../merger.ts';
import { type GitBridge, openGitBridge } from './bridge.ts';

/** What a gate submits is what it tested: the merger's answer, the report's checks and Gerrit's merge, on real repositories. */
describe('a submit', () => {
  const never = new AbortController().signal;
  let dir: string;
  let lab: Lab;
  let bridge: GitBridge;
  let merger: GitMerger;
  let review: CodeReview;
  let ids = 0;

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'stackgate-submit-'));
    lab = await openLab();
    lab.gerrit.allow({ ref: 'refs/heads/*', permission: 'submit', group: 'Service Users' });
    const { commands } = lab.connection();
    bridge = await openGitBridge((command, env) => commands.channel(command, env));
    merger = createMerger({
      dir,
      sources: { gerrit: { url: (project) => bridge.url(project), env: {} } },
      url: () => 'http://localhost/p',
    });
    review = lab.review({}, merger.branches('gerrit'));
  });
  afterEach(async () => {
    await merger[Symbol.asyncDispose]();
    await bridge[Symbol.asyncDispose]();
    await lab[Symbol.asyncDispose]();
    await rm(dir, { recursive: true, force: true });
  });

  async function approved(file: string): Promise<Pushed> {
    const pushed = await lab.gerrit.push(PROJECT, { user: 'ann', files: { [file]: 'text\n' } });
    await lab.gerrit.vote(pushed.number, { 'Code-Review': 2, Verified: 1 });
    return pushed;
  }

  /** Merges a stack as the gate does; answers the report of its last change. */
  async function tested(...stack: readonly Pushed[]): Promise<ReportAction> {
    const entries = stack.map((pushed): MergeEntry => {
      ids += 1;
      return {
        connection: 'gerrit',
        project: PROJECT,
        branch: 'master',
        mode: 'merge',
        number: `${pushed.number}`,
        patchset: `${pushed.patchset}`,
        revision: pushed.revision,
        refspec: pushed.ref,
        ref: `refs/zuul/master/Z${String(ids).padStart(32, '0')}`,
      };
    });
    const outcome = await merger.merge(mergeAction(entries), never);
    const last = stack.at(-1);
    if (outcome.kind !== 'merged' || last === undefined) throw new Error(`not merged: ${outcome.kind}`);
    const { commit, tree, onto, bases } = outcome;
    return {
      kind: 'report',
      id: `report-${ids}`,
      connection: 'gerrit',
      project: PROJECT,
      branch: 'master',
      number: `${last.number}`,
      patchset: '1',
      revision: last.revision,
      pipeline: 'gate',
      phase: 'success',
      message: 'Build succeeded (gate pipeline).',
      labels: {},
      submit: true,
      tested: {
        base: bases[0]?.commit ?? '',
        commit,
        ...(tree === undefined ? {} : { tree }),
        ...(onto === undefined ? {} : { onto }),
      },
    };
  }

  const said = () => lab.gerrit.reviews({ user: 'ci' });

  it('goes through for a stack that is merged in its order, whatever commits Gerrit makes of it', async () => {
    const [first, second] = [await approved('a'), await approved('b')];
    const [one, two] = [await tested(first), await tested(first, second)];
    expect(await review.report(one, never)).toEqual({ kind: 'posted', merged: true });
    expect(await review.report(two, never)).toEqual({ kind: 'posted', merged: true });
  });

  it('is not asked for, and nothing is said, when the branch moved under what was tested', async () => {
    const [ours, theirs] = [await approved('a'), await approved('b')];
    const report = await tested(ours);
    await lab.gerrit.submit(theirs.number);
    const reason = expect.stringMatching(
      /^master of org\/demo is at [0-9a-f]{40}, which is not what \d+,1 was/,
    );
    expect(await review.report(report, never)).toEqual({ kind: 'moved', reason });
    expect(said()).toEqual([]);
    expect(lab.gerrit.change(ours.number).status).toBe('NEW');
    // Tested again on what is there now, it goes through.
    expect(await review.report(await tested(ours), never)).toEqual({ kind: 'posted', merged: true });
  });

  it('is held back even when the branch moves between the words and the submit', async () => {
    const [ours, theirs] = [await approved('a'), await approved('b')];
    const report = await tested(ours);
    const real = merger.branches('gerrit');
    let looks = 0;
    const late: Branches = {
      ...real,
      async tip(...about) {
        looks += 1;
        if (looks === 2) await lab.gerrit.submit(theirs.number);
        return await real.tip(...about);
      },
    };
    expect(await lab.review({}, late).report(report, never)).toMatchObject({ kind: 'moved' });
    expect(said()).toHaveLength(1);
    expect(lab.gerrit.change(ours.number).status).toBe('NEW');
  });

  it('raises an alarm when the branch then holds something else than was tested', async () => {
    const [ours, theirs] = [await approved('a'), await approved('b')];
    const report = await tested(ours);
    const real = merger.branches('gerrit');
    // The other one slips in after the last look: no check can prevent that, but it is seen.
    const blind: Branches = {
      ...real,
      async tip(...about) {
        const tip = await real.tip(...about);
        if (lab.gerrit.change(theirs.number).status === 'NEW' && said().length === 1)
          await lab.gerrit.submit(theirs.number);
        return tip;
      },
    };
    expect(await lab.review({}, blind).report(report, never)).toEqual({
      kind: 'posted',
      merged: true,
      alarm: expect.stringMatching(/^master of org\/demo never held the tree [0-9a-f]{40} that was tested/),
    });
  });

  it('of a branch that is gone is not asked for', async () => {
    const report = await tested(await approved('a'));
    expect(await review.report({ ...report, branch: 'stable' }, never)).toMatchObject({
      kind: 'moved',
      reason: expect.stringContaining('stable of org/demo is gone'),
    });
  });
});
