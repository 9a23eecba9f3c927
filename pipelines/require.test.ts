import { describe, expect, it } from 'vitest';
import type { Approval } from './change.ts';
import { approvalsSatisfy, canMerge } from './require.ts';

const NOW = 1_500_000_000_000;

function vote(label: string, value: number, username: string, age = 10): Approval {
  return { label, value, by: { username }, grantedOn: NOW - age * 1000 };
}

describe('approvalsSatisfy', () => {
  const require = [{ username: '^ci$', newerThan: 60, labels: { verified: [1, 2] } }];

  it('wants one vote that has it all', () => {
    expect(approvalsSatisfy(require, [], { approvals: [vote('Verified', 1, 'ci')] }, NOW, [])).toBe(true);
    const split = { approvals: [vote('Verified', 1, 'jane'), vote('Code-Review', 1, 'ci')] };
    expect(approvalsSatisfy(require, [], split, NOW, [])).toEqual({
      ok: false,
      why: 'it lacks an approval with verified +1 or +2, a username that matches ^ci$, an age of 60 s or less',
    });
  });

  it('counts the edge of an age as newer', () => {
    const edge = { approvals: [vote('Verified', 1, 'ci', 60)] };
    expect(approvalsSatisfy(require, [], edge, NOW, [])).toBe(true);
    expect(approvalsSatisfy([{ olderThan: 60, labels: {} }], [], edge, NOW, [])).toMatchObject({ ok: false });
    expect(approvalsSatisfy([{ olderThan: 59, labels: {} }], [], edge, NOW, [])).toBe(true);
  });

  it('rejects by any vote, and a change without votes only as Zuul did', () => {
    const reject = [{ labels: { 'code-review': [-2] } }];
    expect(
      approvalsSatisfy([], reject, { approvals: [vote('Code-Review', -2, 'jane')] }, NOW, []),
    ).toMatchObject({
      why: 'Code-Review -2 by jane is rejected: code-review -2',
    });
    expect(approvalsSatisfy([], reject, { approvals: [] }, NOW, [])).toBe(true);
    expect(approvalsSatisfy([], reject, { approvals: [] }, NOW, ['reject-without-approvals'])).toMatchObject({
      ok: false,
    });
  });
});

describe('canMerge', () => {
  const record = (status: string) => ({
    submitRecords: [
      {
        status: 'NOT_READY',
        labels: [
          { label: 'Verified', status },
          { label: 'Code-Review', status: 'OK' },
        ],
      },
    ],
  });

  it('looks away from the labels the pipeline sets itself', () => {
    expect(canMerge(record('NEED'), new Set(['Verified']))).toBe(true);
    expect(canMerge(record('NEED'), new Set(['verified']))).toEqual({
      ok: false,
      why: 'Verified is missing',
    });
    expect(canMerge(record('IMPOSSIBLE'), new Set(['Verified']))).toMatchObject({ ok: false });
    expect(canMerge({ submitRecords: [{ status: 'CLOSED' }] }, new Set())).toMatchObject({ ok: false });
    expect(canMerge({ submitRecords: [] }, new Set())).toBe(true);
  });
});
