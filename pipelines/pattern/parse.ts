import type { CharSet } from './charset.ts';
import {
  complement,
  DIGIT,
  EVERYTHING,
  foldCase,
  LAST_CODE_POINT,
  NEWLINE,
  SPACE,
  union,
  WORD,
} from './charset.ts';

/**
 * Python's regular expressions, read into a tree. Layouts were written for Python 2.7, so `\w`, `\d`, `\s`, `\b` and
 * IGNORECASE know ASCII only. Flags are applied while reading: the tree has none, nor has it groups, because a
 * layout's pattern only ever answers yes or no.
 */

export type Node =
  | { readonly kind: 'set'; readonly set: CharSet }
  | { readonly kind: 'at'; readonly at: Position }
  | { readonly kind: 'seq'; readonly items: readonly Node[] }
  | { readonly kind: 'alt'; readonly items: readonly Node[] }
  | { readonly kind: 'repeat'; readonly body: Node; readonly min: number; readonly max: number }
  | { readonly kind: 'look'; readonly behind: boolean; readonly negative: boolean; readonly body: Node };

/** `end` is Python's `$`: the end, or before a newline that ends the text. */
export type Position = 'start' | 'end' | 'textEnd' | 'lineStart' | 'lineEnd' | 'word' | 'notWord';

export type Parsed = { readonly tree: Node } | { readonly error: string };

const EMPTY: Node = { kind: 'seq', items: [] };
const MOST_NESTED = 100;
const MOST_REPEATS = 1000;

interface Flags {
  readonly i: boolean;
  readonly m: boolean;
  readonly s: boolean;
  readonly x: boolean;
}

const NO_FLAGS: Flags = { i: false, m: false, s: false, x: false };

class Refused extends Error {}

export function parsePattern(source: string): Parsed {
  try {
    const first = new Reader(source);
    const tree = whole(first, NO_FLAGS);
    if (first.flags.size === 0) return { tree };
    // Python applies `(?i)` to the whole pattern wherever it stands.
    const has = (letter: string): boolean => first.flags.has(letter);
    return { tree: whole(new Reader(source), { i: has('i'), m: has('m'), s: has('s'), x: has('x') }) };
  } catch (caught) {
    if (caught instanceof Refused) return { error: caught.message };
    throw caught;
  }
}

function whole(reader: Reader, flags: Flags): Node {
  const tree = alternatives(reader, flags, 0);
  if (!reader.done) throw new Refused('unbalanced parenthesis');
  return tree;
}

class Reader {
  private readonly codes: readonly string[];
  private at = 0;
  /** Letters of the flag groups met so far. */
  readonly flags = new Set<string>();
  constructor(source: string) {
    this.codes = Array.from(source);
  }
  get done(): boolean {
    return this.at >= this.codes.length;
  }
  peek(ahead = 0): string | undefined {
    return this.codes[this.at + ahead];
  }
  next(): string {
    const code = this.codes[this.at++];
    if (code === undefined) throw new Refused('unexpected end of pattern');
    return code;
  }
  take(text: string): boolean {
    for (let i = 0; i < text.length; i++) if (this.peek(i) !== text[i]) return false;
    this.at += text.length;
    return true;
  }
  /** The text up to `end`, which is eaten. */
  until(end: string): string {
    let text = '';
    while (!this.take(end)) {
      if (this.done) throw new Refused(`missing ${end}`);
      text += this.next();
    }
    return text;
  }
  /** As many of `allowed` as come, at most `most`. */
  run(allowed: RegExp, most: number): string {
    let text = '';
    while (text.length < most && allowed.test(this.peek() ?? '')) text += this.next();
    return text;
  }
  /** Runs `read`; where it answers undefined, goes back. */
  attempt<T>(read: () => T | undefined): T | undefined {
    const mark = this.at;
    const value = read();
    if (value === undefined) this.at = mark;
    return value;
  }
}

function alternatives(reader: Reader, flags: Flags, depth: number): Node {
  if (depth > MOST_NESTED) throw new Refused(`more than ${MOST_NESTED} nested groups`);
  const items = [sequence(reader, flags, depth)];
  while (reader.take('|')) items.push(sequence(reader, flags, depth));
  return items.length === 1 ? (items[0] ?? EMPTY) : { kind: 'alt', items };
}

function sequence(reader: Reader, flags: Flags, depth: number): Node {
  const items: Node[] = [];
  let repeatable = false;
  while (!reader.done && reader.peek() !== '|' && reader.peek() !== ')') {
    if ((flags.x || reader.flags.has('x')) && skipVerbose(reader)) continue;
    const times = repeatCount(reader);
    if (times !== undefined) {
      const body = items.pop();
      if (body === undefined || body.kind === 'at') throw new Refused('nothing to repeat');
      if (!repeatable) throw new Refused('multiple repeat');
      items.push({ kind: 'repeat', body, min: times.min, max: times.max });
      repeatable = false;
      continue;
    }
    const item = atom(reader, flags, depth);
    if (item === undefined) continue;
    items.push(item);
    repeatable = true;
  }
  return items.length === 1 ? (items[0] ?? EMPTY) : { kind: 'seq', items };
}

