import type { Lines } from './lines.ts';

/** Where the steps of a job begin: the line that the supervisor writes before each of them. */
export interface Step {
  /** Line from 0. */
  readonly line: number;
  /** `2` */
  readonly number: string;
  readonly name: string;
}

const mark = '[stackgate] step ';
const form = /^(?:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \| )?\[stackgate\] step (\d+): (.*)$/;

/** Lines that are looked at together. */
const block = 2_000;

/** Finds the steps in what came since the last call. */
export function stepScanner(lines: Lines): () => Step[] {
  let seen = 0;
  return () => {
    const found: Step[] = [];
    // The last line may still grow.
    const until = Math.max(0, lines.count - 1);
    for (; seen < until; seen = Math.min(until, seen + block)) {
      const to = Math.min(until, seen + block);
      if (!lines.block(seen, to).includes(mark)) continue;
      for (let line = seen; line < to; line++) {
        const match = form.exec(lines.text(line, 400));
        if (match !== null) found.push({ line, number: match[1] ?? '', name: match[2] ?? '' });
      }
    }
    return found;
  };
}

/** Which lines are drawn when some steps are folded: runs of lines, both ends from 0, `to` not included. */
export interface Shown {
  readonly runs: readonly { readonly from: number; readonly to: number }[];
  readonly rows: number;
}

export function shownLines(count: number, steps: readonly Step[], folded: ReadonlySet<number>): Shown {
  const runs: { from: number; to: number }[] = [];
  let from = 0;
  for (const [at, step] of steps.entries()) {
    if (!folded.has(step.line)) continue;
    const next = steps[at + 1]?.line ?? count;
    runs.push({ from, to: step.line + 1 });
    from = next;
  }
  if (from < count) runs.push({ from, to: count });
  return { runs, rows: runs.reduce((sum, run) => sum + run.to - run.from, 0) };
}

export function lineOfRow(shown: Shown, row: number): number {
  let left = row;
  for (const { from, to } of shown.runs) {
    if (left < to - from) return from + left;
    left -= to - from;
  }
  return shown.runs.at(-1)?.to ?? 0;
}

/** Undefined: the line is folded away. */
export function rowOfLine(shown: Shown, line: number): number | undefined {
  let row = 0;
  for (const { from, to } of shown.runs) {
    if (line < from) return undefined;
    if (line < to) return row + line - from;
    row += to - from;
  }
  return undefined;
}
