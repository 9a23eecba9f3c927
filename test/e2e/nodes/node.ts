import { execFile } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { SshTarget } from '../../../nodepool/ssh/session.ts';
import { openSshShell, type SshShell, type SshShellOptions } from '../../../nodepool/ssh/shell.ts';
import { openSshd, type Sshd } from './sshd.ts';

/** A node of its own for a test file: an sshd, a root for builds, and shells that are closed in the end. */

export const run = promisify(execFile);
export const asRoot = process.geteuid?.() === 0;
/** Whom steps run as; ourselves when we may not change. */
export const jobUser = asRoot ? 'nobody' : undefined;
export const soon = (): AbortSignal => AbortSignal.timeout(60_000);

export interface TestNode extends AsyncDisposable {
  readonly sshd: Sshd;
  /** Folder of the builds. */
  readonly root: string;
  /** A new shell each time, as after a restart. */
  shell(options?: Partial<SshShellOptions>, target?: Partial<SshTarget>): SshShell;
}

export async function openNode(): Promise<TestNode> {
  const sshd = await openSshd();
  const folder = await mkdtemp(join(tmpdir(), 'stackgate-node-'));
  await chmod(folder, 0o711);
  const root = join(folder, 'builds');
  const shells: SshShell[] = [];
  return {
    sshd,
    root,
    shell(options = {}, target = {}) {
      const shell = openSshShell(
        { ...sshd.target, ...target },
        { root, user: jobUser, limits: { grace: 300 }, ...options },
      );
      shells.push(shell);
      return shell;
    },
    async [Symbol.asyncDispose]() {
      for (const shell of shells) await shell[Symbol.asyncDispose]();
      await sshd[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export async function git(...args: readonly string[]): Promise<string> {
  const who = ['-c', 'user.name=a', '-c', 'user.email=a@example.org', '-c', 'safe.directory=*'];
  return (await run('git', [...who, ...args])).stdout.trim();
}

/** A bare repository with one commit on master. */
export async function makeRepository(path: string): Promise<void> {
  await git('init', '-q', '--bare', '-b', 'master', path);
  await commitTo(path, 'first', 'first\n');
}

/** Adds a commit with one more file to a branch; answers it. */
export async function commitTo(
  path: string,
  name: string,
  content: string,
  branch = 'master',
): Promise<string> {
  const at = ['--git-dir', path];
  const file = join(path, 'content');
  await writeFile(file, content);
  const blob = await git(...at, 'hash-object', '-w', file);
  const parent = await git(...at, 'rev-parse', '-q', '--verify', `refs/heads/${branch}`).catch(
    () => undefined,
  );
  const before = parent === undefined ? '' : await git(...at, 'ls-tree', parent);
  await writeFile(file, `${before === '' ? '' : `${before}\n`}100644 blob ${blob}\t${name}\n`);
  const { stdout: tree } = await run('sh', ['-c', 'git --git-dir "$1" mktree <"$2"', '-', path, file]);
  const above = parent === undefined ? [] : ['-p', parent];
  const commit = await git(...at, 'commit-tree', ...above, '-m', name, tree.trim());
  await git(...at, 'update-ref', `refs/heads/${branch}`, commit);
  return commit;
}
