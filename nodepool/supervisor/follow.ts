import { watch } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { Fault } from '../../pipelines/fault.ts';
import type { ShellExit, ShellSink } from '../../pipelines/ports.ts';
import { asNodeFault, readResult, supervisorState } from './folder.ts';
import { giveOut, type Ticks, tickClock } from './ticks.ts';

/** Follows the output of a build on this machine. */

const block = 256 * 1024;
/** ms between looks when the kernel tells of no change. */
const patience = 250;
/** ms between looks at the supervisor's pulse. */
const pulse = 1000;

export async function follow(
  folder: string,
  offset: number,
  sink: ShellSink,
  signal: AbortSignal,
): Promise<ShellExit> {
  let output: FileHandle | undefined;
  let ticks: FileHandle | undefined;
  const changes = watchFolder(folder);
  try {
    output = await open(join(folder, 'output'));
    ticks = await open(join(folder, 'ticks'));
    const clock = tickClock();
    let heard = 0;
    let position = offset;
    let felt = performance.now();
    for (;;) {
      signal.throwIfAborted();
      // The result is read before the output: once it is there, the output is whole.
      const ended = await readResult(folder);
      heard = await readTicks(ticks, heard, clock);
      const known = ended === undefined ? clock.end() : Math.max(ended.output, clock.end());
      const before = position;
      while (position < known) {
        const chunk = await readAt(output, position, Math.min(block, known - position));
        if (chunk.length === 0) break;
        position = await giveOut(chunk, position, clock, ended?.exit.finishedAt, sink);
        signal.throwIfAborted();
      }
      if (ended !== undefined) return ended.exit;
      if (position > before) continue;
      if (performance.now() - felt > pulse) {
        felt = performance.now();
        if ((await supervisorState(folder)) !== 'alive' && (await readResult(folder)) === undefined) {
          throw new Fault('node-lost', 'the supervisor of the build died without a result', {
            hint: 'Look for the out-of-memory killer or a restart of the machine in the system log.',
          });
        }
      }
      await changes.wait(patience, signal);
    }
  } catch (error) {
    if (signal.aborted) throw new Fault('stopped', 'detached from the build', { retry: true, cause: error });
    throw asNodeFault(error, `cannot follow ${folder}`);
  } finally {
    changes.close();
    await output?.close();
    await ticks?.close();
  }
}

/** Reads what was appended to `ticks` since. */
async function readTicks(file: FileHandle, from: number, ticks: Ticks): Promise<number> {
  for (let position = from; ; ) {
    const chunk = await readAt(file, position, 64 * 1024);
    if (chunk.length === 0) return position;
    position += chunk.length;
    ticks.add(chunk.toString('latin1'));
  }
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length);
  const { bytesRead } = await file.read(buffer, 0, length, position);
  return buffer.subarray(0, bytesRead);
}

/** Wakes on any change in a folder, and without inotify (its watches are limited) by time alone. */
export function watchFolder(folder: string): {
  wait(ms: number, signal: AbortSignal): Promise<void>;
  close(): void;
} {
  let changed = false;
  let wake: (() => void) | undefined;
  const notice = () => {
    changed = true;
    wake?.();
  };
  let watcher: ReturnType<typeof watch> | undefined;
  try {
    // Not `output`: it may change thousands of times a second, and only a tick makes its bytes known.
    watcher = watch(folder, (_, name) => {
      if (name !== 'output') notice();
    });
    watcher.on('error', () => watcher?.close());
  } catch {
    watcher = undefined;
  }
  return {
    wait(ms, signal) {
      return new Promise((resolve) => {
        const done = () => {
          clearTimeout(timer);
          signal.removeEventListener('abort', done);
          wake = undefined;
          changed = false;
          resolve();
        };
        const timer = setTimeout(done, ms);
        wake = done;
        if (changed || signal.aborted) done();
        else signal.addEventListener('abort', done, { once: true });
      });
    },
    close: () => watcher?.close(),
  };
}
