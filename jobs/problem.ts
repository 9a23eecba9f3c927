/**
 * What is wrong with something a person wrote. Problems are values: they are collected, all of them, and
 * shown together. Nothing on this floor throws for a user's mistake.
 */

/** A place in a text, 1-based. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

export interface Problem {
  readonly severity: 'error' | 'warning';
  /** Stable kebab-case name people can search for, such as `unknown-key` or `unknown-job`. */
  readonly code: string;
  /** One sentence: what is wrong. */
  readonly message: string;
  readonly at?: Place | undefined;
  /** One sentence: what to do next ("Did you mean ...?"). */
  readonly hint?: string | undefined;
  /** The path inside the document, as Zuul and voluptuous print it: `pipelines[0].name`. */
  readonly path?: string | undefined;
  /** Outer places that led here (template used by project ..., macro used by job ...), innermost first. */
  readonly via?: readonly { readonly what: string; readonly at?: Place | undefined }[] | undefined;
}

/** A text a person wrote, kept so that problems can show the line. */
export interface SourceFile {
  readonly name: string;
  readonly text: string;
}

export function isError(problem: Problem): boolean {
  return problem.severity === 'error';
}

/**
 * Renders problems for a terminal: `file:line:column: error[code]: message`, the line, a caret, the hint.
 * Control characters of the quoted line are shown as `.`, so that a hostile file cannot drive a terminal.
 */
export function renderProblems(problems: readonly Problem[], sources: readonly SourceFile[] = []): string {
  const texts = new Map(sources.map((source) => [source.name, source.text.split('\n')]));
  return problems.map((problem) => renderProblem(problem, texts)).join('\n');
}

function renderProblem(problem: Problem, texts: ReadonlyMap<string, readonly string[]>): string {
  const { at } = problem;
  const place = at === undefined ? '' : `${at.file}:${at.line}:${at.column}: `;
  const lines = [`${place}${problem.severity}[${problem.code}]: ${printable(problem.message)}`];
  const text = at === undefined ? undefined : texts.get(at.file)?.[at.line - 1];
  if (at !== undefined && text !== undefined) {
    const { shown, caret } = excerpt(printable(text.replace(/\r$/, '')), at.column);
    const gutter = `${at.line}`.padStart(5);
    lines.push(`${gutter} | ${shown}`, `${' '.repeat(gutter.length)} | ${' '.repeat(caret)}^`);
  }
  for (const step of problem.via ?? []) {
    const where = step.at === undefined ? '' : ` (${step.at.file}:${step.at.line}:${step.at.column})`;
    lines.push(`        from ${printable(step.what)}${where}`);
  }
  if (problem.hint !== undefined) lines.push(`        help: ${printable(problem.hint)}`);
  return lines.join('\n');
}

/** Long lines are cut to a window around the column, so that the caret stays on the screen. */
function excerpt(text: string, column: number): { shown: string; caret: number } {
  const start = Math.max(0, Math.min(column - 60, text.length - 100));
  return { shown: text.slice(start, start + 100), caret: Math.max(0, column - 1 - start) };
}

function printable(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are exactly what is replaced
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, '.');
}

/** The candidate nearest to `word`: a slip of the hand, or else the only one with that word in its name (`check`, `merge-check`). */
export function didYouMean(word: string, candidates: Iterable<string>): string | undefined {
  const all = [...candidates];
  return nearest(word, all) ?? longerName(word, all);
}

function longerName(word: string, candidates: readonly string[]): string | undefined {
  const part = `-${word.toLowerCase()}-`;
  const longer = candidates.filter((each) => `-${each.toLowerCase()}-`.replaceAll('_', '-').includes(part));
  return word.length > 2 && longer.length === 1 ? longer[0] : undefined;
}

function nearest(word: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - word.length) >= bestDistance) continue;
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** Levenshtein's distance with adjacent swaps counted as one slip (optimal string alignment). */
function editDistance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let cost = Math.min(
        (rows[i - 1]?.[j] ?? 0) + 1,
        (row[j - 1] ?? 0) + 1,
        (rows[i - 1]?.[j - 1] ?? 0) + same,
      );
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, (rows[i - 2]?.[j - 2] ?? 0) + 1);
      }
      row.push(cost);
    }
    rows.push(row);
  }
  return rows[a.length]?.[b.length] ?? 0;
}
