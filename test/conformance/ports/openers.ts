import { spawn, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openPglite, type PgliteDatabase } from '../../../workers/store/pglite.ts';
import { openPostgres, type PostgresDatabase } from '../../../workers/store/postgres.ts';

/** Databases for conformance runs. Making a cluster takes seconds, so each is made once a file and emptied for each test. */
export interface TestDatabase<D> extends AsyncDisposable {
  /** A database without any table of ours. The one before it is closed by whoever opened it. */
  fresh(): Promise<D>;
}

export async function testPglite(): Promise<TestDatabase<PgliteDatabase>> {
  const db = await openPglite({});
  return {
    fresh: async () => {
      await db.script('DROP SCHEMA IF EXISTS stackgate CASCADE');
      return db;
    },
    [Symbol.asyncDispose]: () => db[Symbol.asyncDispose](),
  };
}

const BIN = '/usr/lib/postgresql';

function postgresBin(): string | undefined {
  const versions = existsSync(BIN) ? readdirSync(BIN).sort((a, b) => Number(b) - Number(a)) : [];
  return versions.map((version) => join(BIN, version, 'bin')).find((bin) => existsSync(join(bin, 'initdb')));
}

/** PostgreSQL refuses to run as root; its package makes a user for it. */
function postgresUser(): { uid: number; gid: number } | 'self' | undefined {
  if (process.getuid?.() !== 0) return 'self';
  const id = (flag: string): number => Number(spawnSync('id', [flag, 'postgres']).stdout.toString());
  const [uid, gid] = [id('-u'), id('-g')];
  return uid > 0 ? { uid, gid } : undefined;
}

/** True when this machine has a PostgreSQL server that a test can start for itself. */
export function hasPostgres(): boolean {
  return postgresBin() !== undefined && postgresUser() !== undefined;
}

/** A server of our own on a socket in a temporary directory; each `fresh` is another database of it. */
export async function testPostgres(): Promise<TestDatabase<PostgresDatabase>> {
  const bin = postgresBin();
  const user = postgresUser();
  if (bin === undefined || user === undefined) throw new Error('no PostgreSQL here');
  const as = user === 'self' ? {} : user;
  const directory = mkdtempSync(join(tmpdir(), 'stackgate-pg-'));
  if (user !== 'self') chownSync(directory, user.uid, user.gid);
  const data = join(directory, 'data');
  const made = spawnSync(join(bin, 'initdb'), ['-D', data, '-A', 'trust', '-U', 'stackgate', '-N'], {
    cwd: directory,
    ...as,
  });
  if (made.status !== 0) throw new Error(made.stderr.toString());
  const server = spawn(
    join(bin, 'postgres'),
    ['-D', data, '-k', directory, '-c', 'listen_addresses=', '-c', 'fsync=off', '-c', 'shared_buffers=32MB'],
    { cwd: directory, stdio: 'ignore', ...as },
  );
  const exited = new Promise<void>((resolve) => server.once('exit', () => resolve()));
  const url = (name: string): string => `postgres://stackgate@/${name}?host=${encodeURIComponent(directory)}`;
  const admin = await eventually(() => openPostgres({ url: url('postgres') }), 20_000);
  const opened: PostgresDatabase[] = [];
  return {
    fresh: async () => {
      const name = `t${randomUUID().replaceAll('-', '')}`;
      await admin.script(`CREATE DATABASE ${name}`);
      const db = await openPostgres({ url: url(name) });
      opened.push(db);
      return db;
    },
    [Symbol.asyncDispose]: async () => {
      for (const db of opened) await db[Symbol.asyncDispose]();
      await admin[Symbol.asyncDispose]();
      // At once, without a last checkpoint: the data is thrown away.
      server.kill('SIGQUIT');
      await exited;
      rmSync(directory, { recursive: true, force: true });
    },
  };
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
