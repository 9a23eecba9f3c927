import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { SshTarget } from '../../../nodepool/ssh/session.ts';
import { until } from '../../conformance/ports/shell.ts';

/** A real OpenSSH server on loopback: its own configuration, host keys and port, started and ended by the test. */

const run = promisify(execFile);
const sshd = '/usr/sbin/sshd';

/** Why these tests cannot run here; undefined when they can. */
export function missing(): string | undefined {
  if (!existsSync(sshd)) return `no ${sshd}: apt-get install openssh-server`;
  return undefined;
}

export interface Sshd extends AsyncDisposable {
  readonly port: number;
  readonly folder: string;
  /** How to log in, as whoever runs the test. */
  readonly target: SshTarget;
  start(): Promise<void>;
  /** Ends the server and every connection it has. */
  stop(): Promise<void>;
  /** Kills the processes that serve connections; the server goes on. Answers how many there were. */
  cutConnections(): Promise<number>;
  /** Gives the server another host key, from its next start on. */
  changeHostKey(): Promise<void>;
}

export async function openSshd(options: { maxSessions?: number } = {}): Promise<Sshd> {
  const folder = await mkdtemp(join(tmpdir(), 'stackgate-sshd-'));
  await chmod(folder, 0o711);
  const file = (name: string) => join(folder, name);
  const keygen = (name: string, type: string) =>
    run('ssh-keygen', ['-q', '-t', type, '-N', '', '-C', '', '-f', file(name)]);
  await Promise.all([
    keygen('host_ed25519', 'ed25519'),
    keygen('host_ecdsa', 'ecdsa'),
    keygen('login', 'ed25519'),
  ]);
  await writeFile(file('authorized_keys'), await readFile(file('login.pub')));
  const port = await freePort();
  const config = [
    `ListenAddress 127.0.0.1:${port}`,
    `HostKey ${file('host_ed25519')}`,
    `HostKey ${file('host_ecdsa')}`,
    `AuthorizedKeysFile ${file('authorized_keys')}`,
    'PidFile none',
    'Subsystem sftp internal-sftp',
    'UsePAM no',
    'StrictModes no',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'PermitRootLogin prohibit-password',
    'AllowTcpForwarding no',
    'X11Forwarding no',
    'MaxStartups 100',
    // Whoever runs the test may have startup files that take long.
    `SetEnv HOME=${folder}`,
    `MaxSessions ${options.maxSessions ?? 10}`,
    '',
  ].join('\n');
  await writeFile(file('sshd_config'), config);
  if (process.geteuid?.() === 0) await mkdir('/run/sshd', { recursive: true, mode: 0o755 });
  const hostKeys = await Promise.all(
    ['host_ed25519.pub', 'host_ecdsa.pub'].map((name) => readFile(file(name), 'utf8')),
  );
  const target: SshTarget = {
    address: '127.0.0.1',
    port,
    user: userInfo().username,
    key: await readFile(file('login'), 'utf8'),
    hostKeys,
  };
  let server: ChildProcess | undefined;
  const self: Sshd = {
    port,
    folder,
    target,
    async start() {
      if (server !== undefined) throw new Error('the server is up');
      server = spawn(sshd, ['-D', '-e', '-f', file('sshd_config')], { stdio: ['ignore', 'ignore', 'pipe'] });
      let said = '';
      server.stderr?.on('data', (chunk: Buffer) => {
        said = `${said}${chunk.toString()}`.slice(-2000);
      });
      const started = server;
      await until(async () => {
        if (started.exitCode !== null) throw new Error(`sshd ended: ${said}`);
        return await answers(port);
      });
    },
    async stop() {
      const ending = server;
      server = undefined;
      if (ending === undefined || ending.exitCode !== null) return;
      const serving = await childrenOf(ending.pid ?? 0);
      const gone = new Promise((resolve) => ending.once('exit', resolve));
      ending.kill('SIGKILL');
      await gone;
      for (const pid of serving) killQuietly(pid);
    },
    async cutConnections() {
      const serving = await childrenOf(server?.pid ?? 0);
      for (const pid of serving) killQuietly(pid);
      return serving.length;
    },
    async changeHostKey() {
      for (const name of ['host_ed25519', 'host_ecdsa']) {
        await rm(file(name));
        await rm(file(`${name}.pub`));
      }
      await Promise.all([keygen('host_ed25519', 'ed25519'), keygen('host_ecdsa', 'ecdsa')]);
    },
    async [Symbol.asyncDispose]() {
      await self.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
  await self.start();
  return self;
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

/** The processes that serve connections: children of the server, and theirs that are sshd, too. */
async function childrenOf(parent: number): Promise<number[]> {
  const found: number[] = [];
  const parents = new Map<number, number>();
  for (const name of (await readdir('/proc')).filter((each) => /^\d+$/.test(each))) {
    const stat = await readFile(`/proc/${name}/stat`, 'utf8').catch(() => '');
    const command = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'));
    const [, above] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (command.startsWith('sshd')) parents.set(Number(name), Number(above));
  }
  const pending = [parent];
  for (let above = pending.pop(); above !== undefined; above = pending.pop()) {
    for (const [pid, parentOf] of parents) {
      if (parentOf !== above) continue;
      found.push(pid);
      pending.push(pid);
    }
  }
  return found;
}

/** True when a server greets on the port. */
function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const done = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('data', () => done(true));
    socket.once('error', () => done(false));
    socket.once('end', () => done(false));
  });
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

/** A server that accepts and never says a word. */
export async function silentServer(): Promise<{ port: number; close: () => Promise<void> }> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => sockets.push(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
