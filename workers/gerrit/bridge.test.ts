import { execFile, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { checkedProject, type GitBridge, openGitBridge } from './bridge.ts';

const run = promisify(execFile);
const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A channel as SSH would give it: the real `git-upload-pack` of this machine behind a duplex stream. */
function localGit(root: string, opened: string[] = []) {
  return async (command: string, env: Readonly<Record<string, string>>): Promise<Duplex> => {
    opened.push(command);
    const [, service = '', project = ''] = /^(git-[a-z-]+) '(.*)'$/.exec(command) ?? [];
    const child = spawn('git', [service.slice(4), join(root, project)], {
      env: { ...process.env, ...env },
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    return Duplex.from({ readable: child.stdout, writable: child.stdin });
  };
}

async function bareRepository(): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'stackgate-bridge-'));
  cleanups.push(() => rm(root, { recursive: true, force: true }));
  const work = join(root, 'work');
  await run('git', ['init', '-q', '-b', 'master', work]);
  await run('git', [
    '-C',
    work,
    '-c',
    'user.name=a',
    '-c',
    'user.email=a@example.org',
    'commit',
    '-q',
    '--allow-empty',
    '-m',
    'first',
  ]);
  await run('git', ['clone', '-q', '--bare', work, join(root, 'org', 'demo')]);
  return root;
}

async function bridgeTo(root: string, opened?: string[]): Promise<GitBridge> {
  const bridge = await openGitBridge(localGit(root, opened));
  cleanups.push(async () => bridge[Symbol.asyncDispose]());
  return bridge;
}

describe('the git bridge', () => {
  it('serves fetches through a channel, with protocol version 2', async () => {
    const root = await bareRepository();
    const opened: string[] = [];
    const bridge = await bridgeTo(root, opened);
    const { stdout } = await run('git', ['-c', 'protocol.version=2', 'ls-remote', bridge.url('org/demo')]);
    expect(stdout).toMatch(/^[0-9a-f]{40}\tHEAD\n[0-9a-f]{40}\trefs\/heads\/master\n$/);
    await run('git', ['clone', '-q', bridge.url('org/demo'), join(root, 'copy')]);
    expect(opened).toEqual(["git-upload-pack 'org/demo'", "git-upload-pack 'org/demo'"]);
  });

  it('refuses who does not know the secret, and pushes', async () => {
    const root = await bareRepository();
    const bridge = await bridgeTo(root);
    const url = bridge.url('org/demo');
    const wrong = url.replace(/\/[0-9a-f]{48}\//, `/${'0'.repeat(48)}/`);
    await expect(run('git', ['ls-remote', wrong])).rejects.toThrow(/access denied/);
    await expect(
      run('git', ['-C', join(root, 'work'), 'push', '-q', url, 'master:refs/heads/evil']),
    ).rejects.toThrow(/service not enabled/);
  });

  it('refuses project names that could be read as anything else', () => {
    for (const name of ['../etc', 'a//b', "a'b", 'a b', '-x', 'a/.git', 'a/-b', '', '/a', 'a\nb']) {
      expect(() => checkedProject(name)).toThrow(/refusing/);
    }
    for (const name of ['openstack/nova', 'All-Projects', 'x/c++', 'org/demo.js'])
      expect(checkedProject(name)).toBe(name);
  });
});
