/** A set of code points as sorted, disjoint, inclusive ranges: `[low, high, low, high, ...]`. */
export type CharSet = readonly number[];

export const LAST_CODE_POINT = 0x10ffff;

export const EVERYTHING: CharSet = [0, LAST_CODE_POINT];
export const NEWLINE = 0x0a;

/** `\d`, `\s`, `\w` as Python 2 reads them without the UNICODE flag (and Python 3 with ASCII). */
export const DIGIT: CharSet = [0x30, 0x39];
export const SPACE: CharSet = [0x09, 0x0d, 0x20, 0x20];
export const WORD: CharSet = [0x30, 0x39, 0x41, 0x5a, 0x5f, 0x5f, 0x61, 0x7a];

export function union(sets: readonly CharSet[]): CharSet {
  const ranges: [number, number][] = [];
  for (const set of sets) {
    for (let i = 0; i + 1 < set.length; i += 2) ranges.push([set[i] ?? 0, set[i + 1] ?? 0]);
  }
  ranges.sort((a, b) => a[0] - b[0]);
  const merged: number[] = [];
  for (const [low, high] of ranges) {
    const last = merged.at(-1);
    if (last !== undefined && low <= last + 1) merged[merged.length - 1] = Math.max(last, high);
    else merged.push(low, high);
  }
  return merged;
}

export function complement(set: CharSet): CharSet {
  const rest: number[] = [];
  let next = 0;
  for (let i = 0; i + 1 < set.length; i += 2) {
    const low = set[i] ?? 0;
    if (low > next) rest.push(next, low - 1);
    next = (set[i + 1] ?? 0) + 1;
  }
  if (next <= LAST_CODE_POINT) rest.push(next, LAST_CODE_POINT);
  return rest;
}

export function contains(set: CharSet, code: number): boolean {
  let low = 0;
  let high = set.length / 2 - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    if (code < (set[2 * middle] ?? 0)) high = middle - 1;
    else if (code > (set[2 * middle + 1] ?? 0)) low = middle + 1;
    else return true;
  }
  return false;
}

export function disjoint(a: CharSet, b: CharSet): boolean {
  for (let i = 0; i + 1 < a.length; i += 2) {
    for (let j = 0; j + 1 < b.length; j += 2) {
      if ((a[i] ?? 0) <= (b[j + 1] ?? 0) && (b[j] ?? 0) <= (a[i + 1] ?? 0)) return false;
    }
  }
  return true;
}

/** Adds the other case of every ASCII letter in the set: Python's IGNORECASE without UNICODE knows no other letters. */
export function foldCase(set: CharSet): CharSet {
  const more: number[][] = [];
  for (let i = 0; i + 1 < set.length; i += 2) {
    const low = set[i] ?? 0;
    const high = set[i + 1] ?? 0;
    const upper = [Math.max(low, 0x41), Math.min(high, 0x5a)] as const;
    if (upper[0] <= upper[1]) more.push([upper[0] + 32, upper[1] + 32]);
    const lower = [Math.max(low, 0x61), Math.min(high, 0x7a)] as const;
    if (lower[0] <= lower[1]) more.push([lower[0] - 32, lower[1] - 32]);
  }
  return more.length === 0 ? set : union([set, ...more]);
}
