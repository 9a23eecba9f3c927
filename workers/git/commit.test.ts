import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { writeCommit } from './commit.ts';
import { openTreeMerger } from './mergetrees.ts';

let dir = '';
const git = (args: string[], input = '', env: Record<string, string> = {}): string =>
  execFileSync('git', args, {
    cwd: dir,
    input,
    encoding: 'utf8',
    env: { PATH: process.env['PATH'] ?? '', GIT_DIR: dir, GIT_CONFIG_GLOBAL: '/dev/null', ...env },
  }).trim();

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'stackgate-commit-'));
  git(['init', '--quiet', '--bare', '.']);
});

afterAll(() => rm(dir, { recursive: true, force: true }));

const tree = '4b825dc642cb6eb9a060e54bf8d69288fbee4904';
const ci = { name: 'Stackgate', email: 'stackgate@localhost', date: '1500000000 +0000' };

it('makes the commits that git makes', async () => {
  git(['hash-object', '-w', '-t', 'tree', '--stdin']);
  const message = 'Merge change 1,1 into master\n';
  const first = await writeCommit(dir, { tree, parents: [], author: ci, committer: ci, message });
  const author = { name: 'Zoë "Z" Ü.', email: 'zoe@example.org', date: '1400000000 +0530' };
  const second = await writeCommit(dir, {
    tree,
    parents: [first],
    author,
    committer: ci,
    message: 'ü\n\nx\n',
  });
  const names = {
    GIT_AUTHOR_NAME: author.name,
    GIT_AUTHOR_EMAIL: author.email,
    GIT_AUTHOR_DATE: `@${author.date}`,
    GIT_COMMITTER_NAME: ci.name,
    GIT_COMMITTER_EMAIL: ci.email,
    GIT_COMMITTER_DATE: `@${ci.date}`,
  };
  expect(second).toBe(git(['commit-tree', tree, '-p', first, '-F', '-'], 'ü\n\nx\n', names));
  expect(git(['fsck', '--strict', '--no-dangling'])).toBe('');
});

it('makes a commit that git reads, whoever the author says they are', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.string({ unit: 'binary' }),
      fc.string({ unit: 'binary' }),
      fc.string({ unit: 'binary' }),
      async (name, email, message) => {
        const author = { name, email, date: '1400000000 +0000' };
        const id = await writeCommit(dir, { tree, parents: [], author, committer: ci, message });
        expect(git(['log', '-1', '--format=%cn %ct', id])).toBe('Stackgate 1500000000');
      },
    ),
    { numRuns: 40 },
  );
  expect(git(['fsck', '--strict', '--no-dangling'])).toBe('');
}, 60_000);

it('merges trees, names the files in conflict, and stops when it is told to', async () => {
  const commit = (text: string, parents: string[]): Promise<string> => {
    const blob = git(['hash-object', '-w', '--stdin'], text);
    const made = git(['mktree'], `100644 blob ${blob}\ta file\n`);
    return writeCommit(dir, { tree: made, parents, author: ci, committer: ci, message: text });
  };
  const base = await commit('one\n', []);
  const [left, right] = [await commit('two\n', [base]), await commit('three\n', [base])];
  const stop = new AbortController();
  const trees = openTreeMerger(dir, stop.signal);
  expect(await trees.merge(left, base)).toEqual({ code: 0, parts: [git(['rev-parse', `${left}^{tree}`])] });
  const conflict = await trees.merge(left, right);
  expect([conflict.code, conflict.parts.slice(1)]).toEqual([1, ['a file']]);
  expect(await trees.merge(left, '0'.repeat(40))).toEqual({ code: 1, parts: [] });
  const late = trees.merge(left, right);
  stop.abort(new Error('enough'));
  await expect(late).rejects.toThrow('enough');
});
