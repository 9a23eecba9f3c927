import { spawn } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { CommandError } from '../client.ts';

/**
 * A shell of the job's user where a build lies on this machine. It runs in a terminal of its own: what runs as that user may be a
 * stranger's, and on a terminal that is also ours it could type into it (TIOCSTI).
 */
export async function enterWorkspace(folder: string, words: readonly string[]): Promise<number> {
  const workspace = join(folder, 'workspace');
  const owner = await stat(workspace).catch(() => undefined);
  if (owner === undefined) {
    const hint = 'it is on the machine of the launcher: run this there, as root';
    throw new CommandError(`there is no workspace at ${workspace}`, 3, hint);
  }
  const argv = [
    ...(await become(owner.uid, owner.gid)),
    '/bin/bash',
    ...(words.length === 0 ? ['-i'] : ['-c', words.join(' ')]),
  ];
  const env = {
    HOME: join(folder, 'home'),
    TMPDIR: join(folder, 'tmp'),
    SHELL: '/bin/bash',
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    TERM: process.env['TERM'] ?? 'dumb',
    LANG: process.env['LANG'] ?? 'C.UTF-8',
  };
  const at = { cwd: workspace, env };
  return process.stdin.isTTY && process.stdout.isTTY ? await onTerminal(argv, at) : await onPipes(argv, at);
}

interface At {
  readonly cwd: string;
  readonly env: Record<string, string>;
}

/** How a process becomes the owner of the workspace; nobody becomes root. */
async function become(uid: number, gid: number): Promise<string[]> {
  if (uid === 0) throw new CommandError('the workspace belongs to root: no shell is opened in it', 4);
  const own = process.geteuid?.();
  if (own === uid) return [];
  if (own !== 0) {
    throw new CommandError('this account cannot become the user of the job', 4, 'run it as root, with sudo');
  }
  return [
    'setpriv',
    '--reuid',
    `${uid}`,
    '--regid',
    `${gid}`,
    '--init-groups',
    '--inh-caps=-all',
    '--ambient-caps=-all',
    '--no-new-privs',
    '--',
  ];
}

async function onTerminal(argv: readonly string[], { cwd, env }: At): Promise<number> {
  const pty = await import('node-pty').catch((caught: unknown) => {
    const hint =
      'npm install node-pty builds it (needs python3, make and a C++ compiler); or give a command behind `--` through a pipe';
    throw new CommandError(
      `a shell here needs node-pty, which is not installed: ${String(caught).split('\n')[0]}`,
      8,
      hint,
    );
  });
  const { stdin, stdout } = process;
  const size = () => ({ cols: stdout.columns || 80, rows: stdout.rows || 24 });
  const [file = '/bin/bash', ...rest] = argv;
  const shell = pty.spawn(file, rest, { name: env['TERM'] ?? 'dumb', cwd, env, ...size() });
  const typed = (data: Buffer) => shell.write(data.toString());
  const resized = () => shell.resize(size().cols, size().rows);
  stdin.setRawMode(true);
  stdin.on('data', typed);
  stdout.on('resize', resized);
  shell.onData((data) => void stdout.write(data));
  try {
    return await new Promise((resolve) => {
      shell.onExit(({ exitCode, signal = 0 }) => resolve(signal > 0 ? 128 + signal : exitCode));
    });
  } finally {
    stdin.setRawMode(false);
    stdin.off('data', typed);
    stdin.pause();
    stdout.off('resize', resized);
  }
}

/** In a session of its own, on pipes: it has no terminal at all. */
function onPipes(argv: readonly string[], at: At): Promise<number> {
  const [file = '/bin/bash', ...rest] = argv;
  return new Promise((resolve, reject) => {
    const child = spawn(file, rest, { ...at, detached: true, stdio: 'pipe' });
    process.stdin.pipe(child.stdin);
    child.stdin.on('error', () => undefined);
    child.stdout.pipe(process.stdout);
    child.stderr.pipe(process.stderr);
    child.once('error', (error) => reject(new CommandError(`cannot run ${file}: ${error.message}`, 8)));
    child.once('close', (code, signal) => {
      process.stdin.unpipe(child.stdin);
      process.stdin.pause();
      resolve(code ?? (signal === null ? 255 : 130));
    });
  });
}
