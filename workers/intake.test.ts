import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Lab, listening, openLab, PROJECT } from '../test/fixtures/gerritlab.ts';

let lab: Lab;
beforeEach(async () => {
  lab = await openLab();
});
afterEach(async () => {
  await lab[Symbol.asyncDispose]();
});

describe('the stream', () => {
  it('brings every event into the ledger, once, and calls noise noise', async () => {
    const intake = lab.intake();
    await listening(lab, intake);
    const pushed = await lab.gerrit.push(PROJECT, { user: 'ann' });
    await lab.gerrit.comment(pushed.number, 'recheck', { user: 'ann' });
    await lab.until('the comment is filed', async () => (await lab.facts('comment-added')).length === 1);
    const [created] = await lab.facts('patchset-created');
    expect(created).toMatchObject({
      connection: 'gerrit',
      via: 'stream',
      project: PROJECT,
      branch: 'master',
      number: String(pushed.number),
      patchset: '1',
      revision: pushed.revision,
      account: { username: 'ann' },
    });
    const [comment] = await lab.facts('comment-added');
    expect(comment?.comment).toBe('Patch Set 1:\n\nrecheck');
    lab.gerrit.repeat(2);
    lab.gerrit.inject({ type: 'topic-changed', change: { number: 1 }, eventCreatedOn: 5 });
    await lab.until('the last line is filed', async () => (await lab.facts('topic-changed')).length === 1);
    expect(await lab.facts('comment-added')).toHaveLength(1);
    expect(await lab.facts('patchset-created')).toHaveLength(1);
    await lab.until('our own name is known', () => intake.state().fullName === 'Acme Storage CI');
    expect(intake.state().warnings).toEqual([]);
  });
});
