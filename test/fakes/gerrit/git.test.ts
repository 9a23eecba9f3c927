import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GIT_ENV } from './process.ts';
import { newChangeId } from './push.ts';
import { type Gerrit, type Login, startGerrit } from './server.ts';

/** The clients that people have: OpenSSH and git. */

const hasSsh = spawnSync('ssh', ['-V']).status === 0;
if (!hasSsh)
  console.warn('no ssh client here (apt-get install openssh-client): OpenSSH and git push tests are skipped');

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function exec(
  cwd: string,
  env: NodeJS.ProcessEnv,
  command: string,
  args: readonly string[],
): Promise<Ran> {
  return new Promise((resolve) => {
    const child = execFile(command, args, { cwd, env, timeout: 15_000 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 255;
      // git pads progress lines with blanks for the terminal.
      resolve({ code, stdout, stderr: stderr.replaceAll(/ +$/gm, '') });
    });
    child.stdin?.end();
  });
}

describe.skipIf(!hasSsh)('OpenSSH and git', { timeout: 60_000 }, () => {
  let gerrit: Gerrit;
  let work: string;
  let ann: Login;
  let admin: Login;

  const sshArgs = (login: Login) => {
    const options = `-F /dev/null -o IdentitiesOnly=yes -o StrictHostKeyChecking=yes -o BatchMode=yes -o LogLevel=ERROR`;
    const hosts = ['-o', `UserKnownHostsFile=${join(work, 'known_hosts')}`];
    return ['-i', login.keyFile, '-p', String(gerrit.port), ...options.split(' '), ...hosts];
  };
  const ssh = async (login: Login, ...args: string[]) =>
    exec(work, GIT_ENV, 'ssh', [...sshArgs(login), `${login.username}@127.0.0.1`, ...args]);
  const git = async (login: Login, ...args: string[]) =>
    exec(
      join(work, 'clone'),
      {
        ...GIT_ENV,
        GIT_SSH_COMMAND: `ssh ${sshArgs(login).join(' ')}`,
        GIT_AUTHOR_NAME: 'Ann',
        GIT_AUTHOR_EMAIL: 'ann@example.org',
        GIT_COMMITTER_NAME: login.username,
        GIT_COMMITTER_EMAIL: `${login.username}@example.org`,
      },
      'git',
      args,
    );
  const url = (login: Login, project = 'org/demo') =>
    `ssh://${login.username}@127.0.0.1:${gerrit.port}/${project}`;
  const commit = async (message: string, file: string, content: string, ...flags: string[]) => {
    writeFileSync(join(work, 'clone', file), content);
    await git(ann, 'add', '.');
    const made = await git(ann, 'commit', '-q', '-m', message, ...flags);
    expect(made).toMatchObject({ code: 0 });
  };
  const push = async (ref: string, ...flags: string[]) => git(ann, 'push', ...flags, url(ann), `HEAD:${ref}`);

  beforeAll(async () => {
    work = mkdtempSync(join(tmpdir(), 'gerrit-git-'));
    gerrit = await startGerrit();
    ann = gerrit.account('ann', { name: 'Ann' });
    admin = gerrit.account('admin');
    await gerrit.createProject('org/demo', { files: { 'README.md': 'hello\n' }, branches: ['stable/x'] });
    writeFileSync(join(work, 'known_hosts'), `[127.0.0.1]:${gerrit.port} ${gerrit.hostKey}\n`);
    const cloned = await exec(work, { ...GIT_ENV, GIT_SSH_COMMAND: `ssh ${sshArgs(ann).join(' ')}` }, 'git', [
      'clone',
      '-q',
      url(ann),
      'clone',
    ]);
    expect(cloned).toEqual({ code: 0, stdout: '', stderr: '' });
  });
  afterAll(async () => {
    await gerrit[Symbol.asyncDispose]();
    rmSync(work, { recursive: true, force: true });
  });

  it('greets a shell with the banner and 127', async () => {
    const answer = await ssh(ann);
    expect(answer.code).toBe(127);
    expect(answer.stderr).toContain('****    Welcome to Gerrit Code Review    ****');
    expect(answer.stderr).toContain('Hi Ann, you have successfully connected over SSH.');
  });

  it('refuses strangers, and passwords', async () => {
    expect((await ssh({ ...ann, username: 'nobody' }, 'gerrit', 'version')).stderr).toContain(
      'Permission denied (publickey).',
    );
    expect((await ssh({ ...ann, keyFile: admin.keyFile }, 'gerrit', 'version')).code).toBe(255);
  });

  it('answers ssh keepalives while a stream is quiet', async () => {
    const asked = exec(work, GIT_ENV, 'timeout', [
      ...'3.6 ssh -o ServerAliveInterval=1 -o ServerAliveCountMax=2'.split(' '),
      ...sshArgs(admin),
      ...'admin@127.0.0.1 gerrit stream-events'.split(' '),
    ]);
    await gerrit.waitFor(() => gerrit.streams() > 0);
    await gerrit.push('org/demo');
    const answer = await asked;
    // 124: still listening when timeout ended it.
    expect(answer.code).toBe(124);
    expect(answer.stdout).toContain('"type":"patchset-created"');
    await gerrit.waitFor(() => gerrit.streams() === 0);
  });

  it('takes a push for review, then a new patch set, then nothing new', async () => {
    const id = newChangeId();
    await commit(`Add a\n\nChange-Id: ${id}`, 'a.txt', '1\n');
    const first = await push('refs/for/master%topic=t1,wip,hashtag=x');
    expect(first).toMatchObject({ code: 0 });
    expect(first.stderr).toContain('remote: Processing changes: refs: 1, new: 1, done');
    const change = gerrit.changes().at(-1);
    expect(change).toMatchObject({
      id,
      topic: 't1',
      wip: true,
      hashtags: ['x'],
      owner: 'ann',
      branch: 'master',
    });
    const n = change?.number ?? 0;
    expect(first.stderr).toContain(`remote:   http://gerrit.example.org/c/org/demo/+/${n} Add a [WIP] [NEW]`);
    expect(first.stderr).toContain('HEAD -> refs/for/master%topic=t1,wip,hashtag=x');

    await commit(`Add a\n\nChange-Id: ${id}`, 'a.txt', '2\n', '--amend');
    expect((await push('refs/for/refs/heads/master', '-o', 'ready')).stderr).toContain('updated: 1, done');
    expect(gerrit.change(n)).toMatchObject({ wip: false });
    expect(gerrit.change(n).patchsets.map((p) => p.kind)).toEqual(['REWORK', 'REWORK']);

    expect((await push('refs/for/master')).stderr).toContain(
      '! [remote rejected] HEAD -> refs/for/master (no new changes)',
    );
    const fetched = await git(ann, 'fetch', url(ann), gerrit.change(n).patchsets[1]?.ref ?? '');
    expect(fetched.code).toBe(0);
    expect((await git(ann, 'rev-parse', 'FETCH_HEAD')).stdout.trim()).toBe(
      gerrit.change(n).patchsets[1]?.revision,
    );
    const refs = (await git(ann, 'ls-remote', url(ann))).stdout;
    expect(refs).toContain(gerrit.change(n).patchsets[0]?.ref);
    expect(refs).toContain('refs/heads/stable/x');
    await gerrit.abandon(n);
    await commit(`Add a\n\nChange-Id: ${id}`, 'a.txt', '3\n', '--amend');
    expect((await push('refs/for/master')).stderr).toContain(
      `(change http://gerrit.example.org/c/org/demo/+/${n} closed)`,
    );
    await git(ann, 'reset', '-q', '--hard', 'origin/master');
  });

  it('makes one change of each commit of a chain', async () => {
    await commit(`One\n\nChange-Id: ${newChangeId()}`, 'one.txt', '1\n');
    await commit(`Two\n\nChange-Id: ${newChangeId()}`, 'two.txt', '1\n');
    expect((await push('refs/for/stable/x')).stderr).toContain('refs: 1, new: 2, done');
    const [one, two] = gerrit.changes().slice(-2);
    expect([one?.branch, two?.branch]).toEqual(['stable/x', 'stable/x']);
    expect(two?.patchsets[0]?.parents).toEqual([one?.patchsets[0]?.revision]);
    await git(ann, 'reset', '-q', '--hard', 'origin/master');
  });

  it('refuses in the words of Gerrit', async () => {
    await commit('No id', 'b.txt', '1\n');
    const missing = await push('refs/for/master');
    expect(missing.code).toBe(1);
    expect(missing.stderr).toMatch(/remote: ERROR: commit [0-9a-f]{7}: missing Change-Id in message footer/);
    expect(missing.stderr).toMatch(/\(commit [0-9a-f]{7}: missing Change-Id in message footer\)/);
    expect((await push('refs/for/nope')).stderr).toContain('(branch nope not found)');
    expect((await push('refs/heads/master')).stderr).toContain(
      '! [remote rejected] HEAD -> master (prohibited by Gerrit: not permitted: update)',
    );
    expect((await push('refs/heads/new')).stderr).toContain('(prohibited by Gerrit: not permitted: create)');
    const forged = await git(ann, 'commit', '-q', '--amend', '-m', `x\n\nChange-Id: ${newChangeId()}`);
    expect(forged.code).toBe(0);
    const bob = gerrit.account('bob');
    expect((await git(bob, 'push', url(bob), 'HEAD:refs/for/master')).stderr).toContain(
      "email address ann@example.org is not registered in your account, and you lack 'forge committer' permission.",
    );
    expect((await git(ann, 'push', url(ann, 'org/none'), 'HEAD:refs/for/master')).stderr).toContain(
      'fatal: project org/none not found',
    );
    await git(ann, 'reset', '-q', '--hard', 'origin/master');
  });

  it('takes direct pushes of those who may, and closes changes that come in with them', async () => {
    const id = newChangeId();
    await commit(`Direct\n\nChange-Id: ${id}`, 'direct.txt', '1\n');
    await push('refs/for/master');
    const n = gerrit.changes().at(-1)?.number ?? 0;
    expect((await git(admin, 'push', url(admin), 'HEAD:master')).code).toBe(0);
    expect(await gerrit.tip('org/demo', 'master')).toBe(gerrit.change(n).patchsets[0]?.revision);
    expect(gerrit.change(n).status).toBe('MERGED');
    expect(gerrit.events().at(-1)).toContain('"type":"change-merged"');
    expect(
      (await git(admin, 'push', url(admin), 'HEAD~1:refs/heads/new', 'HEAD:refs/tags/1.0')).stderr,
    ).toContain('(prohibited by Gerrit: not permitted: create)');
    expect(await gerrit.tip('org/demo', 'new')).toBeDefined();
  });

  it('takes a pack of many objects', async () => {
    for (let i = 0; i < 150; i++) writeFileSync(join(work, 'clone', `many-${i}.txt`), `${i}\n`);
    await commit(`Many\n\nChange-Id: ${newChangeId()}`, 'many.txt', 'x\n');
    expect((await push('refs/for/master')).code).toBe(0);
    expect(gerrit.changes().at(-1)?.patchsets[0]?.files).toHaveLength(151);
  });
});
