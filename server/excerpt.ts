import type { Excerpt } from './contract.ts';
import { mostTelling, tellingOf } from './telling.ts';

/**
 * What a console ends with, found in one pass over its bytes without keeping more than the last lines. A job may collect logs
 * after its end for thousands of lines, so what stood before the end is put aside when the end comes. What went wrong may stand long
 * before the end: lines of the usual forms are kept as well.
 */

const newline = 0x0a;
/** Lines that are shown before the end. */
const shown = 30;
/** Bytes of one line that are kept. */
const longest = 2_000;

const mark = Buffer.from('[stackgate] step ');
const stepForm = /^(?:\S{10} \S{12} \| )?\[stackgate\] step (\d{1,4}): (.*)$/;
const endForm = /^(?:\S{10} \S{12} \| )?(?:Ended|Lost): /;
const ends = [Buffer.from('Ended: '), Buffer.from('Lost: ')];

export async function excerptOf(console: AsyncIterable<Uint8Array>): Promise<Excerpt | undefined> {
  const lines: Buffer[] = [];
  let total = 0;
  let step: Excerpt['step'] = null;
  let open: Buffer = Buffer.alloc(0);
  const telling: Excerpt['telling'] = [];
  /** What stood before the end, once that came. */
  let ended:
    | { readonly lines: readonly Buffer[]; readonly last: number; readonly step: Excerpt['step'] }
    | undefined;

  function keep(line: Buffer): void {
    total += 1;
    // A copy: the chunk it lies in is large.
    lines.push(Buffer.from(line.subarray(0, longest)));
    if (lines.length > 4 * shown) lines.splice(0, 3 * shown);
    if (line.length > longest) return;
    const short = isEnd(line) ? line.toString('utf8') : '';
    if (endForm.test(short)) ended = { lines: lines.slice(-shown), last: total, step };
    if (telling.length < mostTelling) {
      const told = tellingOf(line);
      if (told !== undefined) telling.push({ line: total, ...told });
    }
    if (line.indexOf(mark) === -1) return;
    const found = stepForm.exec(line.toString('utf8'));
    if (found !== null) step = { number: Number(found[1]), name: found[2] ?? '', line: total };
  }

  for await (const chunk of console) {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    let from = 0;
    for (let at = bytes.indexOf(newline); at !== -1; at = bytes.indexOf(newline, from)) {
      const end = bytes.subarray(from, at);
      keep(open.length === 0 ? end : Buffer.concat([open, end]));
      open = Buffer.alloc(0);
      from = at + 1;
    }
    const rest = bytes.subarray(from);
    if (open.length < longest) open = Buffer.concat([open, rest.subarray(0, longest)]);
  }
  if (open.length > 0) keep(open);
  if (total === 0) return undefined;
  const end = ended ?? { lines: lines.slice(-shown), last: total, step };
  return {
    from: end.last - end.lines.length + 1,
    lines: end.lines.map((line) => line.toString('utf8')),
    failedAt: Math.max(1, ended === undefined ? total : end.last - 1),
    total,
    step: end.step,
    telling,
  };
}

function isEnd(line: Buffer): boolean {
  // Behind the time, if there is one.
  return ends.some((word) => [0, 26].some((at) => line.subarray(at, at + word.length).equals(word)));
}
