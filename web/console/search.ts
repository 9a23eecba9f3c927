import { withoutColours } from './ansi.ts';
import type { Lines } from './lines.ts';

/** Lines (from 0) that hold a text, found in slices so that the page stays alive. */

const sliceLines = 4_000;
const most = 100_000;

export async function search(
  lines: Lines,
  wanted: string,
  caseless: boolean,
  from: number,
  signal: AbortSignal,
  found: (lines: readonly number[], searched: number) => void,
): Promise<void> {
  const text = caseless ? wanted.toLowerCase() : wanted;
  const fold = (value: string) => (caseless ? value.toLowerCase() : value);
  let hits = 0;
  for (let line = from; line < lines.count && hits < most && !signal.aborted; line += sliceLines) {
    const to = Math.min(lines.count, line + sliceLines);
    const block = fold(withoutColours(lines.block(line, to)));
    if (block.includes(text)) {
      const matches: number[] = [];
      for (const [at, each] of block.split('\n').entries()) if (each.includes(text)) matches.push(line + at);
      hits += matches.length;
      found(matches, to);
    } else found([], to);
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
}

/** Where a text is in one line, as [from, to) of its letters. */
export function marksIn(line: string, wanted: string, caseless: boolean): [number, number][] {
  if (wanted === '') return [];
  const text = caseless ? line.toLowerCase() : line;
  const looked = caseless ? wanted.toLowerCase() : wanted;
  const marks: [number, number][] = [];
  for (
    let at = text.indexOf(looked);
    at !== -1 && marks.length < 200;
    at = text.indexOf(looked, at + looked.length)
  )
    marks.push([at, at + looked.length]);
  return marks;
}
