import type { Places } from '../../jobs/places.ts';
import { didYouMean, type Place, type Problem } from '../../jobs/problem.ts';
import type { Layout } from '../layout.ts';
import { checkPattern, type PatternUse } from '../pattern.ts';

/**
 * What the parts of the reader share: where a value stands, what is wrong with it, and typed questions to a mapping. Nothing
 * here throws; a wrong value is reported and read as if it were absent, so that one run finds every mistake.
 */

export interface Reading {
  readonly dialect: Layout['dialect'];
  readonly quirks: readonly string[];
  readonly connections: Readonly<Record<string, Driver>>;
  readonly places: Pick<Places, 'of'>;
  readonly problems: Problem[];
  /** Every label that votes are set or asked for, for the check of their spelling (lint.ts). */
  readonly labels: LabelUse[];
}

export interface LabelUse {
  readonly at: At;
  readonly label: string;
  /** Gerrit wants the exact case where a vote is set; where votes are looked for, any case will do. */
  readonly exact: boolean;
}

export type Driver = 'gerrit' | 'smtp' | 'sql';

/** A value and the way to it. */
export interface At {
  readonly value: unknown;
  /** The container it lies in and under what; the root has none. */
  readonly key?: string | number;
  readonly up?: At;
}

export function child(up: At, key: string | number): At {
  const container = up.value;
  const value: unknown = Array.isArray(container)
    ? container[Number(key)]
    : isMapping(container)
      ? container[key]
      : undefined;
  return { value, key, up };
}

/** `pipelines[0].trigger.gerrit[1]`: the path as Zuul's validator prints it, less its brackets around names. */
export function pathOf(at: At): string {
  if (at.up === undefined || at.key === undefined) return '';
  const before = pathOf(at.up);
  if (typeof at.key === 'number') return `${before}[${at.key}]`;
  return before === '' ? at.key : `${before}.${at.key}`;
}

export function placeOf(reading: Reading, at: At): Place | undefined {
  if (at.up === undefined) return reading.places.of(at.value);
  return reading.places.of(at.up.value, at.key) ?? placeOf(reading, at.up);
}

/** `layout.yaml:12:5`, as rules carry it. */
export function placeText(reading: Reading, at: At): string | undefined {
  const place = placeOf(reading, at);
  return place && `${place.file}:${place.line}:${place.column}`;
}

interface More {
  readonly hint?: string | undefined;
  /** Where Zuul's validator puts it, if that is not where it stands. */
  readonly path?: string;
}

export function error(reading: Reading, at: At, code: string, message: string, more: More = {}): undefined {
  add(reading, 'error', at, code, message, more);
}

export function warn(reading: Reading, at: At, code: string, message: string, hint?: string): undefined {
  add(reading, 'warning', at, code, message, { hint });
}

function add(
  reading: Reading,
  severity: Problem['severity'],
  at: At,
  code: string,
  message: string,
  more: More,
): void {
  const place = placeOf(reading, at);
  const path = more.path ?? pathOf(at);
  reading.problems.push({
    severity,
    code,
    message,
    ...(place === undefined ? {} : { at: place }),
    ...(path === '' ? {} : { path }),
    ...(more.hint === undefined ? {} : { hint: more.hint }),
  });
}

export function meant(word: string, candidates: Iterable<string>): string | undefined {
  const near = didYouMean(word, candidates);
  return near === undefined ? undefined : `Did you mean ${JSON.stringify(near)}?`;
}

