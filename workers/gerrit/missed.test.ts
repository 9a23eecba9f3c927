import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { GerritEvent } from '../../pipelines/event.ts';
import { naturalKey } from './event.ts';
import { missingFrom, provenEvents, sameHappening } from './missed.ts';
import { WireChange } from './schema.ts';

const T = 1_763_680_000;
const ann = { username: 'ann' };

function proven(row: object, from = T * 1_000): GerritEvent[] {
  return provenEvents(
    WireChange.parse({ project: 'p', branch: 'refs/heads/master', number: 7, ...row }),
    'gerrit',
    from,
    1,
  );
}
const told = (events: readonly GerritEvent[]) =>
  events.map(({ type, patchset }) => `${type} ${patchset ?? '-'}`);
const says = (message: string, timestamp = T) => ({ timestamp, reviewer: ann, message });
const inLedger = (facts: readonly GerritEvent[]) => facts.map((fact) => ({ key: naturalKey(fact), fact }));

describe('what a change proves', () => {
  it('knows a review post from what Gerrit itself notes', () => {
    const comments = [
      'Uploaded patch set 1.',
      'Patch Set 1:\n\nrecheck',
      'Patch Set 1: Verified+1 -Code-Review',
      'Patch Set 1: Patch Set 0 was rebased',
      'Patch Set 2: Commit message was updated',
      'Patch Set 2: Published edit on patch set 1',
      'Patch Set 1: (1 comment)',
      'Patch Set 2: Code-Review+2\n\n(2 comments)\n\nfine',
      'Removed Verified+1 by Ann',
      'Topic set to x',
      'Abandoned\n\nno more',
      'Restored',
      'Patch Set 3: Abandoned',
    ].map((message, n) => says(message, T + n));
    expect(told(proven({ status: 'NEW', comments, currentPatchSet: { number: 2 } }))).toEqual([
      'comment-added 1',
      'comment-added 1',
      'comment-added 2',
      'change-abandoned 2',
      'change-restored 2',
      'change-abandoned 2',
    ]);
  });

  it('reads the votes of a post from its header, the standing ones from the patchset', () => {
    const approvals = [
      { type: 'Workflow', value: '1', by: ann },
      { type: 'Verified', value: '1', by: { username: 'bob' } },
      { type: 'SUBM', value: '1', by: ann },
    ];
    const comments = [says('Patch Set 1: Code-Review+2 -Verified\n\nrecheck')];
    const [post] = proven({ comments, currentPatchSet: { number: 1, approvals } });
    expect(post?.approvals).toEqual([
      { label: 'Code-Review', value: 2, oldValue: 0 },
      { label: 'Verified', value: 0 },
      { label: 'Workflow', value: 1 },
    ]);
  });

  it('leaves out what lies before the window, and the patchset that a submit made', () => {
    const patchSets = [
      { number: 1, createdOn: T - 10 },
      { number: 2, createdOn: T + 5 },
      { number: 3, createdOn: T + 20 },
    ];
    const currentPatchSet = {
      number: 3,
      createdOn: T + 20,
      approvals: [{ type: 'SUBM', value: '1', grantedOn: T + 20, by: ann }],
    };
    expect(told(proven({ status: 'MERGED', patchSets, currentPatchSet }))).toEqual([
      'patchset-created 2',
      'change-merged 3',
    ]);
    expect(told(proven({ status: 'NEW', patchSets, currentPatchSet }))).toEqual([
      'patchset-created 2',
      'patchset-created 3',
    ]);
    expect(
      proven({ status: 'MERGED', patchSets: [], currentPatchSet: { number: 1 }, lastUpdated: T - 5 }),
    ).toEqual([]);
  });
});

describe('what is missing', () => {
  const comment = (text: string, createdOn: number, username = 'ann'): GerritEvent => ({
    kind: 'GerritEvent',
    at: createdOn * 1_000,
    connection: 'gerrit',
    via: 'stream',
    type: 'comment-added',
    number: '7',
    patchset: '1',
    account: { username },
    comment: text,
    createdOn,
  });

  it('is nothing when each proven event has one of the ledger, a patchset-level comment too', () => {
    const heard = [comment('Patch Set 1:\n\nrecheck', T + 1), comment('Patch Set 1:\n\nhi', T + 2)];
    const read = [comment('Patch Set 1:\n\n(1 comment)', T), comment('Patch Set 1:\n\nhi', T + 2)];
    expect(missingFrom(inLedger(heard), read)).toEqual([]);
  });

  it('is the one that no event accounts for', () => {
    const heard = [comment('Patch Set 1:\n\na', T), comment('Patch Set 1:\n\nc', T)];
    const read = ['a', 'recheck', 'c'].map((text) => comment(`Patch Set 1:\n\n${text}`, T));
    expect(missingFrom(inLedger(heard), read)).toEqual([read[1]]);
    expect(missingFrom(inLedger([comment('x', T, 'bob')]), [comment('x', T)])).toHaveLength(1);
    expect(missingFrom(inLedger([comment('x', T - 60)]), [comment('x', T)])).toHaveLength(1);
    // A query may not show yet what was heard last: its event must not stand in for other words.
    expect(missingFrom(inLedger([comment('hi', T + 1)]), [comment('recheck', T)])).toHaveLength(1);
  });

  it('is one happening only where words and second agree', () => {
    expect(sameHappening(comment('recheck', T + 1), comment('recheck', T))).toBe(true);
    expect(sameHappening(comment('recheck', T + 60), comment('recheck', T))).toBe(false);
    expect(sameHappening(comment('hi', T + 1), comment('recheck', T))).toBe(false);
    expect(sameHappening(comment('recheck', T + 1), comment('Patch Set 1:\n\n(1 comment)', T))).toBe(true);
  });

  it('takes equal words of one second for one fact, and allows equal words more delay', () => {
    const twice = [comment('recheck', T), comment('recheck', T)];
    expect(missingFrom(inLedger([comment('recheck', T)]), twice)).toEqual([]);
    expect(missingFrom(inLedger([comment('recheck', T + 200)]), [comment('recheck', T)])).toEqual([]);
    expect(missingFrom(inLedger([comment('other', T + 200)]), [comment('recheck', T)])).toHaveLength(1);
  });

  it('is exactly what was dropped, for any dropped subset of different comments', () => {
    const texts = fc.uniqueArray(
      fc.tuple(fc.nat(20), fc.constantFrom('ann', 'bob'), fc.nat(50), fc.boolean()),
      {
        selector: ([text]) => text,
      },
    );
    fc.assert(
      fc.property(texts, (rows) => {
        const all = rows.map(([text, by, second]) => comment(`Patch Set 1:\n\n${text}`, T + second, by));
        const heard = all.filter((_, n) => rows[n]?.[3] === true);
        const missing = missingFrom(inLedger(heard), all);
        expect(missing).toHaveLength(all.length - heard.length);
        expect(missing.every((event) => !heard.includes(event))).toBe(true);
      }),
    );
  });
});
