import { isDict } from '../../jobs/jjb/python.ts';

/** Where two JSON values differ, one line per place, at most `most` lines. */
export function describeDifference(expected: unknown, got: unknown, most = 8): string[] {
  const lines: string[] = [];
  compare(expected, got, '', lines, most);
  return lines;
}

function compare(expected: unknown, got: unknown, path: string, lines: string[], most: number): void {
  if (lines.length >= most) return;
  if (Array.isArray(expected) && Array.isArray(got)) {
    for (let i = 0; i < Math.max(expected.length, got.length); i++)
      compare(expected[i], got[i], `${path}[${i}]`, lines, most);
    return;
  }
  if (isDict(expected) && isDict(got)) {
    for (const key of new Set([...Object.keys(expected), ...Object.keys(got)])) {
      compare(expected[key], got[key], path === '' ? key : `${path}.${key}`, lines, most);
    }
    return;
  }
  const [left, right] = [show(expected), show(got)];
  if (left !== right) lines.push(`    at ${path === '' ? '(top)' : path}:`, ...sides(left, right));
}

function show(value: unknown): string {
  return value === undefined ? '(nothing)' : JSON.stringify(value);
}

/** Long texts are cut to where they begin to differ. */
function sides(left: string, right: string): string[] {
  let start = 0;
  while (start < left.length && left[start] === right[start]) start++;
  const from = Math.max(0, start - 30);
  const cut = (text: string): string =>
    `${from > 0 ? '…' : ''}${text.slice(from, from + 120)}${text.length > from + 120 ? '…' : ''}`;
  return [`      - ${cut(left)}`, `      + ${cut(right)}`];
}
