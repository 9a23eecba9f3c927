import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { countOurs, labelName, messageText, remedyFor } from './review.ts';

describe('messages', () => {
  it('are within the limit, printable and well formed, whatever they were made of', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', maxLength: 300 }),
        fc.integer({ min: 40, max: 200 }),
        (text, most) => {
          const sent = messageText(text, most);
          expect(sent.length).toBeLessThanOrEqual(most);
          // oxlint-disable-next-line no-control-regex -- they must not be there
          expect(sent).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]|\p{Surrogate}/u);
        },
      ),
    );
  });

  it('are recognised among others by author, patchset and words', () => {
    const input = { message: 'Build succeeded.\n\n- a : SUCCESS', tag: 't', drafts: 'KEEP' as const };
    const message = (text: string, username: string | undefined = 'ci') => ({ at: 1, username, text });
    const talk = (...messages: ReturnType<typeof message>[]) => ({
      status: 'NEW' as const,
      currentPatchset: '1',
      messages,
      votes: [],
    });
    const count = (...messages: ReturnType<typeof message>[]) =>
      countOurs(talk(...messages), 'ci', '1', input);
    expect(count(message('Patch Set 1: Verified+1\n\nBuild succeeded.\n\n- a : SUCCESS'))).toBe(1);
    expect(count(message('Patch Set 1:\n\nBuild succeeded.\n- a : SUCCESS\n'))).toBe(1);
    expect(count(message('Patch Set 2:\n\nBuild succeeded.\n\n- a : SUCCESS'))).toBe(0);
    expect(count(message('Patch Set 1:\n\nBuild succeeded.\n\n- a : SUCCESS', 'eve'))).toBe(0);
    expect(count(message('Patch Set 1:\n\nBuild failed.'))).toBe(0);
    const vote = { labels: { Verified: -1 }, tag: 't', drafts: 'KEEP' as const };
    expect(countOurs(talk(message('Patch Set 1: Verified-1')), 'ci', '1', vote)).toBe(1);
    expect(countOurs(talk(message('Patch Set 1: Verified-1\n\nwords')), 'ci', '1', vote)).toBe(0);
  });
});

describe('votes', () => {
  it('are named as Gerrit names them', () => {
    expect(['verified', 'code-review', 'Verified', 'CI-Result'].map(labelName)).toEqual([
      'Verified',
      'Code-Review',
      'Verified',
      'CI-Result',
    ]);
  });

  it('are given up one by one where Gerrit names one', () => {
    const labels = ['Verified', 'Code-Review'];
    expect(remedyFor('Applying label "Verified": 2 is restricted', labels)).toEqual({
      kind: 'drop',
      labels: ['Verified'],
    });
    expect(remedyFor('label "verified" is not a configured label', labels)).toEqual({
      kind: 'drop',
      labels: ['Verified'],
    });
    expect(remedyFor('label "Code-Review": 5 is not a valid value', labels)).toEqual({
      kind: 'drop',
      labels: ['Code-Review'],
    });
    expect(remedyFor('change is closed', labels)).toEqual({ kind: 'drop', labels });
    expect(remedyFor('Cannot reduce vote on labels for closed change: Verified', labels)).toEqual({
      kind: 'drop',
      labels,
    });
    expect(remedyFor('change is closed', [])).toBeUndefined();
    expect(remedyFor('project is read only', labels)).toBeUndefined();
    expect(remedyFor('Comment size exceeds limit (16000 > 4096)', labels)).toEqual({
      kind: 'shorten',
      most: 4096,
    });
  });
});
