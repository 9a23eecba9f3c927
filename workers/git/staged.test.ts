import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stagedFor } from './staged.ts';

const run = promisify(execFile);
const own = 'Z0123456789abcdef0123456789abcdef';
const other = 'Zfedcba9876543210fedcba9876543210';
let root: string;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'stackgate-staged-'));
  for (const name of ['a', 'b']) {
    await run('git', ['init', '-q', '--bare', '-b', 'master', join(root, name)]);
    const git = async (...args: string[]) =>
      (
        await run('git', [
          '-C',
          join(root, name),
          '-c',
          'user.name=a',
          '-c',
          'user.email=a@example.org',
          ...args,
        ])
      ).stdout.trim();
    const tree = await git('hash-object', '-t', 'tree', '-w', '/dev/null');
    const commit = await git('commit-tree', '-m', name, tree);
    for (const ref of [
      'refs/heads/master',
      `refs/zuul/master/${own}`,
      `refs/zuul/stable/x/${own}`,
      `refs/zuul/master/${other}`,
    ])
      await git('update-ref', ref, commit);
  }
});
afterAll(() => rm(root, { recursive: true, force: true }));

const locate = (project: string) =>
  project === 'org/a' ? join(root, 'a') : project === 'org/b' ? join(root, 'b') : undefined;
const stage = (params: Record<string, string>) => stagedFor(params, locate, AbortSignal.timeout(10_000));

describe('what is staged for a build', () => {
  it('is every project ahead with the states of this build alone', async () => {
    const found = await stage({
      ZUUL_PROJECT: 'org/b',
      ZUUL_BRANCH: 'master',
      ZUUL_REF: `refs/zuul/master/${own}`,
      ZUUL_CHANGES: 'org/a:stable/x:refs/changes/01/1/1^org/b:master:refs/changes/02/2/1',
    });
    expect(found.map(({ project, head, refs }) => ({ project, head, refs: Object.keys(refs) }))).toEqual([
      {
        project: 'org/a',
        head: 'refs/heads/master',
        refs: ['refs/heads/master', `refs/zuul/stable/x/${own}`],
      },
      { project: 'org/b', head: 'refs/heads/master', refs: ['refs/heads/master', `refs/zuul/master/${own}`] },
    ]);
  });

  it('is the project alone where there is no change, and nothing where we have no repository', async () => {
    expect((await stage({ ZUUL_PROJECT: 'org/a' })).map(({ refs }) => Object.keys(refs))).toEqual([
      ['refs/heads/master'],
    ]);
    expect(await stage({ ZUUL_PROJECT: 'org/c' })).toEqual([]);
  });
});
