import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import {
  access,
  type FileHandle,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  unlink,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { z } from 'zod';
import { Fault } from '../../pipelines/fault.ts';
import type { CollectedFile, LogFolder, LogSite } from '../../pipelines/ports.ts';
import { artifactPath, logSegments } from './path.ts';

/**
 * A log site that is a directory. A build's folder holds, while it runs, `console.txt`, which only grows; when it is over,
 * `console.txt.gz`, its artifacts (text gzipped under `name.gz`) and, written last, `manifest.json`: a folder with it is final.
 * The order of `finish` lets a reader find the console at any time: gz is there before txt goes.
 *
 * Everything may be done again after a crash: the console is written at its offsets, artifacts replace themselves, `finish`
 * begins anew unless the manifest is there.
 */

export interface SiteOptions {
  readonly directory: string;
  /** Public address of the directory. */
  readonly url: string;
}

const ManifestFile = z.object({
  /** As the build called it. */
  path: z.string(),
  /** Below the folder, on disk: perhaps with `.gz`. */
  stored: z.string(),
  /** Bytes of the content. */
  size: z.number(),
  /** Of the content. */
  sha256: z.string(),
});
type ManifestFile = z.infer<typeof ManifestFile>;

/** What `finish` was given, and the files. */
export const Manifest = z.looseObject({ files: z.array(ManifestFile) });
export type Manifest = z.infer<typeof Manifest>;

export function directorySite(options: SiteOptions): LogSite {
  const base = options.url.replace(/\/+$/, '');
  return {
    url: (logPath) => `${base}/${logSegments(logPath).map(encodeURIComponent).join('/')}/`,
    async open(logPath) {
      const folder = join(options.directory, ...logSegments(logPath));
      await guarded('open a log folder', () => mkdir(folder, { recursive: true }));
      return logFolder(folder);
    },
  };
}

function logFolder(folder: string): LogFolder {
  /** Where the console ends, once somebody wrote it in this life. */
  let consoleEnd: number | undefined;
  const files = new Map<string, ManifestFile>();

  return {
    async console(offset) {
      if (await isFinal(folder)) return { write: () => Promise.resolve(), close: () => Promise.resolve() };
      const file = await guarded('open a console', () => openConsole(join(folder, 'console.txt')));
      let position = offset;
      consoleEnd = offset;
      return {
        async write(chunk) {
          await guarded('write a console', () => writeAll(file, chunk, position));
          position += chunk.length;
          consoleEnd = position;
        },
        close: () => file.close(),
      };
    },
    consoleText: () => consoleText(folder, consoleEnd),
    async add(file) {
      if (await isFinal(folder)) return;
      const path = artifactPath(file.path);
      if (path === undefined) return;
      await guarded(`store ${JSON.stringify(path)}`, async () => {
        const stored = await store(folder, path, file, files);
        files.set(stored.stored, stored);
      });
    },
    async finish(manifest) {
      if (await isFinal(folder)) return;
      await guarded('finish a log folder', () => finish(folder, consoleEnd, files, manifest));
    },
  };
}

async function* consoleText(folder: string, end: number | undefined): AsyncIterable<Uint8Array> {
  if (await isFinal(folder)) {
    yield* createReadStream(join(folder, 'console.txt.gz')).pipe(createGunzip());
  } else if (end !== undefined && end > 0) {
    yield* createReadStream(join(folder, 'console.txt'), { end: end - 1, highWaterMark: 256 * 1024 });
  }
}

/** Opened for writing at offsets, created if need be, never truncated. */
async function openConsole(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r+');
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
    return await open(path, 'wx+');
  }
}

async function writeAll(file: FileHandle, chunk: Uint8Array, position: number): Promise<void> {
  let written = 0;
  while (written < chunk.length) {
    const { bytesWritten } = await file.write(chunk, written, chunk.length - written, position + written);
    written += bytesWritten;
  }
}

async function store(
  folder: string,
  path: string,
  file: CollectedFile,
  files: ReadonlyMap<string, ManifestFile>,
): Promise<ManifestFile> {
  const source = file.content[Symbol.asyncIterator]();
  const first = await source.next();
  const head = first.done === true ? new Uint8Array() : first.value;
  const zip = head.length > 0 && isText(head);
  let stored = freeName(zip ? `${path}.gz` : path, file.path, files);
  if (!(await canTake(folder, stored))) {
    const hash = createHash('sha256').update(file.path).digest('hex').slice(0, 16);
    stored = `renamed-${hash}${zip ? '.gz' : ''}`;
  }
  const target = join(folder, stored);
  async function* content() {
    yield head;
    yield* { [Symbol.asyncIterator]: () => source };
  }
  const { size, sha256 } = await writeWhole(target, content(), zip ? 6 : undefined);
  return { path: file.path, stored, size, sha256 };
}

