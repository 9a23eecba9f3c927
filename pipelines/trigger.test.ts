import { describe, expect, it } from 'vitest';
import type { GerritEvent } from './event.ts';
import type { GerritTrigger } from './layout.ts';
import type { KnownAccounts } from './robots.ts';
import { personsText, triggerWants } from './trigger.ts';

const TRIGGER: GerritTrigger = {
  kind: 'gerrit',
  connection: 'gerrit',
  events: ['comment-added'],
  branches: [],
  refs: [],
  ignoreDeletes: true,
  approvals: [],
  comments: [],
  emails: [],
  usernames: [],
  requireApprovals: [],
  rejectApprovals: [],
  place: 'layout.yaml:3:5',
};

function comment(text: string, more: Partial<GerritEvent> = {}): GerritEvent {
  return {
    kind: 'GerritEvent',
    at: 0,
    connection: 'gerrit',
    via: 'stream',
    type: 'comment-added',
    project: 'org/project',
    branch: 'master',
    number: '1',
    patchset: '3',
    account: { username: 'jane' },
    comment: text,
    ...more,
  };
}

describe('personsText', () => {
  it.each([
    ['Patch Set 3:\n\nrecheck', 'recheck'],
    ['Patch Set 3: Code-Review+1 Workflow+1\n\n(2 comments)\n\nLooks good.\nrecheck', 'Looks good.\nrecheck'],
    ['Patch Set 3: -Verified\n\n(1 comment)', ''],
    ['Patch Set 3: Verified-1', ''],
    ['Patch Set 3:\r\n\r\nrecheck\r\n', 'recheck'],
    ['Patch Set 3: recheck', 'recheck'],
    ['Uploaded patch set 2.', 'Uploaded patch set 2.'],
    ['recheck', 'recheck'],
    ['Patch Set 3:\n\n(see 2 comments) no', '(see 2 comments) no'],
    ['', ''],
  ])('%j says %j', (text, said) => {
    expect(personsText({ comment: text })).toBe(said);
  });

  it('has the patchset-level comments, which newer Gerrits send apart', () => {
    expect(personsText({ comment: 'Patch Set 3:\n\n(1 comment)', patchsetComments: ['recheck'] })).toBe(
      'recheck',
    );
  });

  it('takes no time for a header made to be expensive', () => {
    const started = performance.now();
    personsText({ comment: `Patch Set 3:${' a-1-1-1'.repeat(5_000)} !\n\nx` });
    expect(performance.now() - started).toBeLessThan(500);
  });
});

describe('triggerWants', () => {
  const openstack = {
    ...TRIGGER,
    comments: ['(?i)^(Patch Set [0-9]+:)?( [\\w\\\\+-]*)*(\\n\\n)?\\s*recheck'],
  };
  const wikimedia = { ...TRIGGER, comments: ['(?im)^Patch Set \\d+:\\n\\n\\s*recheck\\.?\\s*$'] };

  it.each([openstack, wikimedia])('hears a recheck in whatever way Gerrit wraps it', (trigger) => {
    expect(triggerWants(trigger, comment('Patch Set 3:\n\nrecheck'), [])).toBe(true);
    const counted = comment('Patch Set 3: Code-Review+1\n\n(2 comments)\n\nrecheck');
    expect(triggerWants(trigger, counted, [])).toBe(true);
    expect(triggerWants(trigger, counted, ['raw-comments'])).toMatchObject({ ok: false });
    const level = comment('Patch Set 3:\n\n(1 comment)', { patchsetComments: ['recheck'] });
    expect(triggerWants(trigger, level, [])).toBe(true);
  });

  it('takes for a CI whom the site names, and nobody else against what it says', () => {
    const recheck = (account: object) => comment('Patch Set 3:\n\nrecheck', { account });
    const wants = (account: object, known?: KnownAccounts) => {
      const asked = triggerWants(openstack, recheck(account), [], known);
      return asked === true ? true : asked.why;
    };
    expect(wants({ username: 'mary-ci', name: 'Mary' })).toBe(
      'another CI wrote it, for its username is mary-ci, and what CIs write starts nothing by its text (a person? name the account in `people:` of the connection)',
    );
    const known = { robots: ['watcher'], people: ['Mary-CI', 'bob'] };
    expect(wants({ username: 'mary-ci', name: 'Mary' }, known)).toBe(true);
    expect(wants({ username: 'bob', name: 'Bob of Lab CI' }, known)).toBe(true);
    expect(wants({ username: 'watcher', name: 'W' }, known)).toMatch(/names watcher among the robots/);
    expect(wants({ name: 'Array CI' }, known)).toMatch(/full name Array CI ends in/);
  });

  it('says why not, and where the trigger stands', () => {
    expect(triggerWants(openstack, comment('Patch Set 3:\n\nplease recheck'), [])).toEqual({
      ok: false,
      why: 'the comment matches none of its patterns',
      place: 'layout.yaml:3:5',
    });
    expect(triggerWants(TRIGGER, comment('', { type: 'patchset-created' }), [])).toMatchObject({
      why: 'it waits for comment-added',
    });
  });

  it('wants every approval among the votes of the event, in any spelling of the label', () => {
    const trigger = { ...TRIGGER, approvals: [{ label: 'code review', value: 2 }] };
    expect(triggerWants(trigger, comment('', { approvals: [{ label: 'Code-Review', value: 2 }] }), [])).toBe(
      true,
    );
    expect(
      triggerWants(trigger, comment('', { approvals: [{ label: 'Code-Review', value: 1 }] }), []),
    ).toMatchObject({
      why: 'the event brings no code review +2',
    });
  });

  it('lets nobody pass a filter for somebody', () => {
    const trigger = { ...TRIGGER, usernames: ['^jane$'] };
    const anonymous = comment('', { account: undefined });
    expect(triggerWants(trigger, anonymous, [])).toMatchObject({ ok: false });
    expect(triggerWants(trigger, anonymous, ['nobody-passes'])).toBe(true);
  });

  it('ignores deleted refs unless told otherwise', () => {
    const deleted = {
      ...comment(''),
      type: 'ref-updated',
      branch: undefined,
      ref: 'master',
      newRev: '0'.repeat(40),
    };
    const trigger = { ...TRIGGER, events: ['ref-updated'], refs: ['^master$'] };
    expect(triggerWants(trigger, deleted, [])).toMatchObject({ ok: false });
    expect(triggerWants({ ...trigger, ignoreDeletes: false }, deleted, [])).toBe(true);
    expect(triggerWants({ ...trigger, branches: ['master'] }, deleted, [])).toMatchObject({ ok: false });
  });
});
