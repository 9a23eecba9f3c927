import { createReadStream, type FSWatcher, watch } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { createGunzip } from 'node:zlib';
import { codeOf, isFinal } from './site.ts';

/** Reading a console from a byte on, while it grows and afterwards, from the folder of a directory site. */

const block = 64 * 1024;
/** ms between looks when the kernel tells of no change; ten times slower than that if it does. */
const patience = 200;

/**
 * The console from byte `offset` to its end, piece by piece as it comes; ends when the build's logs are final. A build whose
 * folder is not there yet is waited for. Aborting ends the iteration without an error.
 */
export async function* followConsole(
  folder: string,
  offset: number,
  signal: AbortSignal,
): AsyncIterable<Buffer> {
  let position = offset;
  let file: FileHandle | undefined;
  const growth = watchGrowth(folder);
  try {
    while (!signal.aborted) {
      // Asked before the file is read: what was written before it was final is read below.
      const final = await isFinal(folder);
      file ??= await openIfThere(join(folder, 'console.txt'));
      if (file !== undefined) {
        for (;;) {
          const buffer = Buffer.allocUnsafe(block);
          const { bytesRead } = await file.read(buffer, 0, block, position);
          if (bytesRead === 0) break;
          position += bytesRead;
          yield buffer.subarray(0, bytesRead);
          if (signal.aborted) return;
        }
      } else if (final) {
        yield* unpacked(join(folder, 'console.txt.gz'), position, signal);
      }
      if (final) return;
      await growth.wait(patience, signal);
    }
  } finally {
    growth.close();
    await file?.close();
  }
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

async function* unpacked(path: string, offset: number, signal: AbortSignal): AsyncIterable<Buffer> {
  const source = createReadStream(path);
  const gunzip = createGunzip({ chunkSize: block });
  source.on('error', (error) => gunzip.destroy(error));
  source.pipe(gunzip);
  let skip = offset;
  try {
    for await (const chunk of gunzip as AsyncIterable<Buffer>) {
      if (signal.aborted) return;
      if (chunk.length > skip) yield chunk.subarray(skip);
      skip = Math.max(0, skip - chunk.length);
    }
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  } finally {
    source.destroy();
    gunzip.destroy();
  }
}

/** Wakes when anything in the folder changes; by time alone where inotify has no watch left or the folder is not there yet. */
function watchGrowth(folder: string): {
  wait(ms: number, signal: AbortSignal): Promise<void>;
  close(): void;
} {
  let watcher: FSWatcher | undefined;
  let changed = false;
  let wake: (() => void) | undefined;
  const tryWatch = () => {
    if (watcher !== undefined) return;
    try {
      watcher = watch(folder, () => {
        changed = true;
        wake?.();
      });
      watcher.on('error', () => watcher?.close());
      // What happened between the last look and now was seen by nobody.
      changed = true;
    } catch {
      watcher = undefined;
    }
  };
  return {
    async wait(ms, signal) {
      tryWatch();
      await new Promise<void>((resolve) => {
        const done = () => {
          clearTimeout(timer);
          signal.removeEventListener('abort', done);
          wake = undefined;
          changed = false;
          resolve();
        };
        const timer = setTimeout(done, watcher === undefined ? ms : ms * 10);
        wake = done;
        if (changed || signal.aborted) done();
        else signal.addEventListener('abort', done, { once: true });
      });
    },
    close: () => watcher?.close(),
  };
}
