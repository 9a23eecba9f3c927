import type { Dirent } from 'node:fs';
import { constants } from 'node:fs';
import { type FileHandle, lstat, open, readdir, readlink, realpath } from 'node:fs/promises';
import { basename, dirname, join, sep } from 'node:path';
import { type AntPattern, antMatches, antMayMatchBelow, antPattern } from '../jobs/ant.ts';
import type { CollectedFile } from '../pipelines/ports.ts';

/**
 * Files of a hostile workspace, read with our rights. The job chose every name, link and type in there, so nothing is believed
 * before it is open: what was opened must be a plain file whose real path (the kernel's answer for the descriptor, not a path
 * that can change under us) lies in the workspace. Links to folders are not walked. A file with a second name that is not the
 * job's own may be a hard link to anything and is left out.
 */

const mostFolders = 100_000;
const deepest = 64;

export async function* collectFiles(
  workspace: string,
  include: readonly string[],
  exclude: readonly string[],
  owner: number | undefined,
  signal: AbortSignal,
): AsyncIterable<CollectedFile> {
  const wanted = include.map(antPattern);
  const unwanted = exclude.map(antPattern);
  const root = await trueFolder(workspace);
  if (root === undefined) return;
  for await (const path of walk(root, wanted, signal)) {
    if (!wanted.some((pattern) => antMatches(pattern, path))) continue;
    if (unwanted.some((pattern) => antMatches(pattern, path))) continue;
    const opened = await openInside(root, path, owner);
    if (opened === undefined) continue;
    try {
      yield { path, size: opened.size, content: bytesOf(opened.file, opened.size) };
    } finally {
      await opened.file.close();
    }
  }
}

/** The real path of the workspace, unless it is not there or has become a link to somewhere else. */
async function trueFolder(workspace: string): Promise<string | undefined> {
  try {
    const root = join(await realpath(dirname(workspace)), basename(workspace));
    return (await lstat(root)).isDirectory() ? root : undefined;
  } catch {
    return undefined;
  }
}

/** Paths of everything that is no folder, sorted, so that asking again answers the same. */
async function* walk(
  root: string,
  wanted: readonly AntPattern[],
  signal: AbortSignal,
): AsyncIterable<string> {
  const pending = [''];
  let folders = 0;
  for (let folder = pending.pop(); folder !== undefined; folder = pending.pop()) {
    signal.throwIfAborted();
    folders += 1;
    if (folders > mostFolders) return;
    const inside: string[] = [];
    for (const entry of await entriesOf(join(root, folder))) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (!entry.isDirectory()) yield path;
      else if (
        path.split('/').length <= deepest &&
        wanted.some((pattern) => antMayMatchBelow(pattern, path))
      ) {
        inside.push(path);
      }
    }
    pending.push(...inside.reverse());
  }
}

async function entriesOf(folder: string): Promise<Dirent[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    // Names that are no UTF-8 came out changed and could not be opened again.
    return entries
      .filter((entry) => !entry.name.includes('\ufffd'))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch {
    return [];
  }
}

async function openInside(
  root: string,
  path: string,
  owner: number | undefined,
): Promise<{ file: FileHandle; size: number } | undefined> {
  let file: FileHandle | undefined;
  try {
    // NONBLOCK: a fifo would hold us for ever.
    file = await open(join(root, path), constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
    const real = await readlink(`/proc/self/fd/${file.fd}`);
    const stat = await file.stat();
    const inside = real.startsWith(`${root}${sep}`);
    const ours = stat.nlink === 1 || owner === undefined || stat.uid === owner;
    if (inside && ours && stat.isFile()) return { file, size: stat.size };
  } catch {
    // Dangling links and files we may not read are not there for us.
  }
  await file?.close();
  return undefined;
}

async function* bytesOf(file: FileHandle, size: number): AsyncIterable<Uint8Array> {
  let position = 0;
  while (position < size) {
    const buffer = Buffer.allocUnsafe(Math.min(256 * 1024, size - position));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
    if (bytesRead === 0) return;
    position += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}
