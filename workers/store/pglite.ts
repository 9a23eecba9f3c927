import { execFile } from 'node:child_process';
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statfsSync,
} from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { PGlite } from '@electric-sql/pglite';
import { NodeFS } from '@electric-sql/pglite/nodefs';
import { Fault } from '../../pipelines/fault.ts';
import type { Claim } from '../../pipelines/ports.ts';
import {
  type Database,
  databaseFault,
  type Hold,
  Mutex,
  ownClaims,
  type Sql,
  unlessAborted,
} from './database.ts';
import { lockDirectory } from './lock.ts';

/**
 * PostgreSQL in the process, and what must be known about it:
 *
 * - It has one session. Whoever opens a transaction owns the session until its end, so everything (the queue's statements
 *   too) goes through one mutex.
 * - It ships with `fsync` off, its file system has no fsync, and its fdatasync does nothing: a commit survives SIGKILL (the
 *   page cache is the kernel's), but not the loss of power. Here the file system gets its fsync, and the WAL uses that.
 *   A durable commit then costs one fsync, 0.1-0.3 ms on an SSD.
 * - `synchronous_commit` is off for the session and on inside `transaction`: wake-ups in the queue cost no fsync, and they
 *   may be lost, because the outbox says them again. A later durable commit carries all earlier ones with it.
 * - No background process runs: no checkpointer, no autovacuum. `maintain` does their work, when there was any.
 * - A WAL that cannot grow is a PANIC, and PGlite's PANIC never returns: the whole process hangs. So statements are refused
 *   (Fault `database-full`, nothing lost, works again when there is room) while less than a few WAL segments are free.
 * - initdb's module needs 500 MB for a moment: a new cluster is made by a process that ends, and then moved into place.
 */

export interface PgliteOptions {
  /** Without it everything lives in memory. */
  readonly directory?: string | undefined;
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** Runs statements while it holds the session. */
export interface Session {
  run<T extends object>(text: string, params?: readonly unknown[]): Promise<T[]>;
  /** Several statements, no parameters. */
  exec(text: string): Promise<void>;
}

/** Bytes that must be free: four WAL segments. */
const ROOM = 64 * 1024 * 1024;
const MAINTAIN_EVERY = 60_000;
/** Writes that make maintenance worth it before `MAINTAIN_LATEST` has passed. */
const MAINTAIN_WRITES = 2_000;
const MAINTAIN_LATEST = 600_000;

export async function openPglite(options: PgliteOptions): Promise<PgliteDatabase> {
  const { directory } = options;
  const parameters = startParameters(directory !== undefined);
  if (directory === undefined) {
    return new PgliteDatabase(await PGlite.create({ startParams: parameters }), () => undefined, options);
  }
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const unlock = await lockDirectory(directory);
  try {
    checkRoom(directory);
    const cluster = join(directory, 'pg');
    if (!existsSync(cluster)) await makeCluster(cluster);
    const db = await PGlite.create({ fs: new DurableFiles(cluster), startParams: parameters });
    return new PgliteDatabase(db, unlock, options);
  } catch (caught) {
    unlock();
    throw databaseFault(caught);
  }
}

function checkRoom(directory: string): void {
  const { bavail, bsize } = statfsSync(directory);
  if (bavail * bsize > ROOM) return;
  throw new Fault('database-full', `less than ${ROOM / 2 ** 20} MB are free where ${directory} lies`, {
    retry: true,
    hint: 'Free space there, or lower the retention; everything acknowledged so far is safe.',
  });
}

function startParameters(onDisk: boolean): string[] {
  const own = [
    ['search_path', 'bullmq,public'],
    ['synchronous_commit', 'off'],
    ['shared_buffers', '16MB'],
    ['wal_buffers', '1MB'],
    ['min_wal_size', '32MB'],
    ['jit', 'off'],
    ...(onDisk
      ? [
          ['fsync', 'on'],
          ['wal_sync_method', 'fsync'],
        ]
      : []),
  ];
  const given = PGlite.defaultStartParams.filter((word) => word !== '-F' || !onDisk);
  return [...given, ...own.flatMap(([name, value]) => ['-c', `${name}=${value}`])];
}

/** Emscripten's view of the host's files, with the one operation it leaves out. */
class DurableFiles extends NodeFS {
  override async init(...given: Parameters<NodeFS['init']>): Promise<Awaited<ReturnType<NodeFS['init']>>> {
    const made = await super.init(...given);
    const { preRun } = made.emscriptenOpts;
    made.emscriptenOpts.preRun = [...(Array.isArray(preRun) ? preRun : []), addFsync];
    return made;
  }
}

function addFsync(module: object): void {
  const { NODEFS } = module as { NODEFS?: { stream_ops: Record<string, unknown> } };
  if (NODEFS === undefined) throw new Fault('bug', 'PGlite has no NODEFS to give an fsync to');
  NODEFS.stream_ops['fsync'] = (stream: { nfd?: number }): number => {
    if (stream.nfd !== undefined) fsyncSync(stream.nfd);
    return 0;
  };
}

/** Made aside and renamed, so that a process killed here leaves no half cluster. */
export async function makeCluster(cluster: string): Promise<void> {
  const aside = `${cluster}.new`;
  rmSync(aside, { recursive: true, force: true });
  const code = `
    const { PGlite } = await import(process.argv[1]);
    const db = await PGlite.create({ dataDir: process.argv[2] });
    await db.close();`;
  const pglite = import.meta.resolve('@electric-sql/pglite');
  const words = ['--input-type=module', '-e', code, pglite, aside];
  await promisify(execFile)(process.execPath, words, { timeout: 120_000, env: {} });
  if (!existsSync(join(aside, 'PG_VERSION'))) throw new Fault('bug', 'PGlite made no cluster');
  renameSync(aside, cluster);
  const parent = openSync(join(cluster, '..'), 'r');
  fsyncSync(parent);
  closeSync(parent);
}

export class PgliteDatabase implements Database {
  readonly kind = 'pglite';
  readonly #db: PGlite;
  readonly #session = new Mutex();
  readonly #holds = new Map<string, Mutex>();
  readonly #claims = ownClaims();
  readonly #unlock: () => void;
  readonly #directory: string | undefined;
  readonly #maintenance: NodeJS.Timeout;
  #writes = 0;
  #maintained = Date.now();
  #closed = false;

