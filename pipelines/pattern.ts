import { Fault } from './fault.ts';
import { type Bound, backtracking, looksAround, mayStandBetween, stepsFor } from './pattern/cost.ts';
import { lacks, type Needed, needed, prefix, startsAtStart } from './pattern/literals.ts';
import { type Node, parsePattern } from './pattern/parse.ts';
import { compileProgram, type Program, programSize, runProgram } from './pattern/program.ts';
import { shorten } from './pattern/shorten.ts';
import { toV8 } from './pattern/v8.ts';

/**
 * The patterns of layouts: Python's syntax and meaning, safe on text from strangers.
 *
 * Three ways to an answer, the cheapest first. (1) A text that lacks a literal part of the pattern cannot match. (2) Where
 * the worst case of backtracking for this pattern and a text of this length is proven small, V8's own engine answers.
 * (3) Everything else runs on a matcher whose work is linear in the text (pattern/program.ts). So a comment of many
 * blanks costs the recheck pattern of half the world's layouts microseconds instead of seconds.
 */

/** What a pattern is matched against; comments are long, and anybody may write one. */
export type PatternUse = 'comment' | 'branch' | 'ref' | 'files' | 'name' | 'person';

/** Steps V8 may take in the worst case: about a millisecond. */
const STEPS = 200_000;

/** With repeats written out. The longest of 2,593 real patterns needs 626. */
const MOST_INSTRUCTIONS = 10_000;

/** Layouts of 20,000 patterns are not known; a process that reloads for years shall not grow. */
const MOST_CACHED = 20_000;

interface Way {
  readonly anchored: boolean;
  /** What V8 may cost; undefined: no promise, so it is never asked. */
  readonly cost: Bound | undefined;
  v8: RegExp | undefined;
}

interface Compiled {
  readonly tree: Node;
  /** Made when first needed: most patterns never leave V8. */
  program: Program | undefined;
  readonly needs: Needed | undefined;
  readonly prefix: string;
  /** It may hold where no character is: between the halves of one (see HALVES). */
  readonly between: boolean;
  readonly match: Way;
  readonly search: Way;
  /** The same for texts without a newline, where that is simpler. */
  readonly oneLine: Compiled | undefined;
}

const cache = new Map<string, Compiled | string>();

/** Python's `re.match(pattern, subject)`: anchored at the start, not at the end. */
export function match(pattern: string, subject: string): boolean {
  return matches(use(pattern), subject);
}

function matches(compiled: Compiled, subject: string): boolean {
  if (!subject.startsWith(compiled.prefix) || isLacking(compiled, subject)) return false;
  const form = formFor(compiled, subject);
  return ask(form, form.match, subject);
}

/** Python's `re.search(pattern, subject)`: anywhere. */
export function search(pattern: string, subject: string): boolean {
  const compiled = use(pattern);
  if (isLacking(compiled, subject)) return false;
  const form = formFor(compiled, subject);
  return ask(form, form.search, subject);
}

function isLacking({ needs }: Compiled, subject: string): boolean {
  return needs !== undefined && lacks(needs, subject);
}

function formFor(compiled: Compiled, subject: string): Compiled {
  const { oneLine } = compiled;
  return oneLine === undefined || subject.includes('\n') ? compiled : oneLine;
}

/** `match` for one pattern and many subjects. */
export interface Matcher {
  /** Every subject it matches contains one of them; empty where nothing is sure. */
  readonly texts: readonly string[];
  readonly matches: (subject: string) => boolean;
}

export function matcher(pattern: string): Matcher {
  const compiled = use(pattern);
  const texts = compiled.needs?.folded === false ? compiled.needs.texts : [];
  return { texts, matches: (subject) => matches(compiled, subject) };
}

/** Why a pattern cannot stand in a layout, in one sentence; undefined: it can. */
export function checkPattern(pattern: string, usedFor: PatternUse): string | undefined {
  const compiled = compile(pattern);
  if (typeof compiled === 'string') return compiled;
  if (usedFor === 'comment' && looksAround(compiled.tree)) {
    return 'look-around is not allowed on comments, which anybody may write: its cost grows with the square of the length';
  }
  return undefined;
}

/**
 * V8 sometimes looks for a match between the two halves of a character beyond the BMP, where a pattern that only looks
 * around (or asks for "no word boundary") may hold. There is no such place for Python.
 */
const HALVES = /[\ud800-\udfff]/;

function ask(compiled: Compiled, way: Way, subject: string): boolean {
  const splits = compiled.between && HALVES.test(subject);
  if (!splits && stepsFor(way.cost, subject.length) <= STEPS) {
    way.v8 ??= new RegExp(way.anchored ? `^(?:${toV8(compiled.tree)})` : toV8(compiled.tree), 'u');
    return way.v8.test(subject);
  }
  compiled.program ??= compileProgram(compiled.tree);
  return runProgram(compiled.program, subject, way.anchored);
}

function use(pattern: string): Compiled {
  const compiled = compile(pattern);
  if (typeof compiled === 'string') throw new Fault('bug', `a pattern that was refused is used: ${compiled}`);
  return compiled;
}

function compile(pattern: string): Compiled | string {
  const known = cache.get(pattern);
  if (known !== undefined) return known;
  if (cache.size >= MOST_CACHED) cache.clear();
  const compiled = compileAfresh(pattern);
  cache.set(pattern, compiled);
  return compiled;
}

function compileAfresh(pattern: string): Compiled | string {
  const parsed = parsePattern(pattern);
  if ('error' in parsed) return parsed.error;
  const { tree } = parsed;
  if (programSize(tree) > MOST_INSTRUCTIONS)
    return 'the pattern is too large when its repeats are written out';
  const short = shorten(tree);
  return compiledFrom(tree, short === tree ? undefined : compiledFrom(short, undefined));
}

function compiledFrom(tree: Node, oneLine: Compiled | undefined): Compiled {
  const way = (anchored: boolean): Way => ({ anchored, cost: backtracking(tree, anchored), v8: undefined });
  return {
    tree,
    program: undefined,
    needs: needed(tree),
    prefix: prefix(tree),
    between: mayStandBetween(tree),
    match: way(true),
    search: way(startsAtStart(tree)),
    oneLine,
  };
}
