import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseVote } from '../pipelines/suppose.ts';
import { CommandError } from './client.ts';
import { type Description, describedChange, happening } from './described.ts';

const NOW = 1_700_000_000_000;
const REVISION = 'a'.repeat(40);
let dir: string;
const file = (name: string, text: string): string => {
  writeFileSync(join(dir, name), text);
  return join(dir, name);
};

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'stackgate-described-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const said = (given: Partial<Description>) => happening({ vote: [], ...given }, 'gerrit', NOW);
const exitOf = (work: () => unknown): number | undefined => {
  try {
    work();
    return undefined;
  } catch (caught) {
    return caught instanceof CommandError ? caught.exit : undefined;
  }
};

describe('what happened', () => {
  it('is nothing, a comment, a vote, a type, or a recorded line', () => {
    expect(said({})).toBeUndefined();
    expect(said({ comment: 'recheck', user: 'jane' })).toEqual({
      supposed: { type: 'comment-added', by: { username: 'jane' }, votes: [], comment: 'recheck' },
    });
    expect(said({ vote: ['Workflow=+1'] })?.supposed).toMatchObject({
      type: 'comment-added',
      votes: [{ label: 'Workflow', value: 1 }],
    });
    expect(said({ event: 'change-restored' })?.supposed.type).toBe('change-restored');
    const line = JSON.stringify({ type: 'ref-updated', refUpdate: { project: 'p', refName: 'master' } });
    expect(said({ event: file('event.json', `${line}\n\n`) })?.raw?.event).toMatchObject({ ref: 'master' });
  });

  it('says what is wrong with what was given', () => {
    expect(exitOf(() => said({ vote: ['Workflow'] }))).toBe(2);
    expect(exitOf(() => said({ event: join(dir, 'absent.json') }))).toBe(3);
    expect(exitOf(() => said({ event: file('none.json', 'no event\n') }))).toBe(2);
    expect(exitOf(() => said({ event: file('two.json', '{"type":"a"}\n{"type":"b"}\n') }))).toBe(2);
  });

  it('reads votes as people write them', () => {
    for (const text of ['Code-Review+2', 'Code-Review=+2', 'Code-Review=2', 'Code-Review 2'])
      expect(parseVote(text)).toEqual({ label: 'Code-Review', value: 2 });
    expect(parseVote('Verified-1')).toEqual({ label: 'Verified', value: -1 });
    for (const text of ['', '+1', 'Verified', 'Verified=ten', 'Veri fied+1'])
      expect(parseVote(text)).toBeUndefined();
  });
});

describe('a described change', () => {
  it('comes from flags, and says that its files are not known', () => {
    const described = describedChange(
      { vote: [], project: 'org/p', branch: 'stable', change: '7,3' },
      undefined,
      'review',
      NOW,
    );
    expect(described?.change).toMatchObject({
      connection: 'review',
      project: 'org/p',
      branch: 'stable',
      number: '7',
      patchset: '3',
      currentPatchset: '3',
    });
    expect(described?.unknown).toEqual(['files']);
    const given = { vote: [], project: 'org/p', files: 'a.py, b/c.rst,' };
    expect(describedChange(given, undefined, 'gerrit', NOW)).toMatchObject({
      unknown: [],
      change: { branch: 'master', files: ['/COMMIT_MSG', 'a.py', 'b/c.rst'] },
    });
  });

  it('comes from a row of a query, whatever stands around it', () => {
    const row = {
      project: 'org/p',
      branch: 'master',
      number: 7,
      status: 'NEW',
      currentPatchSet: { number: 2, revision: REVISION, files: [{ file: 'x.py' }] },
    };
    const changeFile = file('row.json', `${JSON.stringify(row)}\n{"type":"stats","rowCount":1}\n`);
    const described = describedChange({ vote: [], changeFile }, undefined, 'gerrit', NOW);
    expect(described?.change).toMatchObject({ number: '7', patchset: '2', files: ['x.py'] });
    const empty = file('empty.json', '{"type":"stats","rowCount":0}\n');
    expect(exitOf(() => describedChange({ vote: [], changeFile: empty }, undefined, 'gerrit', NOW))).toBe(2);
  });

  it('comes from an event, with the votes of the event', () => {
    const line = {
      type: 'comment-added',
      change: { project: 'org/p', branch: 'master', number: 7, status: 'NEW' },
      patchSet: { number: 2, revision: REVISION },
      author: { username: 'core' },
      approvals: [{ type: 'Workflow', value: '1' }],
      comment: 'Patch Set 2: Workflow+1',
    };
    const event = file('vote.json', JSON.stringify(line));
    const described = describedChange({ vote: [], event, files: 'a' }, said({ event }), 'gerrit', NOW);
    expect(described?.change.approvals).toEqual([
      { label: 'Workflow', value: 1, by: { username: 'core' }, grantedOn: NOW },
    ]);
    expect(described?.change.files).toEqual(['a']);
  });

  it('is none when nothing describes it', () => {
    expect(describedChange({ vote: [] }, undefined, 'gerrit', NOW)).toBeUndefined();
  });
});
