import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { stageRepository } from './staging.ts';

const run = promisify(execFile);
let root: string;
const git = async (...args: string[]) =>
  (
    await run(
      'git',
      ['-c', 'user.name=a', '-c', 'user.email=a@example.org', '-c', 'safe.directory=*', ...args],
      { cwd: root },
    )
  ).stdout.trim();

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'stackgate-staging-'));
  await git('init', '-q', '-b', 'master', 'work');
  await git('-C', 'work', 'commit', '-q', '--allow-empty', '-m', 'first');
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function staged(path: string, refs: Record<string, string>): Promise<string> {
  const into = join(root, 'staged', 'org', 'demo');
  await stageRepository(
    into,
    { project: 'org/demo', path: join(root, path), refs, head: 'refs/heads/master' },
    undefined,
  );
  return into;
}

describe('a staged repository', () => {
  it('can be cloned and fetched from, and shows only the refs it was given', async () => {
    const commit = await git('-C', 'work', 'rev-parse', 'HEAD');
    await git('-C', 'work', 'branch', 'private');
    await git('clone', '-q', '--bare', 'work', 'bare');
    const zuul = 'refs/zuul/master/Z0123456789abcdef0123456789abcdef';
    const into = await staged('bare', { 'refs/heads/master': commit, [zuul]: commit });
    expect(await git('ls-remote', `file://${into}`)).toBe(
      `${commit}\tHEAD\n${commit}\trefs/heads/master\n${commit}\t${zuul}`,
    );
    await git('clone', '-q', `file://${into}`, 'copy');
    expect(await git('-C', 'copy', 'rev-parse', 'HEAD')).toBe(commit);
    await git('-C', 'copy', 'fsck', '--strict');
  });

  it('takes along objects that the original borrows, loose and packed', async () => {
    await git('clone', '-q', '--bare', 'work', 'lender');
    await git('-C', 'lender', 'repack', '-adq');
    await git('clone', '-q', '--bare', '--shared', 'lender', 'borrower');
    const tree = await git('-C', 'borrower', 'rev-parse', 'master^{tree}');
    const commit = await git('-C', 'borrower', 'commit-tree', '-p', 'master', '-m', 'second', tree);
    const into = await staged('borrower', { 'refs/heads/master': commit });
    await git('clone', '-q', `file://${into}`, 'copy');
    expect(await git('-C', 'copy', 'log', '--format=%s')).toBe('second\nfirst');
    const packs = (await readdir(join(into, 'objects', 'pack'))).filter((name) => name.endsWith('.pack'));
    const [pack = ''] = packs;
    expect((await stat(join(into, 'objects', 'pack', pack))).nlink).toBe(2);
  });

  it('may be laid again over what an earlier try left', async () => {
    await git('clone', '-q', '--bare', 'work', 'bare');
    const commit = await git('-C', 'bare', 'rev-parse', 'master');
    await staged('bare', { 'refs/heads/master': commit });
    const into = await staged('bare', { 'refs/heads/master': commit });
    expect(await git('-C', into, 'rev-parse', 'HEAD')).toBe(commit);
  });
});
