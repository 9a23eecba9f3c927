import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { Redis } from 'ioredis';
import { Client } from 'pg';

/** Real servers that a test starts for itself, may kill and start again, and that end with it. */
export interface TestServer extends AsyncDisposable {
  readonly pid: () => number;
  /** Ends it; what it has on disk stays. */
  stop(signal?: NodeJS.Signals): Promise<void>;
  start(): Promise<void>;
}

export interface TestRedis extends TestServer {
  readonly url: string;
  /** Runs one command as an operator would. */
  command(name: string, ...args: string[]): Promise<unknown>;
}

export interface TestPostgres extends TestServer {
  /** Makes an empty database; answers its URL. */
  database(): Promise<string>;
  /** Runs a statement as an operator would. */
  sql(url: string, text: string): Promise<Record<string, unknown>[]>;
}

const PATIENCE = 30_000;

/** The first of these that the machine has. */
export function redisProgram(): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  return ['redis-server', 'valkey-server']
    .flatMap((name) => folders.map((folder) => join(folder, name)))
    .find((path) => existsSync(path));
}

/** Why a test that needs this server cannot run here; undefined: it can. */
export const redisMissing = (): string | undefined =>
  redisProgram() === undefined ? 'no Redis or Valkey here: apt-get install redis-server' : undefined;
export const postgresMissing = (): string | undefined =>
  postgresFolder() === undefined || postgresUser() === undefined
    ? 'no PostgreSQL here: apt-get install postgresql'
    : undefined;

export async function startRedis(
  settings: Readonly<Record<string, string>> = { appendonly: 'yes', appendfsync: 'always' },
): Promise<TestRedis> {
  const program = redisProgram();
  if (program === undefined) throw new Error(redisMissing());
  const directory = mkdtempSync(join(tmpdir(), 'stackgate-redis-'));
  const port = await freePort();
  const url = `redis://127.0.0.1:${port}`;
  const words = Object.entries({ bind: '127.0.0.1', port: `${port}`, dir: directory, save: '', ...settings });
  const process = runner(
    program,
    words.flatMap(([key, value]) => [`--${key}`, value]),
    { cwd: directory },
  );
  const command = async (name: string, ...args: string[]): Promise<unknown> => {
    const client = new Redis(url, { lazyConnect: true, retryStrategy: () => null, connectTimeout: 1_000 });
    client.on('error', () => undefined);
    try {
      await client.connect();
      return await client.call(name, ...args);
    } finally {
      client.disconnect();
    }
  };
  const start = async (): Promise<void> => {
    process.start();
    await eventually(() => command('ping'), PATIENCE);
  };
  await start();
  return {
    url,
    command,
    start,
    pid: () => process.pid(),
    stop: (signal) => process.stop(signal),
    async [Symbol.asyncDispose]() {
      await process.stop('SIGKILL');
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

const POSTGRES = '/usr/lib/postgresql';

function postgresFolder(): string | undefined {
  const versions = existsSync(POSTGRES) ? readdirSync(POSTGRES).sort((a, b) => Number(b) - Number(a)) : [];
  return versions
    .map((version) => join(POSTGRES, version, 'bin'))
    .find((folder) => existsSync(join(folder, 'initdb')));
}

/** PostgreSQL refuses to run as root; its package makes a user for it. */
function postgresUser(): { uid: number; gid: number } | 'self' | undefined {
  if (process.getuid?.() !== 0) return 'self';
  const id = (flag: string): number => Number(spawnSync('id', [flag, 'postgres']).stdout.toString());
  const [uid, gid] = [id('-u'), id('-g')];
  return uid > 0 ? { uid, gid } : undefined;
}

/** On a socket in a folder of its own. */
export async function startPostgres(): Promise<TestPostgres> {
  const bin = postgresFolder();
  const user = postgresUser();
  if (bin === undefined || user === undefined) throw new Error(postgresMissing());
  const as = user === 'self' ? {} : user;
  const directory = mkdtempSync(join(tmpdir(), 'stackgate-pg-'));
  if (user !== 'self') chownSync(directory, user.uid, user.gid);
  const data = join(directory, 'data');
  const made = spawnSync(join(bin, 'initdb'), ['-D', data, '-A', 'trust', '-U', 'stackgate', '-N'], {
    cwd: directory,
    ...as,
  });
  if (made.status !== 0) throw new Error(made.stderr.toString());
  const settings = ['listen_addresses=', 'fsync=off', 'shared_buffers=32MB', 'max_connections=200'];
  const process = runner(
    join(bin, 'postgres'),
    ['-D', data, '-k', directory, ...settings.flatMap((setting) => ['-c', setting])],
    { cwd: directory, ...as },
  );
  const url = (name: string): string => `postgres://stackgate@/${name}?host=${encodeURIComponent(directory)}`;
  const sql = async (at: string, text: string): Promise<Record<string, unknown>[]> => {
    const client = new Client({ connectionString: at });
    client.on('error', () => undefined);
    await client.connect();
    try {
      return (await client.query<Record<string, unknown>>(text)).rows;
    } finally {
      await client.end();
    }
  };
  const start = async (): Promise<void> => {
    process.start();
    await eventually(() => sql(url('postgres'), 'SELECT 1'), PATIENCE);
  };
  await start();
  return {
    sql,
    start,
    pid: () => process.pid(),
    // At once, without a last checkpoint; `SIGINT` is a clean stop.
    stop: (signal = 'SIGQUIT') => process.stop(signal),
    async database() {
      const name = `t${randomUUID().replaceAll('-', '')}`;
      await sql(url('postgres'), `CREATE DATABASE ${name}`);
      return url(name);
    },
    async [Symbol.asyncDispose]() {
      await process.stop('SIGQUIT');
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** One program that is started and ended again and again. */
function runner(
  program: string,
  words: readonly string[],
  options: { cwd: string; uid?: number; gid?: number },
) {
  let child: ChildProcess | undefined;
  let gone: Promise<void> = Promise.resolve();
  return {
    pid: () => child?.pid ?? 0,
    start() {
      const started = spawn(program, words, { ...options, stdio: 'ignore' });
      child = started;
      gone = new Promise((resolve) => started.once('exit', () => resolve()));
    },
    async stop(signal: NodeJS.Signals = 'SIGTERM') {
      child?.kill(signal);
      await gone;
    },
  };
}

/** A port that nobody had a moment ago. */
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

/** Tries until it works or the deadline passes. */
export async function eventually<T>(work: () => T | Promise<T>, deadline = 10_000): Promise<T> {
  const until = Date.now() + deadline;
  for (;;) {
    try {
      return await work();
    } catch (caught) {
      if (Date.now() > until) throw caught;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}
