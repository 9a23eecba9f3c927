import type { ShellSink } from '../../pipelines/ports.ts';

/**
 * The clock of a build's output: lines `ms bytes` that its supervisor wrote. Bytes are given out only once a tick covers them
 * (or the build has ended), so that the time of a byte is the same whoever reads it, now or after a restart.
 */
export interface Ticks {
  /** What was appended to the file; lines may come in halves. */
  add(text: string): void;
  /** Bytes of output that have a time. */
  end(): number;
  /** The first tick beyond byte `offset`. Asked in ascending order; earlier ticks are dropped. */
  covering(offset: number): { at: number; upTo: number } | undefined;
}

export function tickClock(): Ticks {
  let pending: { at: number; upTo: number }[] = [];
  let first = 0;
  let rest = '';
  let last = 0;
  return {
    add(text) {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        // A disk that was full may have left half a line with the next one glued to it.
        const [, at, upTo] = /^(\d{13}) (\d{1,15})$/.exec(line) ?? [];
        if (at === undefined || !(Number(upTo) > last)) continue;
        last = Number(upTo);
        pending.push({ at: Number(at), upTo: last });
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

/** Gives `chunk`, which begins at `position`, out in pieces of one time each; answers the position after it. */
export async function giveOut(
  chunk: Buffer,
  position: number,
  clock: Ticks,
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
