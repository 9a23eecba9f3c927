import type { TextIndex } from '../places.ts';
import type { Problem } from '../problem.ts';

/** Leftovers of a merge, which YAML sometimes accepts as text. One problem for each conflict. */
export function conflictProblems(text: string, index: TextIndex): Problem[] {
  const lines = [...text.matchAll(/^(<{7}|\|{7}|={7}|>{7})(?: (.*?))?\r?$/gm)].map(
    ({ 1: marker = '', 2: label = '', index: at }): Line => ({ marker, label, ...index.place(at), at }),
  );
  const problems: Problem[] = [];
  for (let line = lines.shift(); line !== undefined; line = lines.shift()) {
    // A row of seven may underline a title.
    if (line.marker === SPLIT) continue;
    const rest = line.marker === OURS ? takeRest(lines) : undefined;
    problems.push({
      severity: 'error',
      code: 'conflict-marker',
      message: `A git conflict marker ${line.marker} was left in the file.`,
      at: index.place(line.at),
      hint: rest === undefined ? RESOLVE : whichSide(line, rest),
    });
  }
  return problems;
}

interface Line {
  readonly marker: string;
  readonly label: string;
  readonly line: number;
  readonly at: number;
}

const [OURS, BASE, SPLIT, THEIRS] = ['<<<<<<<', '|||||||', '=======', '>>>>>>>'];
const RESOLVE = 'Resolve the conflict: keep one side, then delete the <<<<<<<, ======= and >>>>>>> lines.';

/** The other markers of a conflict (three where git also wrote the base); nothing is taken if they do not follow. */
function takeRest(lines: Line[]): Line[] | undefined {
  const count = lines[0]?.marker === BASE ? 3 : 2;
  const split = lines[count - 2];
  if (split?.marker !== SPLIT || lines[count - 1]?.marker !== THEIRS) return undefined;
  return lines.splice(0, count);
}

function whichSide(ours: Line, rest: readonly Line[]): string | undefined {
  const [first, split, theirs] = [rest[0], rest.at(-2), rest.at(-1)];
  if (first === undefined || split === undefined || theirs === undefined) return RESOLVE;
  const markers = [ours, ...rest].map(({ line }) => line);
  const all = `${markers.slice(0, -1).join(', ')} and ${markers.at(-1)}`;
  const sides = `${side(ours.label, ours, first)} or ${side(theirs.label, split, theirs)}`;
  return `Did you mean ${sides}? Keep one, then delete the other and the lines ${all}.`;
}

function side(label: string, before: Line, after: Line): string {
  const [from, to] = [before.line + 1, after.line - 1];
  const where = from > to ? 'nothing' : from === to ? `line ${from}` : `lines ${from}-${to}`;
  return label === '' ? where : `${JSON.stringify(label.slice(0, 60))} (${where})`;
}
