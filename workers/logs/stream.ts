import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { LogFolder, LogSite } from '../../pipelines/ports.ts';
import type { RedisLink } from '../redis/link.ts';
import { followConsole } from './live.ts';

/**
 * Running consoles over Redis, for a server that cannot see the folder a worker writes to. The file stays the truth: the worker
 * writes there first, and what Redis does not take (it is away, or slower than the build) is not waited for. A stream holds the
 * last `KEPT` bytes of one console; each entry says at which byte it begins, so that pieces that came twice (a console is made
 * again after a restart) are read once.
 */

const KEPT = 2 * 1024 * 1024;
const PIECE = 64 * 1024;
/** Bytes on their way to Redis; what a build writes faster than that is in the file only. */
const ON_THE_WAY = 1024 * 1024;
/** s after its last word that a stream stays. */
const AFTER_END = 300;
const AFTER_SILENCE = 86_400;
/** Entries read at a time, and ms between looks when nobody rings. */
const BATCH = 64;
const LOOK = 1_000;

const keyOf = (link: RedisLink, logPath: string): string => `${link.prefix}:log:${logPath}`;
const bellOf = (link: RedisLink): string => `${link.prefix}:log`;

/** A log site whose running consoles are told to Redis, too. */
export function streamedSite(site: LogSite, link: RedisLink): LogSite {
  return {
    url: (logPath) => site.url(logPath),
    async open(logPath) {
      return streamedFolder(await site.open(logPath), link, logPath);
    },
  };
}

function streamedFolder(folder: LogFolder, link: RedisLink, logPath: string): LogFolder {
  const key = keyOf(link, logPath);
  const kept: { id: string; size: number }[] = [];
  let size = 0;
  let onTheWay = 0;

  async function tell(at: number, data: Buffer): Promise<void> {
    if (onTheWay > ON_THE_WAY) return;
    onTheWay += data.length;
    try {
      const id = await link.quick.xadd(key, '*', 'at', at, 'data', data);
      if (id !== null) kept.push({ id, size: data.length });
      size += data.length;
      while (size > KEPT && kept.length > 1) size -= kept.shift()?.size ?? 0;
      const oldest = kept[0];
      const more = link.quick.pipeline().expire(key, AFTER_SILENCE);
      if (oldest !== undefined) more.xtrim(key, 'MINID', oldest.id);
      await more.publish(bellOf(link), logPath).exec();
    } catch {
      // Its watch says so; the file has it.
    } finally {
      onTheWay -= data.length;
    }
  }

  return {
    async console(offset) {
      const writer = await folder.console(offset);
      let position = offset;
      return {
        async write(chunk) {
          await writer.write(chunk);
          // A copy: the caller may use its memory again.
          const data = Buffer.from(chunk);
          for (let from = 0; from < data.length; from += PIECE)
            void tell(position + from, data.subarray(from, from + PIECE));
          position += data.length;
        },
        close: () => writer.close(),
      };
    },
    consoleText: () => folder.consoleText(),
    add: (file) => folder.add(file),
    async finish(manifest) {
      await folder.finish(manifest);
      await link.quick
        .pipeline()
        .xadd(key, '*', 'end', '1')
        .expire(key, AFTER_END)
        .publish(bellOf(link), logPath)
        .exec()
        .catch(() => undefined);
    },
  };
}

/** Reads consoles along: from the folder where it is to be seen, else from Redis. */
export interface ConsoleReader {
  follow(logPath: string, offset: number, signal: AbortSignal): AsyncIterable<Uint8Array>;
}

export async function openConsoleReader(root: string, link: RedisLink): Promise<ConsoleReader> {
  const waiting = new Map<string, Set<() => void>>();
  const bell = link.patient();
  bell.on('message', (_, logPath) => {
    for (const wake of waiting.get(logPath) ?? []) wake();
  });
  await bell.subscribe(bellOf(link));

  /** Until something is told about this console, for a while at most. */
  function heard(logPath: string, signal: AbortSignal): Promise<void> {
    const wakes = waiting.get(logPath) ?? new Set();
    waiting.set(logPath, wakes);
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        wakes.delete(done);
        if (wakes.size === 0) waiting.delete(logPath);
        resolve();
      };
      const timer = setTimeout(done, LOOK);
      wakes.add(done);
      signal.addEventListener('abort', done, { once: true });
      if (signal.aborted) done();
    });
  }

  async function* fromStream(
    logPath: string,
    offset: number,
    signal: AbortSignal,
    isSeen: () => boolean,
  ): AsyncGenerator<Uint8Array, 'ended' | 'seen'> {
    const key = keyOf(link, logPath);
    let position = offset;
    let after = '-';
    while (!signal.aborted) {
      // The bell first: what is told while we read rings for the next round.
      const next = heard(logPath, signal);
      const entries = await link.quick.xrangeBuffer(key, after, '+', 'COUNT', BATCH).catch(() => []);
      for (const [id, fields] of entries) {
        after = `(${id.toString()}`;
        const { at, data } = read(fields);
        if (data === undefined) return 'ended';
        if (at > position)
          yield Buffer.from(`\n[${at - position} bytes of this console are not to be had here]\n`);
        if (at + data.length <= position) continue;
        yield data.subarray(Math.max(0, position - at));
        position = at + data.length;
      }
      if (entries.length === BATCH) continue;
      if (position === offset && isSeen()) return 'seen';
      await next;
    }
    return 'ended';
  }

  return {
    async *follow(logPath, offset, signal) {
      const folder = join(root, ...logPath.split('/'));
      const isSeen = () => existsSync(folder);
      if (!isSeen() && (yield* fromStream(logPath, offset, signal, isSeen)) === 'ended') return;
      yield* followConsole(folder, offset, signal);
    },
  };
}

function read(fields: readonly Buffer[]): { at: number; data: Buffer | undefined } {
  const [name, at, , data] = fields;
  if (name?.toString() !== 'at' || data === undefined) return { at: 0, data: undefined };
  return { at: Number(at?.toString()), data };
}
