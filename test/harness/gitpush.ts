import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Duplex } from 'node:stream';
import { promisify } from 'node:util';
import ssh2 from 'ssh2';
import { openGitBridge } from '../../workers/gerrit/bridge.ts';
import type { Login } from '../fakes/gerrit/server.ts';

const run = promisify(execFile);

interface Host {
  readonly host: string;
  readonly port: number;
}

/**
 * A developer at their desk: clones, commits, pushes for review with real git. The SSH side is a bridge of its own under
 * the developer's key, so that nobody needs an ssh client installed.
 */
export async function pushForReview(
  gerrit: Host,
  developer: Login,
  change: {
    project: string;
    branch: string;
    files: Readonly<Record<string, string>>;
    message: string;
    desk: string;
    /** Who commits; Ann by default. */
    author?: { readonly name: string; readonly email: string };
    /** A new one by default. */
    changeId?: string;
    /** Ref to work on; the branch by default. */
    base?: string;
  },
): Promise<{ output: string }> {
  const client = await connect(gerrit, developer);
  const bridge = await openGitBridge((command, env) => channel(client, command, env), {
    services: new Set(['git-upload-pack', 'git-receive-pack']),
  });
  const { name, email } = change.author ?? { name: 'Ann', email: 'ann@example.org' };
  const git = async (...args: string[]) =>
    run('git', ['-C', change.desk, '-c', `user.name=${name}`, '-c', `user.email=${email}`, ...args], {
      timeout: 60_000,
    });
  try {
    await rm(change.desk, { recursive: true, force: true });
    await mkdir(change.desk, { recursive: true });
    await git('init', '-q');
    await git('remote', 'add', 'origin', bridge.url(change.project));
    await git('fetch', '-q', 'origin', change.base ?? change.branch);
    await git('checkout', '-q', '-b', 'work', 'FETCH_HEAD');
    for (const [path, content] of Object.entries(change.files)) {
      await mkdir(dirname(join(change.desk, path)), { recursive: true });
      await writeFile(join(change.desk, path), content);
    }
    await git('add', '-A');
    const changeId = change.changeId ?? `I${randomBytes(20).toString('hex')}`;
    await git('commit', '-q', '-m', `${change.message}\n\nChange-Id: ${changeId}`);
    const { stderr } = await git('push', 'origin', `HEAD:refs/for/${change.branch}`);
    return { output: stderr };
  } finally {
    await bridge[Symbol.asyncDispose]();
    client.end();
  }
}

function connect(gerrit: Host, login: Login): Promise<ssh2.Client> {
  const client = new ssh2.Client();
  return new Promise((resolve, reject) => {
    client.once('ready', () => resolve(client)).once('error', reject);
    client.connect({
      host: gerrit.host,
      port: gerrit.port,
      username: login.username,
      privateKey: login.privateKey,
      hostVerifier: () => true,
    });
  });
}

function channel(
  client: ssh2.Client,
  command: string,
  env: Readonly<Record<string, string>>,
): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    client.exec(command, { env }, (error, stream) => {
      if (error) return reject(error);
      stream.stderr.resume();
      resolve(stream);
    });
  });
}
