import { type Run, runsOf, withoutColours } from './ansi.ts';
import { marksIn } from './search.ts';

/** The text of one line: colours as classes, what was searched for marked. Nothing in it is ever markup. */
export function LineText({ text, wanted, caseless }: { text: string; wanted: string; caseless: boolean }) {
  const runs = runsOf(text);
  const marks = wanted === '' ? [] : marksIn(withoutColours(text), wanted, caseless);
  const parts = marks.length === 0 ? runs.map((run) => ({ run, marked: false })) : split(runs, marks);
  return (
    <bdi dir="ltr">
      {parts.map(({ run, marked }, at) => {
        const style = run.color === undefined ? undefined : { color: run.color };
        if (marked)
          return (
            <mark key={at} class={run.classes}>
              {run.text}
            </mark>
          );
        if (run.classes === '' && style === undefined) return run.text;
        return (
          <span key={at} class={run.classes} {...(style === undefined ? {} : { style })}>
            {run.text}
          </span>
        );
      })}
    </bdi>
  );
}

/** Cuts runs of colour where marks begin and end. */
function split(runs: readonly Run[], marks: readonly [number, number][]): { run: Run; marked: boolean }[] {
  const parts: { run: Run; marked: boolean }[] = [];
  let at = 0;
  let mark = 0;
  for (const run of runs) {
    let left = run.text;
    while (left !== '') {
      while (mark < marks.length && (marks[mark]?.[1] ?? 0) <= at) mark += 1;
      const [from, to] = marks[mark] ?? [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
      const marked = at >= from;
      const length = Math.min(left.length, (marked ? to : from) - at);
      parts.push({ run: { ...run, text: left.slice(0, length) }, marked });
      left = left.slice(length);
      at += length;
    }
  }
  return parts;
}
