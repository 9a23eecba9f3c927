import { createReadStream, type Dirent } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';

/** Finding and reading files below the root of the log site, by names that came over the wire. */

export type LogTarget =
  | { readonly kind: 'folder'; readonly path: string }
  | {
      readonly kind: 'file';
      readonly path: string;
      readonly name: string;
      readonly gzip: boolean;
      readonly size: number;
      readonly mtime: Date;
    }
  | { readonly kind: 'absent' };

/**
 * Segments of the raw (still encoded) path. Undefined when one of them is no plain name: empty, `.`, `..`, hidden while it
 * is written (`.part`), or with a slash, backslash or NUL inside, however it was encoded.
 */
export function logSegments(raw: string): string[] | undefined {
  const segments: string[] = [];
  for (const part of raw.split('/')) {
    let name: string;
    try {
      name = decodeURIComponent(part);
    } catch {
      return undefined;
    }
    if (name === '') continue;
    if (name === '.' || name === '..' || /[/\\\0]/.test(name) || isHidden(name)) return undefined;
    segments.push(name);
  }
  return segments.join('/').length > 3000 ? undefined : segments;
}

/** What the path means: a folder, a file, or a file that is on disk as `<name>.gz`. Links that lead out lead nowhere. */
export async function findLog(root: string, segments: readonly string[]): Promise<LogTarget> {
  const plain = await inside(root, join(root, ...segments));
  if (plain !== undefined) {
    const found = await stat(plain);
    if (found.isDirectory()) return { kind: 'folder', path: plain };
    if (!found.isFile()) return { kind: 'absent' };
    const name = segments.at(-1) ?? '';
    return { kind: 'file', path: plain, name, gzip: false, size: found.size, mtime: found.mtime };
  }
  const packed = segments.length === 0 ? undefined : await inside(root, `${join(root, ...segments)}.gz`);
  const found = packed === undefined ? undefined : await stat(packed);
  if (packed === undefined || found?.isFile() !== true) return { kind: 'absent' };
  const name = segments.at(-1) ?? '';
  return { kind: 'file', path: packed, name, gzip: true, size: found.size, mtime: found.mtime };
}

async function inside(root: string, path: string): Promise<string | undefined> {
  try {
    const [top, real] = await Promise.all([realpath(root), realpath(path)]);
    return real === top || real.startsWith(top + sep) ? real : undefined;
  } catch {
    return undefined;
  }
}

export interface LogEntry {
  readonly name: string;
  readonly folder: boolean;
  readonly size: number;
  readonly mtime: Date;
}

/** Folders first, by name; at most `most`. */
export async function listFolder(path: string, most: number): Promise<{ entries: LogEntry[]; more: number }> {
  const found = (await readdir(path, { withFileTypes: true })).filter(
    (entry) => (entry.isDirectory() || entry.isFile()) && !isHidden(entry.name),
  );
  found.sort((a, b) => Number(b.isDirectory()) - Number(a.isDirectory()) || compare(a.name, b.name));
  const entries = await Promise.all(found.slice(0, most).map((entry) => entryOf(path, entry)));
  return { entries: entries.filter((entry) => entry !== undefined), more: Math.max(0, found.length - most) };
}

async function entryOf(path: string, entry: Dirent): Promise<LogEntry | undefined> {
  try {
    const { size, mtime } = await stat(join(path, entry.name));
    return { name: entry.name, folder: entry.isDirectory(), size, mtime };
  } catch {
    return undefined; // gone since
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

function isHidden(name: string): boolean {
  return /^\..*\.part$/.test(name);
}

/** The content, unpacked if it is packed. A torn file ends where it is torn. */
export function readLog(path: string, gzip: boolean): Readable {
  const file = createReadStream(path);
  if (!gzip) return file;
  const gunzip = createGunzip();
  file.on('error', (error) => gunzip.destroy(error));
  gunzip.on('close', () => file.destroy());
  return file.pipe(gunzip);
}
