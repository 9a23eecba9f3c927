import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { chmod, cp, mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import ssh2 from 'ssh2';
import type { Login } from '../../fakes/gerrit/gerrit.ts';
import { pushForReview } from '../../harness/gitpush.ts';
import { cacheFolder, type Distribution } from './distribution.ts';
import { ADMIN, configure, DEVELOPER, keyFile, provision } from './provision.ts';
import { type Rest, restOf } from './rest.ts';

/**
 * A real Gerrit on loopback, in a folder of its own. Setting a site up takes half a minute, so one is kept as a template
 * (outside the repository) and copied; it is made anew when its recipe or Gerrit's version changes.
 */
export interface RealGerrit extends AsyncDisposable {
  readonly host: '127.0.0.1';
  readonly port: number;
  readonly webUrl: string;
  readonly hostKey: string;
  readonly admin: Rest;
  readonly developer: Rest;
  /** An account of the template, with the key it was given there. */
  account(username: string): Login;
  /** Pushes as the developer; answers the number of the change. */
  push(project: string, push: Push): Promise<number>;
  /** A command as the administrator. */
  command(line: string): Promise<string>;
  /** Ends the server and starts it again on the same ports. */
  stop(): Promise<void>;
  start(): Promise<void>;
}

export interface Push {
  readonly files: Readonly<Record<string, string>>;
  readonly message?: string;
  /** Given for a new patchset, and for what others depend on. */
  readonly changeId?: string;
  /** Ref to work on; the branch otherwise. */
  readonly base?: string;
}

type Ready = Extract<Distribution, { kind: 'ready' }>;

const run = promisify(execFile);
const START_DEADLINE = 180_000;
const JVM = [
  '-Xmx768m',
  '-XX:TieredStopAtLevel=1',
  '-Djava.security.egd=file:/dev/./urandom',
  '-Dflogger.backend_factory=com.google.common.flogger.backend.log4j.Log4jBackendFactory#getInstance',
  '-Dflogger.logging_context=com.google.gerrit.server.logging.LoggingContext#getInstance',
  ...['java.net', 'java.lang', 'java.lang.invoke'].map((name) => `--add-opens=java.base/${name}=ALL-UNNAMED`),
];

/** Starts a Gerrit in `dir`, which must not exist yet. */
export async function startRealGerrit(distribution: Ready, dir: string): Promise<RealGerrit> {
  await cp(await template(distribution), dir, { recursive: true });
  const [http, ssh] = await freePorts();
  const webUrl = `http://127.0.0.1:${http}/`;
  await configure(dir, { http, ssh });
  let server = await startServer(distribution, dir);
  const login = (username: string): Login => {
    const path = keyFile(dir, username);
    return { username, keyFile: path, privateKey: readFileSync(path, 'utf8') };
  };
  const gerrit: RealGerrit = {
    host: '127.0.0.1',
    port: ssh,
    webUrl,
    hostKey: (await readFile(join(dir, 'etc', 'ssh_host_ed25519_key.pub'), 'utf8')).trim(),
    admin: restOf(webUrl, ADMIN),
    developer: restOf(webUrl, [DEVELOPER, DEVELOPER]),
    account: login,
    async push(project, push) {
      const desk = join(dir, 'tmp', 'desk');
      const change = { message: 'A change', ...push, project, branch: 'master', desk };
      const { output } = await pushForReview(gerrit, login(DEVELOPER), change);
      const number = /\/\+\/(\d+)/.exec(output)?.[1];
      if (number === undefined) throw new Error(`Gerrit named no change:\n${output}`);
      return Number(number);
    },
    command: (line) => command(ssh, login(ADMIN[0]), line),
    stop: () => server.stop(),
    async start() {
      server = await startServer(distribution, dir);
    },
    [Symbol.asyncDispose]: () => server.stop(),
  };
  return gerrit;
}

async function template(distribution: Ready): Promise<string> {
  const recipes = ['site.ts', 'provision.ts'].map((name) => readFileSync(new URL(name, import.meta.url)));
  const digest = createHash('sha256').update(Buffer.concat(recipes)).digest('hex').slice(0, 12);
  const kept = join(cacheFolder(), `site-${distribution.key}-${digest}`);
  if (existsSync(kept)) return kept;
  await mkdir(cacheFolder(), { recursive: true });
  const partial = await mkdtemp(join(cacheFolder(), 'partial-'));
  try {
    await chmod(partial, 0o700);
    const home = `-Duser.home=${partial}`;
    const init = ['init', '--batch', '--dev', '--no-auto-start', '--skip-plugins', '-d', partial];
    await run('java', [...JVM, home, ...distribution.args, ...init], { timeout: START_DEADLINE });
    const [http, ssh] = await freePorts();
    await configure(partial, { http, ssh });
    const server = await startServer(distribution, partial);
    try {
      await provision(partial, `http://127.0.0.1:${http}/`);
    } finally {
      await server.stop();
    }
    await rename(partial, kept);
  } catch (caught) {
    if (!existsSync(kept)) throw caught;
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
  return kept;
}

interface Server {
  stop(): Promise<void>;
}

async function startServer(distribution: Ready, dir: string): Promise<Server> {
  const args = [...JVM, `-Duser.home=${dir}`, ...distribution.args, 'daemon', '-d', dir, '--console-log'];
  const child = spawn('java', args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const gone = new Promise<void>((resolve) => {
    child.once('close', () => resolve());
    child.once('error', () => resolve());
  });
  const stop = async () => {
    child.kill('SIGTERM');
    const hard = setTimeout(() => child.kill('SIGKILL'), 20_000);
    await gone;
    clearTimeout(hard);
  };
  try {
    await whenReady(child, gone);
  } catch (caught) {
    await stop();
    throw caught;
  }
  return { stop };
}

function whenReady(child: ChildProcess, gone: Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    let output = '';
    const fail = (what: string) => reject(new Error(`Gerrit ${what}:\n${output.slice(-5_000)}`));
    const late = setTimeout(() => fail(`was not ready within ${START_DEADLINE} ms`), START_DEADLINE);
    void gone.then(() => fail('ended before it was ready'));
    const read = (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-100_000);
      if (!/Gerrit Code Review \S+ ready/.test(output)) return;
      clearTimeout(late);
      resolve();
    };
    child.stdout?.on('data', read);
    child.stderr?.on('data', read);
  });
}

async function freePorts(): Promise<[number, number]> {
  const servers = [createServer(), createServer()] as const;
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve) => {
          server.listen(0, '127.0.0.1', () => {
            const address = server.address();
            resolve(typeof address === 'object' && address !== null ? address.port : 0);
          });
        }),
    ),
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return [ports[0] ?? 0, ports[1] ?? 0];
}

function command(port: number, { username, privateKey }: Login, line: string): Promise<string> {
  const client = new ssh2.Client();
  return new Promise<string>((resolve, reject) => {
    client.once('error', reject);
    client.once('ready', () => {
      client.exec(line, (error, channel) => {
        if (error) return reject(error);
        let output = '';
        channel.on('data', (chunk: Buffer) => (output += chunk.toString()));
        channel.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
        channel.on('close', () => resolve(output));
      });
    });
    client.connect({ host: '127.0.0.1', port, username, privateKey, hostVerifier: () => true });
  }).finally(() => client.end());
}
