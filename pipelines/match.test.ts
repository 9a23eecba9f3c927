import { describe, expect, it } from 'vitest';
import type { JobRule } from './layout.ts';
import { jobApplies } from './match.ts';

const RULE: JobRule = {
  name: 'job',
  voting: true,
  holdFollowingChanges: false,
  attempts: 3,
  tags: [],
  branches: [],
  files: [],
  irrelevantFiles: [],
  skipIf: [],
  swift: [],
  place: 'layout.yaml:9:5',
};

function change(
  branch: string,
  ...files: string[]
): { project: string; change: { branch: string; files: string[] } } {
  return { project: 'org/p', change: { branch, files: ['/COMMIT_MSG', ...files] } };
}

describe('jobApplies', () => {
  it('names the rule that decided and where it stands', () => {
    expect(jobApplies({ ...RULE, branches: ['^stable/'] }, change('master', 'a'))).toEqual({
      ok: false,
      why: 'master is none of its branches: ^stable/',
      place: 'layout.yaml:9:5',
    });
  });

  it('never skips a change of the commit message alone, nor a merge commit', () => {
    const docs = { ...RULE, skipIf: [{ allFilesMatchAny: ['^docs/'] }] };
    expect(jobApplies(docs, change('master', 'docs/a'))).toMatchObject({ ok: false });
    expect(jobApplies(docs, change('master', 'docs/a', 'src/b'))).toBe(true);
    expect(jobApplies(docs, change('master'))).toBe(true);
    expect(jobApplies(docs, { project: 'org/p', change: { branch: 'master', files: [] } })).toBe(true);
  });

  it('leaves out irrelevant files', () => {
    const rule = { ...RULE, irrelevantFiles: ['^docs/', '\\.rst$'] };
    expect(jobApplies(rule, change('master', 'docs/a'))).toMatchObject({ ok: false });
    expect(jobApplies(rule, change('master', 'docs/a', 'x.py'))).toBe(true);
    expect(jobApplies(rule, change('master'))).toBe(true);
    expect(jobApplies(rule, { project: 'org/p', ref: 'master' })).toBe(true);
  });

  it('runs jobs with branches or files from no timer', () => {
    expect(jobApplies({ ...RULE, branches: ['.*'] }, { project: 'org/p' })).toMatchObject({ ok: false });
    expect(jobApplies({ ...RULE, files: ['.*'] }, { project: 'org/p' })).toMatchObject({ ok: false });
    expect(jobApplies(RULE, { project: 'org/p' })).toBe(true);
  });
});
