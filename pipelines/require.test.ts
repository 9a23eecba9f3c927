import { describe, expect, it } from 'vitest';
import type { Approval, Change } from './change.ts';
import { approvalsSatisfy, canMerge, meets } from './require.ts';

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

describe('meets', () => {
  const change: Change = {
    connection: 'gerrit',
    project: 'org/project',
    number: '1',
    patchset: '2',
    currentPatchset: '2',
    branch: 'master',
    revision: 'a'.repeat(40),
    ref: 'refs/changes/01/1/2',
    changeId: `I${'b'.repeat(40)}`,
    subject: 'subject',
    message: 'message',
    owner: { username: 'stranger', email: 'stranger@elsewhere.example' },
    url: 'http://review.example/1',
    status: 'NEW',
    wip: false,
    private: false,
    files: [],
    parents: [],
    approvals: [],
    submitRecords: [],
    dependsOn: [],
    neededBy: [],
    fetchedAt: NOW,
  };
  const pipeline = { require: { status: [], approvals: [] }, reject: { approvals: [] } };

  it('names what is missing', () => {
    const open = {
      ...pipeline,
      require: { ...pipeline.require, open: true, currentPatchset: true, status: ['NEW'] },
    };
    expect(meets(open, change, NOW, [])).toBe(true);
    expect(meets(open, { ...change, status: 'ABANDONED' }, NOW, [])).toMatchObject({
      why: 'it is ABANDONED, and the pipeline requires open changes',
    });
    expect(meets(open, { ...change, patchset: '1' }, NOW, [])).toMatchObject({
      why: 'patchset 1 is not the current one (2)',
    });
    const closed = { ...pipeline, require: { ...pipeline.require, open: false } };
    expect(meets(closed, change, NOW, [])).toMatchObject({ ok: false });
    expect(meets(closed, change, NOW, ['require-false-is-nothing'])).toBe(true);
  });

  it('lets strangers wait for an approval that is not their own', () => {
    const careful = {
      ...pipeline,
      trust: {
        usernames: ['^jane$'],
        emails: ['@vendor\\.example$'],
        approvals: [{ labels: { workflow: [1] } }],
      },
    };
    expect(meets(careful, change, NOW, [])).toMatchObject({
      why: 'stranger is not trusted here, and nobody else has approved it with workflow +1',
    });
    const jane = { username: 'jane' };
    expect(meets(careful, { ...change, owner: jane }, NOW, [])).toBe(true);
    expect(meets(careful, { ...change, owner: { email: 'x@vendor.example' } }, NOW, [])).toBe(true);
    expect(meets(careful, { ...change, owner: jane, uploader: change.owner }, NOW, [])).toMatchObject({
      ok: false,
    });
    expect(
      meets(careful, { ...change, approvals: [vote('Workflow', 1, 'stranger')] }, NOW, []),
    ).toMatchObject({ ok: false });
    expect(meets(careful, { ...change, approvals: [vote('Workflow', 1, 'core')] }, NOW, [])).toBe(true);
  });
});