  constructor(db: PGlite, unlock: () => void, options: PgliteOptions) {
    this.#db = db;
    this.#unlock = unlock;
    this.#directory = options.directory;
    this.#maintenance = setInterval(() => {
      const due = this.#writes > MAINTAIN_WRITES || Date.now() - this.#maintained > MAINTAIN_LATEST;
      if (due && this.#writes > 0) this.maintain().catch((error: unknown) => options.onError?.(error));
    }, MAINTAIN_EVERY);
    this.#maintenance.unref();
  }

  /** Reads need no room: pages go on while nothing can be written. */
  async query<T extends object>(text: string, params?: readonly unknown[]): Promise<T[]> {
    return this.#session.run(() => this.#read<T>(text, params));
  }

  async works(): Promise<void> {
    if (this.#directory !== undefined) checkRoom(this.#directory);
    await this.query('SELECT 1');
  }

  async transaction<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    return this.exclusive(async (session) => {
      await session.exec('BEGIN; SET LOCAL synchronous_commit = on');
      let value: T;
      try {
        value = await work({ query: (text, params) => session.run(text, params) });
      } catch (caught) {
        await session.exec('ROLLBACK');
        throw caught;
      }
      await session.exec('COMMIT');
      return value;
    });
  }

  async script(text: string): Promise<void> {
    await this.exclusive((session) => session.exec(text));
  }

  /** The session, for as long as `work` runs. */
  async exclusive<T>(work: (session: Session) => Promise<T>): Promise<T> {
    return this.#session.run(() => work(this.#statements()));
  }

  /** The session until `release`: for a client that said BEGIN and comes back for each statement. */
  async acquire(): Promise<Session & { release(): void }> {
    const release = await this.#session.lock();
    return { ...this.#statements(), release };
  }

  async listen(
    channel: string,
    listener: (payload: string | undefined) => void,
  ): Promise<() => Promise<void>> {
    const unlisten = await this.#session.run(() => this.#db.listen(channel, listener));
    return () => this.#session.run(() => (this.#closed ? Promise.resolve() : unlisten()));
  }

  /** One process, so a mutex is all there is to hold. */
  async hold(name: string, signal: AbortSignal): Promise<Hold> {
    const mutex = this.#holds.get(name) ?? new Mutex();
    this.#holds.set(name, mutex);
    const unlock = await unlessAborted(mutex.lock(), signal, (late) => late());
    const lost = new AbortController();
    return {
      lost: lost.signal,
      release: async () => {
        lost.abort(new Fault('leader-lost', 'leadership was given up'));
        unlock();
      },
    };
  }

  async claim(name: string): Promise<Claim | undefined> {
    return this.#claims(name);
  }

  /** What checkpointer and autovacuum do elsewhere, a table at a time, so that others get the session in between. */
  async maintain(): Promise<void> {
    this.#writes = 0;
    this.#maintained = Date.now();
    const tables = await this.query<{ name: string }>(
      `SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables
        WHERE schemaname IN ('stackgate', 'bullmq')`,
    );
    for (const table of tables) await this.script(`VACUUM (ANALYZE) ${table.name}`);
    await this.script('CHECKPOINT');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    clearInterval(this.#maintenance);
    await this.#session.run(async () => {
      this.#closed = true;
      await this.#db.close();
    });
    this.#unlock();
  }

  #statements(): Session {
    return {
      run: async <T extends object>(text: string, params?: readonly unknown[]): Promise<T[]> => {
        this.#mayWrite(text);
        return this.#read<T>(text, params);
      },
      exec: async (text) => {
        this.#mayWrite(text);
        await this.#ask(() => this.#db.exec(text));
      },
    };
  }

  /** The end of a transaction must always get through. */
  #mayWrite(text: string): void {
    if (this.#directory !== undefined && !/^(COMMIT|ROLLBACK)/.test(text)) checkRoom(this.#directory);
    this.#writes += 1;
  }

  async #read<T extends object>(text: string, params?: readonly unknown[]): Promise<T[]> {
    const { rows } = await this.#ask(() => this.#db.query<T>(text, params === undefined ? [] : [...params]));
    return rows;
  }

  async #ask<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closed) throw new Fault('stopped', 'the database is closed');
    try {
      return await work();
    } catch (caught) {
      throw databaseFault(caught);
    }
  }
}