/** `a.log` is stored as `a.log.gz`; an artifact that is called so itself gets a name beside it. */
function freeName(name: string, path: string, files: ReadonlyMap<string, ManifestFile>): string {
  const isTaken = (candidate: string) => {
    const other = files.get(candidate);
    return other !== undefined && other.path !== path;
  };
  let free = name;
  for (let count = 2; isTaken(free); count++) free = `${name}~${count}`;
  return free;
}

/** A build may use one name for a file and, gzipped, for a folder; and paths longer than the system takes. */
async function canTake(folder: string, stored: string): Promise<boolean> {
  const target = join(folder, stored);
  if (Buffer.byteLength(target) > 3500) return false;
  try {
    await mkdir(dirname(target), { recursive: true });
    return !(await stat(target)).isDirectory();
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return true;
    if (codeOf(error) === 'EEXIST' || codeOf(error) === 'ENOTDIR') return false;
    throw error;
  }
}

/** Streams into a file beside the target and renames it into place. */
async function writeWhole(
  target: string,
  content: AsyncIterable<Uint8Array>,
  gzip: number | undefined,
): Promise<{ size: number; sha256: string }> {
  const aside = join(dirname(target), `.${randomBytes(8).toString('hex')}.part`);
  const hash = createHash('sha256');
  let size = 0;
  const measure = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      size += chunk.length;
      done(null, chunk);
    },
  });
  try {
    const out = createWriteStream(aside, { flags: 'wx' });
    if (gzip === undefined) await pipeline(content, measure, out);
    else await pipeline(content, measure, createGzip({ level: gzip }), out);
    await syncPath(aside);
    await rename(aside, target);
  } catch (error) {
    await rm(aside, { force: true });
    throw error;
  }
  return { size, sha256: hash.digest('hex') };
}

/** Text has no NUL in its beginning; what is packed already nearly always does, and gains nothing. */
function isText(head: Uint8Array): boolean {
  const isPacked = (head[0] === 0x1f && head[1] === 0x8b) || (head[0] === 0x50 && head[1] === 0x4b);
  return !isPacked && !head.subarray(0, 8192).includes(0);
}

/** Beyond this a console is packed fast rather than well, bytes. */
const large = 32 * 1024 * 1024;

async function finish(
  folder: string,
  consoleEnd: number | undefined,
  files: Map<string, ManifestFile>,
  manifest: Readonly<Record<string, unknown>>,
): Promise<void> {
  await removeParts(folder);
  const path = join(folder, 'console.txt');
  const size = await sizeOf(path);
  if (size !== undefined) {
    if (consoleEnd !== undefined && consoleEnd < size) await truncateTo(path, consoleEnd);
    const stored = 'console.txt.gz';
    const written = await writeWhole(
      join(folder, stored),
      createReadStream(path, { highWaterMark: 256 * 1024 }),
      size > large ? 1 : 6,
    );
    files.set(stored, { path: 'console.txt', stored, ...written });
  }
  const list = [...files.values()].sort((a, b) => (a.stored < b.stored ? -1 : 1));
  const text = `${JSON.stringify({ ...manifest, files: list }, null, 1)}\n`;
  async function* content() {
    yield Buffer.from(text);
  }
  await writeWhole(join(folder, 'manifest.json'), content(), undefined);
  await syncPath(folder);
  if (size !== undefined) await unlink(path);
}

/** What a crash left half written. */
async function removeParts(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    if (/^\.[0-9a-f]{16}\.part$/.test(entry.name))
      await rm(join(entry.parentPath, entry.name), { force: true });
  }
}

async function truncateTo(path: string, size: number): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.truncate(size);
  } finally {
    await file.close();
  }
}

async function syncPath(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

/** True when `finish` is through: nothing in the folder changes any more. */
export async function isFinal(folder: string): Promise<boolean> {
  try {
    await access(join(folder, 'manifest.json'));
    return true;
  } catch {
    return false;
  }
}

/** The manifest of a final folder. */
export async function readManifest(folder: string): Promise<Manifest | undefined> {
  try {
    return Manifest.parse(JSON.parse(await readFile(join(folder, 'manifest.json'), 'utf8')));
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined;
    throw error;
  }
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** Errors of the disk as Faults: they pass when there is room again, and the build waits for it. */
async function guarded<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Fault) throw error;
    const full = ['ENOSPC', 'EDQUOT', 'EROFS', 'EIO', 'EACCES'].includes(codeOf(error) ?? '');
    if (!full) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new Fault('disk-full', `cannot ${what} on the log site: ${reason}`, {
      retry: true,
      hint: 'Free some space in the log directory, or let fewer days of logs stay (logs: keep:).',
      cause: error,
    });
  }
}