function skipVerbose(reader: Reader): boolean {
  if (reader.run(/[ \t\n\r\f\v]/, Infinity) !== '') return true;
  if (!reader.take('#')) return false;
  while (!reader.done && reader.next() !== '\n');
  return true;
}

function repeatCount(reader: Reader): { min: number; max: number } | undefined {
  const times = simpleRepeat(reader) ?? reader.attempt(() => bracedRepeat(reader));
  if (times === undefined) return undefined;
  if (times.min > times.max) throw new Refused('min repeat greater than max repeat');
  if (times.min > MOST_REPEATS || (times.max > MOST_REPEATS && times.max !== Infinity)) {
    throw new Refused(`more than ${MOST_REPEATS} repeats`);
  }
  // A lazy repeat tries the same matches in another order, which a yes or no does not show.
  reader.take('?');
  return times;
}

function simpleRepeat(reader: Reader): { min: number; max: number } | undefined {
  if (reader.take('*')) return { min: 0, max: Infinity };
  if (reader.take('+')) return { min: 1, max: Infinity };
  if (reader.take('?')) return { min: 0, max: 1 };
  return undefined;
}

/** `{m}`, `{m,n}`, `{m,}`, `{,n}`; anything else in braces is literal text in Python. */
function bracedRepeat(reader: Reader): { min: number; max: number } | undefined {
  if (!reader.take('{')) return undefined;
  const low = reader.run(/[0-9]/, 10);
  const comma = reader.take(',');
  const high = comma ? reader.run(/[0-9]/, 10) : low;
  if (!reader.take('}') || (low === '' && !comma)) return undefined;
  return { min: low === '' ? 0 : Number(low), max: high === '' ? Infinity : Number(high) };
}

/** One thing that can be repeated; undefined where something was read that matches nothing (flags, comments). */
function atom(reader: Reader, flags: Flags, depth: number): Node | undefined {
  const code = reader.next();
  switch (code) {
    case '.':
      return { kind: 'set', set: flags.s ? EVERYTHING : complement([NEWLINE, NEWLINE]) };
    case '^':
      return { kind: 'at', at: flags.m ? 'lineStart' : 'start' };
    case '$':
      return { kind: 'at', at: flags.m ? 'lineEnd' : 'end' };
    case '(':
      return group(reader, flags, depth);
    case '[':
      return { kind: 'set', set: characterClass(reader, flags) };
    case '\\':
      return escape(reader, flags);
    default:
      return literal(code, flags);
  }
}

function literal(character: string, flags: Flags): Node {
  const code = character.codePointAt(0) ?? 0;
  return { kind: 'set', set: fold([code, code], flags) };
}

function fold(set: CharSet, flags: Flags): CharSet {
  return flags.i ? foldCase(set) : set;
}

function group(reader: Reader, flags: Flags, depth: number): Node | undefined {
  if (!reader.take('?')) return body(reader, flags, depth);
  if (reader.take(':')) return body(reader, flags, depth);
  if (reader.take('#')) {
    reader.until(')');
    return undefined;
  }
  if (reader.take('P<')) {
    const name = reader.until('>');
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) throw new Refused(`bad group name ${JSON.stringify(name)}`);
    return body(reader, flags, depth);
  }
  if (reader.take('P=')) throw new Refused('references to groups are not supported');
  if (reader.take('(')) throw new Refused('conditional groups are not supported');
  if (reader.take('=')) return look(reader, flags, depth, false, false);
  if (reader.take('!')) return look(reader, flags, depth, false, true);
  if (reader.take('<=')) return look(reader, flags, depth, true, false);
  if (reader.take('<!')) return look(reader, flags, depth, true, true);
  return flagGroup(reader, flags, depth);
}

function body(reader: Reader, flags: Flags, depth: number): Node {
  const inside = alternatives(reader, flags, depth + 1);
  if (!reader.take(')')) throw new Refused('missing ), unterminated subpattern');
  // A group is one thing to repeat, whatever is in it.
  return inside.kind === 'at' ? { kind: 'seq', items: [inside] } : inside;
}

function look(reader: Reader, flags: Flags, depth: number, behind: boolean, negative: boolean): Node {
  const inside = body(reader, flags, depth);
  if (behind && width(inside) === undefined) throw new Refused('look-behind requires fixed-width pattern');
  return { kind: 'look', behind, negative, body: inside };
}