export function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A value in the words of a person who writes YAML, short. */
export function describe(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a mapping';
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

export function wrong(reading: Reading, at: At, wanted: string): undefined {
  return error(reading, at, 'wrong-type', `Expected ${wanted}, found ${describe(at.value)}.`, {
    hint: HINTS[wanted],
  });
}

const HINTS: Readonly<Record<string, string>> = {
  'a text': 'Put quotes around it.',
  'true or false': 'Write it without quotes.',
};

export function readText(reading: Reading, at: At): string | undefined {
  return typeof at.value === 'string' ? at.value : wrong(reading, at, 'a text');
}

/** The elements of a list; another value is reported. */
export function readList(reading: Reading, at: At): At[] {
  if (!Array.isArray(at.value)) {
    wrong(reading, at, 'a list');
    return [];
  }
  return at.value.map((_, index) => child(at, index));
}

/** One thing or a list of them, as most keys allow. */
export function oneOrMore(at: At): At[] {
  return Array.isArray(at.value) ? at.value.map((_, index) => child(at, index)) : [at];
}

export function readPattern(reading: Reading, at: At, use: PatternUse): string | undefined {
  const source = readText(reading, at);
  if (source === undefined) return undefined;
  const reason = checkPattern(source, use);
  if (reason === undefined) return source;
  return error(
    reading,
    at,
    'bad-pattern',
    `${JSON.stringify(source)} is no usable regular expression: ${reason}.`,
  );
}

/**
 * Typed questions to one mapping. Every key asked for is known; `done` reports the others. A key that stands there with the
 * value null is there, and wrong, as in Zuul.
 */
export interface Fields {
  readonly at: At;
  has(key: string): boolean;
  field(key: string): At | undefined;
  text(key: string): string | undefined;
  flag(key: string): boolean | undefined;
  /** A whole number of at least `least`. */
  count(key: string, least: number): number | undefined;
  choice<T extends string>(key: string, choices: Readonly<Record<string, T>>): T | undefined;
  each(key: string): At[];
  texts(key: string): string[];
  patterns(key: string, use: PatternUse): string[];
  pattern(key: string, use: PatternUse): string | undefined;
  /** Reports the keys nobody asked for; `also` are words that would have been right, too. */
  done(what: string, also?: readonly string[]): void;
  /** The keys nobody asked for. */
  rest(): string[];
}

export function readFields(reading: Reading, at: At, what: string): Fields | undefined {
  const { value } = at;
  if (!isMapping(value)) return wrong(reading, at, what);
  const known = new Set<string>();
  const has = (key: string): boolean => {
    known.add(key);
    return Object.hasOwn(value, key);
  };
  const field = (key: string): At | undefined => (has(key) ? child(at, key) : undefined);
  const each = (key: string): At[] => {
    const found = field(key);
    return found === undefined ? [] : oneOrMore(found);
  };
  const patterns = (key: string, use: PatternUse): string[] =>
    each(key)
      .map((one) => readPattern(reading, one, use))
      .filter((source) => source !== undefined);
  const fields: Fields = {
    at,
    has,
    field,
    each,
    patterns,
    text(key) {
      const found = field(key);
      return found && readText(reading, found);
    },
    flag(key) {
      const found = field(key);
      if (found === undefined) return undefined;
      return typeof found.value === 'boolean' ? found.value : wrong(reading, found, 'true or false');
    },
    count(key, least) {
      const found = field(key);
      if (found === undefined) return undefined;
      const number = found.value;
      if (typeof number !== 'number' || !Number.isSafeInteger(number))
        return wrong(reading, found, 'a whole number');
      if (number >= least) return number;
      return error(reading, found, 'too-small', `${number} is too small: it must be at least ${least}.`);
    },
    choice(key, choices) {
      const found = field(key);
      if (found === undefined) return undefined;
      const word = found.value;
      const chosen = typeof word === 'string' && Object.hasOwn(choices, word) ? choices[word] : undefined;
      if (chosen !== undefined) return chosen;
      const names = Object.keys(choices);
      const hint = typeof word === 'string' ? meant(word, names) : undefined;
      return error(reading, found, 'wrong-value', `${describe(word)} is none of ${names.join(', ')}.`, {
        hint,
      });
    },
    texts: (key) =>
      each(key)
        .map((one) => readText(reading, one))
        .filter((text) => text !== undefined),
    pattern: (key, use) => {
      const found = field(key);
      return found && readPattern(reading, found, use);
    },
    rest: () => Object.keys(value).filter((key) => !known.has(key)),
    done(name, also = []) {
      for (const key of fields.rest()) {
        error(reading, child(at, key), 'unknown-key', `${JSON.stringify(key)} is no key of ${name}.`, {
          hint: meant(key, [...known, ...also]) ?? later(key),
        });
      }
    },
  };
  return fields;
}

/** Keys that later Zuuls or Stackgate know, for the strict dialect's reader. */
function later(key: string): string | undefined {
  return LATER.has(key)
    ? 'Zuul 2.6 does not know this key; the dialect "stackgate" or a later Zuul does.'
    : undefined;
}

const LATER = new Set([
  'irrelevant-files',
  'semaphore',
  'fail-fast',
  'supercedes',
  'start-message',
  'trust',
  'nodeset',
  'timeout',
  'window-ceiling',
  'post-review',
  'wip',
  'merge-conflict-message',
]);

export function required(reading: Reading, fields: Fields, key: string, what: string): undefined {
  error(reading, fields.at, 'missing-key', `${what} needs the key ${JSON.stringify(key)}.`, {
    path: pathOf({ value: undefined, key, up: fields.at }),
  });
}
