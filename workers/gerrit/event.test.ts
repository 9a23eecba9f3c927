import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GerritEvent } from '../../pipelines/event.ts';
import { isNoise, naturalKey, toFact } from './event.ts';

const fact = (line: unknown) =>
  toFact(typeof line === 'string' ? line : JSON.stringify(line), 'gerrit', 1_000);
const sha = (digit: string) => digit.repeat(40);

const comment = {
  author: { name: 'Bob', username: 'bob' },
  approvals: [
    { type: 'Verified', description: 'Verified', value: '0' },
    { type: 'Code-Review', description: 'Code-Review', value: '2', oldValue: '0' },
  ],
  comment: 'Patch Set 1: Code-Review+2\n\nrecheck',
  patchSet: { number: 1, revision: sha('a'), ref: 'refs/changes/42/1042/1' },
  change: { project: 'org/demo', branch: 'master', id: `I${sha('b')}`, number: 1042, status: 'NEW' },
  project: 'org/demo',
  refName: 'refs/heads/master',
  type: 'comment-added',
  eventCreatedOn: 1_763_680_100,
};

describe('toFact', () => {
  it('reads a comment with its votes', () => {
    expect(fact(comment)).toEqual({
      kind: 'GerritEvent',
      at: 1_000,
      connection: 'gerrit',
      via: 'stream',
      type: 'comment-added',
      project: 'org/demo',
      branch: 'master',
      number: '1042',
      patchset: '1',
      revision: sha('a'),
      account: { name: 'Bob', username: 'bob' },
      comment: 'Patch Set 1: Code-Review+2\n\nrecheck',
      approvals: [
        { label: 'Verified', value: 0 },
        { label: 'Code-Review', value: 2, oldValue: 0 },
      ],
      createdOn: 1_763_680_100,
    });
  });

  it('reads numbers of old Gerrits, patchset-level comments, and every role', () => {
    const old = { ...comment, change: { ...comment.change, number: '1042' }, patchSet: { number: '3' } };
    expect(fact(old)).toMatchObject({ number: '1042', patchset: '3' });
    expect(
      fact({ ...comment, patchSetComments: { '/PATCHSET_LEVEL': [{ message: 'recheck' }] } }),
    ).toMatchObject({
      patchsetComments: ['recheck'],
    });
    for (const role of [
      'uploader',
      'abandoner',
      'restorer',
      'submitter',
      'changer',
      'editor',
      'deleter',
      'remover',
    ])
      expect(fact({ type: 'x', [role]: { username: 'zoe' } })?.account).toEqual({ username: 'zoe' });
  });

  it('reads ref updates and merges', () => {
    const refUpdate = { oldRev: sha('0'), newRev: sha('1'), refName: 'refs/tags/1.0', project: 'org/demo' };
    expect(fact({ type: 'ref-updated', refUpdate, submitter: { username: 'a' } })).toMatchObject({
      project: 'org/demo',
      ref: 'refs/tags/1.0',
      oldRev: sha('0'),
      newRev: sha('1'),
    });
    expect(fact({ ...comment, type: 'change-merged', newRev: sha('c') })).toMatchObject({ newRev: sha('c') });
  });

  it('takes what is wrong for what is missing', () => {
    expect(
      fact({ type: 'x', change: 'no', patchSet: [], approvals: {}, comment: 7, eventCreatedOn: 'soon' }),
    ).toEqual({
      kind: 'GerritEvent',
      at: 1_000,
      connection: 'gerrit',
      via: 'stream',
      type: 'x',
    });
    expect(
      fact({ ...comment, approvals: [null, 3, { type: 'V' }, { type: 'V', value: 'x' }] })?.approvals,
    ).toEqual([]);
    expect(fact({ type: 'x', comment: 'a\u0000b\ud800c' })?.comment).toBe('a\ufffdb\ufffdc');
    for (const line of ['', 'x', '{', '[]', 'null', '3', '{}', '{"type":3}', '{"type":"a b"}'])
      expect(fact(line)).toBeUndefined();
  });

  it('makes a valid fact or none of anything', () => {
    const wild = fc.dictionary(
      fc.constantFrom(
        'type',
        'change',
        'patchSet',
        'author',
        'approvals',
        'comment',
        'refUpdate',
        'eventCreatedOn',
        '__proto__',
      ),
      fc.oneof(
        fc.jsonValue(),
        fc.constant('comment-added'),
        fc.constant(comment.change),
        fc.constant(comment.approvals),
      ),
    );
    fc.assert(
      fc.property(wild, (event) => {
        const read = fact(event);
        if (read === undefined) return;
        expect(GerritEvent.parse(read)).toEqual(read);
        expect(naturalKey(read)).not.toContain('undefined');
      }),
    );
  });
});

describe('isNoise', () => {
  it('drops bookkeeping and replication before they are parsed, and nothing that quotes them', () => {
    const update = (refName: string) =>
      JSON.stringify({ refUpdate: { refName, project: 'p' }, type: 'ref-updated' });
    expect(isNoise(update('refs/changes/42/1042/meta'))).toBe(true);
    expect(isNoise(update('refs/sequences/changes'))).toBe(true);
    expect(isNoise(update('refs/heads/master'))).toBe(false);
    expect(isNoise(update('refs/changes/42/1042/1'))).toBe(false);
    expect(isNoise('{"project":"p","type":"ref-replicated"}')).toBe(true);
    const quoted = `${update('refs/changes/42/1042/meta')} {"type":"ref-replicated"} "type":"cache-eviction"`;
    expect(isNoise(JSON.stringify({ ...comment, comment: quoted }))).toBe(false);
  });
});

describe('naturalKey', () => {
  const key = (line: unknown) => {
    const read = fact(line);
    return read === undefined ? '' : naturalKey(read);
  };

  it('names what can happen only once, and tells the rest apart by content', () => {
    expect(key({ ...comment, type: 'patchset-created' })).toBe('patchset-created/gerrit/1042,1');
    expect(key({ ...comment, type: 'change-merged' })).toBe('change-merged/gerrit/1042');
    expect(key(comment)).toBe(key({ ...comment }));
    for (const other of [
      { comment: 'Patch Set 1: Code-Review+2\n\nrecheck!' },
      { eventCreatedOn: 1_763_680_101 },
      { author: { username: 'eve' } },
      { approvals: [] },
      { patchSet: { number: 2 } },
    ])
      expect(key({ ...comment, ...other })).not.toBe(key(comment));
    const update = (newRev: string) => ({
      type: 'ref-updated',
      refUpdate: { oldRev: sha('0'), newRev, refName: 'refs/heads/m' },
    });
    expect(key({ ...update(sha('1')), eventCreatedOn: 1 })).toBe(
      key({ ...update(sha('1')), eventCreatedOn: 2 }),
    );
    expect(key(update(sha('1')))).not.toBe(key(update(sha('2'))));
  });
});