/** `(?i)`, for the whole pattern, or `(?i-m:...)`. */
function flagGroup(reader: Reader, flags: Flags, depth: number): Node | undefined {
  const on = reader.run(/[a-zA-Z]/, 10);
  const off = reader.take('-') ? reader.run(/[imsx]/, 4) : '';
  if (/[uL]/.test(on)) throw new Refused('flags u and L are not supported: patterns know ASCII letters only');
  if (/[^aimsx]/.test(on)) throw new Refused(`unknown flag in (?${on}`);
  if (reader.take(':')) {
    const has = (letter: keyof Flags): boolean =>
      (flags[letter] || on.includes(letter)) && !off.includes(letter);
    return body(reader, { i: has('i'), m: has('m'), s: has('s'), x: has('x') }, depth);
  }
  if (on === '' || off !== '' || !reader.take(')')) throw new Refused('unknown extension of a group');
  for (const letter of on) reader.flags.add(letter);
  return undefined;
}

function escape(reader: Reader, flags: Flags): Node {
  if (reader.done) throw new Refused('bad escape (end of pattern)');
  switch (reader.peek()) {
    case 'A':
      reader.next();
      return { kind: 'at', at: 'start' };
    case 'Z':
      reader.next();
      return { kind: 'at', at: 'textEnd' };
    case 'b':
      reader.next();
      return { kind: 'at', at: 'word' };
    case 'B':
      reader.next();
      return { kind: 'at', at: 'notWord' };
    default: {
      const digits = reader.peek() ?? '';
      if (/[1-9]/.test(digits) && !octalAhead(reader))
        throw new Refused('references to groups are not supported');
      return { kind: 'set', set: fold(escapedSet(reader), flags) };
    }
  }
}

/** `\123` is a character, `\1` and `\12` are references to groups. */
function octalAhead(reader: Reader): boolean {
  return [0, 1, 2].every((ahead) => /[0-7]/.test(reader.peek(ahead) ?? ''));
}

const CONTROLS: Readonly<Record<string, number>> = { a: 7, f: 12, n: 10, r: 13, t: 9, v: 11 };

/** What follows a backslash, where it stands for characters. */
function escapedSet(reader: Reader): CharSet {
  const code = reader.next();
  switch (code) {
    case 'd':
      return DIGIT;
    case 'D':
      return complement(DIGIT);
    case 's':
      return SPACE;
    case 'S':
      return complement(SPACE);
    case 'w':
      return WORD;
    case 'W':
      return complement(WORD);
    case 'x':
      return one(hex(reader, 2));
    case 'u':
      return one(hex(reader, 4));
    case 'U':
      return one(hex(reader, 8));
    default: {
      if (/[0-7]/.test(code)) return one(Number.parseInt(code + reader.run(/[0-7]/, 2), 8) & 0xff);
      // Python 2 reads a backslash before any other letter as that letter; Python 3 refuses it.
      return one(CONTROLS[code] ?? code.codePointAt(0) ?? 0);
    }
  }
}

function hex(reader: Reader, digits: number): number {
  const text = reader.run(/[0-9a-fA-F]/, digits);
  const code = Number.parseInt(text, 16);
  if (text.length !== digits || code > LAST_CODE_POINT) throw new Refused(`bad escape \\x${text}`);
  return code;
}

function one(code: number): CharSet {
  return [code, code];
}

function characterClass(reader: Reader, flags: Flags): CharSet {
  const negated = reader.take('^');
  const sets: CharSet[] = [];
  for (let first = true; ; first = false) {
    if (reader.done) throw new Refused('unterminated character set');
    if (!first && reader.take(']')) break;
    const low = classItem(reader);
    if (reader.peek() === '-' && reader.peek(1) !== ']') {
      reader.next();
      if (reader.done) throw new Refused('unterminated character set');
      const high = classItem(reader);
      if (
        low.length !== 2 ||
        high.length !== 2 ||
        low[0] !== low[1] ||
        high[0] !== high[1] ||
        (low[0] ?? 0) > (high[0] ?? 0)
      ) {
        throw new Refused('bad character range');
      }
      sets.push([low[0] ?? 0, high[0] ?? 0]);
    } else {
      sets.push(low);
    }
  }
  const set = fold(union(sets), flags);
  return negated ? complement(set) : set;
}

function classItem(reader: Reader): CharSet {
  const code = reader.next();
  if (code !== '\\') return one(code.codePointAt(0) ?? 0);
  if (reader.take('b')) return one(8);
  return escapedSet(reader);
}

/** How many characters it eats, if that is always the same number. */
export function width(node: Node): number | undefined {
  switch (node.kind) {
    case 'set':
      return 1;
    case 'at':
    case 'look':
      return 0;
    case 'seq': {
      let sum = 0;
      for (const item of node.items) {
        const each = width(item);
        if (each === undefined) return undefined;
        sum += each;
      }
      return sum;
    }
    case 'alt': {
      const [first, ...rest] = node.items.map(width);
      return rest.every((each) => each === first) ? first : undefined;
    }
    default: {
      const each = width(node.body);
      if (each === 0) return 0;
      return each === undefined || node.min !== node.max ? undefined : each * node.min;
    }
  }
}
