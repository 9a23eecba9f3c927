import { watch } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { Fault } from '../../pipelines/fault.ts';
import type { ShellExit, ShellSink } from '../../pipelines/ports.ts';
import { asNodeFault, readResult, supervisorState } from './folder.ts';

/**
 * Follows the output of a build on this machine. Bytes are given out only once a tick covers them (or the build has ended), so
 * that the time of a byte is the same whoever reads it, now or after a restart.
 */

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
    const clock = tickReader(ticks);
    let position = offset;
    let felt = performance.now();
    for (;;) {
      signal.throwIfAborted();
      // The result is read before the output: once it is there, the output is whole.
      const ended = await readResult(folder);
      await clock.more();
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

/** Gives `chunk`, which begins at `position`, out in pieces of one time each; answers the position after it. */
async function giveOut(
  chunk: Buffer,
  position: number,
  clock: TickReader,
  finishedAt: number | undefined,
  sink: ShellSink,
): Promise<number> {
  let from = position;
  const end = position + chunk.length;
  while (from < end) {
    const tick = clock.covering(from);
    const until = Math.min(end, tick?.upTo ?? end);
    const given = sink.output(
      chunk.subarray(from - position, until - position),
      from,
      tick?.at ?? finishedAt ?? 0,
    );
    if (given !== undefined) await given;
    from = until;
  }
  return end;
}

interface TickReader {
  /** Reads what was appended since. */
  more(): Promise<void>;
  /** Bytes of output that have a time. */
  end(): number;
  /** The first tick beyond byte `offset`. Asked in ascending order; earlier ticks are dropped. */
  covering(offset: number): { at: number; upTo: number } | undefined;
}

function tickReader(file: FileHandle): TickReader {
  let pending: { at: number; upTo: number }[] = [];
  let first = 0;
  let read = 0;
  let rest = '';
  let last = 0;
  return {
    async more() {
      for (;;) {
        const chunk = await readAt(file, read, 64 * 1024);
        if (chunk.length === 0) return;
        read += chunk.length;
        const lines = (rest + chunk.toString('latin1')).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) {
          // A disk that was full may have left half a line with the next one glued to it.
          const [, at, upTo] = /^(\d{13}) (\d{1,15})$/.exec(line) ?? [];
          if (at === undefined || !(Number(upTo) > last)) continue;
          last = Number(upTo);
          pending.push({ at: Number(at), upTo: last });
        }
      }
    },
    end: () => last,
    covering(offset) {
      let tick = pending[first];
      while (tick !== undefined && tick.upTo <= offset) {
        first += 1;
        tick = pending[first];
      }
      if (first > 4096) {
        pending = pending.slice(first);
        first = 0;
      }
      return tick;
    },
  };
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
