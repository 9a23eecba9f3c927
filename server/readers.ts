import { Channel, type Piece, piecesOf } from './channel.ts';
import { consoleNow, consoleToEnd } from './consoles.ts';
import { findLog } from './logfile.ts';
import type { ServerPorts } from './ports.ts';

type Sources = Pick<ServerPorts, 'history' | 'live' | 'logs'>;

/** ms between the pieces that are sent to everybody: each reader costs a write for each of them. */
const beat = (readers: number) => (readers > 50 ? 200 : 40);
/** Bytes that make a piece before its time. */
const large = 64 * 1024;

interface Followed {
  readonly channel: Channel;
  readonly stop: AbortController;
  readers: number;
}

/** Everybody who reads a running console along: one look at the file for all of them. */
export interface Readers {
  /** From byte `offset` on to the end of the console. Ends early, without an error, when `signal` aborts. */
  read(uuid: string, segments: readonly string[], offset: number, signal: AbortSignal): AsyncIterable<Piece>;
}

export function consoleReaders(sources: Sources): Readers {
  const followed = new Map<string, Promise<Followed>>();

  async function open(segments: readonly string[]): Promise<Followed> {
    const target = await findLog(sources.logs.root, [...segments, 'console.txt']);
    const size = target.kind === 'file' && !target.gzip ? target.size : 0;
    // Back by one letter: the size may lie in the middle of it.
    return { channel: new Channel(Math.max(0, size - 4)), stop: new AbortController(), readers: 0 };
  }

  /** Until its console ends or nobody reads it any more. */
  async function run(opening: Promise<Followed>, uuid: string, segments: readonly string[]): Promise<void> {
    try {
      const entry = await opening;
      await pump(entry, uuid, segments).then(
        () => entry.channel.finish(),
        (caught: unknown) => entry.channel.finish(caught),
      );
    } catch {
      // Whoever waits for the opening is told.
    } finally {
      if (followed.get(uuid) === opening) followed.delete(uuid);
    }
  }

  async function pump(entry: Followed, uuid: string, segments: readonly string[]): Promise<void> {
    const { channel, stop } = entry;
    const from = channel.end;
    const source = consoleToEnd(sources, uuid, segments, from, stop.signal);
    for await (const piece of piecesOf(
      batched(source, () => beat(entry.readers)),
      from,
    ))
      channel.add(piece);
  }

  return {
    async *read(uuid, segments, offset, signal) {
      let opening = followed.get(uuid);
      if (opening === undefined) {
        opening = open(segments);
        followed.set(uuid, opening);
        void run(opening, uuid, segments);
      }
      const entry = await opening;
      entry.readers += 1;
      try {
        yield* along(entry.channel, (from) => consoleNow(sources, segments, from), offset, signal);
      } finally {
        entry.readers -= 1;
        if (entry.readers === 0) {
          if (followed.get(uuid) === opening) followed.delete(uuid);
          entry.stop.abort();
        }
      }
    },
  };
}

/** A channel from `offset` on: what it does not hold any more is read from the file. */
async function* along(
  channel: Channel,
  file: (from: number) => AsyncIterable<Uint8Array>,
  offset: number,
  signal: AbortSignal,
): AsyncIterable<Piece> {
  let position = offset;
  while (!signal.aborted) {
    if (position < channel.start) {
      const before = position;
      for await (const piece of piecesOf(file(position), position)) {
        yield piece;
        position = piece.to;
        if (signal.aborted) return;
        if (position >= channel.start) break;
      }
      if (position === before) return;
      continue;
    }
    const piece = channel.after(position);
    if (piece !== undefined) {
      yield piece;
      position = piece.to;
    } else if (channel.over) return;
    else await channel.grown(signal);
  }
}

/** Small chunks that come together go together. */
async function* batched(source: AsyncIterable<Uint8Array>, wait: () => number): AsyncIterable<Uint8Array> {
  const iterator = source[Symbol.asyncIterator]();
  let next = iterator.next();
  try {
    for (let first = await next; first.done !== true; first = await next) {
      const chunks = [first.value];
      let size = first.value.length;
      const late = after(wait());
      next = iterator.next();
      while (size < large) {
        const more = await Promise.race([next, late]);
        if (more === 'late' || more.done === true) break;
        chunks.push(more.value);
        size += more.value.length;
        next = iterator.next();
      }
      yield chunks.length === 1 ? first.value : Buffer.concat(chunks);
    }
  } finally {
    next.catch(() => undefined);
    await iterator.return?.();
  }
}

function after(ms: number): Promise<'late'> {
  return new Promise((resolve) => setTimeout(() => resolve('late'), ms));
}
