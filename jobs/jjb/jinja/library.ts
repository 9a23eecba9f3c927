import { type Dict, isDict, pythonText, pythonTruth } from '../python.ts';
import { Missing, mistake } from './value.ts';

/** The filters, tests and methods of Jinja2 that job files use. Others are refused by name. */

type Filter = (value: unknown, args: readonly unknown[]) => unknown;

function text(value: unknown): string {
  return pythonText(value);
}

function items(value: unknown): unknown[] {
  if (Array.isArray(value)) return value.map((item: unknown) => item);
  if (typeof value === 'string') return Array.from(value);
  if (isDict(value)) return Object.keys(value);
  throw mistake('a list is needed.');
}

function compareText(a: unknown, b: unknown): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  const [x, y] = [text(a).toLowerCase(), text(b).toLowerCase()];
  return x < y ? -1 : Number(x > y);
}

const FILTERS: Readonly<Record<string, Filter>> = {
  default: (value, [fallback = '', whenFalse]) => {
    if (value instanceof Missing) return fallback;
    return whenFalse === true && !pythonTruth(value) ? fallback : value;
  },
  d: (value, [fallback = '']) => (value instanceof Missing ? fallback : value),
  join: (value, [separator = '']) => items(value).map(text).join(text(separator)),
  upper: (value) => text(value).toUpperCase(),
  lower: (value) => text(value).toLowerCase(),
  capitalize: (value) => text(value).charAt(0).toUpperCase() + text(value).slice(1).toLowerCase(),
  trim: (value) => text(value).trim(),
  replace: (value, [from, to]) => text(value).replaceAll(text(from), () => text(to)),
  length: (value) => items(value).length,
  count: (value) => items(value).length,
  first: (value) => items(value)[0] ?? new Missing('first'),
  last: (value) => items(value).at(-1) ?? new Missing('last'),
  sort: (value) => items(value).sort(compareText),
  unique: (value) => [...new Set(items(value))],
  reverse: (value) =>
    typeof value === 'string' ? Array.from(value).reverse().join('') : items(value).reverse(),
  list: (value) => items(value),
  string: (value) => text(value),
  int: (value) => Math.trunc(Number(value)) || 0,
  indent: (value, [width = 4]) =>
    text(value).replaceAll(/\n(?!\n|$)/g, `\n${' '.repeat(Math.min(100, Number(width) || 0))}`),
};

export const filters: ReadonlyMap<string, Filter> = new Map(Object.entries(FILTERS));

const TESTS: Readonly<Record<string, (value: unknown) => boolean>> = {
  defined: (value) => !(value instanceof Missing),
  undefined: (value) => value instanceof Missing,
  none: (value) => value === null,
  string: (value) => typeof value === 'string',
  number: (value) => typeof value === 'number',
  mapping: (value) => isDict(value),
  iterable: (value) => Array.isArray(value) || typeof value === 'string' || isDict(value),
  sequence: (value) => Array.isArray(value) || typeof value === 'string',
};

export const tests: ReadonlyMap<string, (value: unknown) => boolean> = new Map(Object.entries(TESTS));

export function callMethod(owner: unknown, name: string, args: readonly unknown[]): unknown {
  const result = isDict(owner)
    ? dictMethod(owner, name, args)
    : typeof owner === 'string'
      ? textMethod(owner, name, args)
      : undefined;
  if (result === undefined) throw mistake(`the method ${name}() is not supported.`);
  return result;
}

function dictMethod(owner: Dict, name: string, [key, fallback]: readonly unknown[]): unknown {
  switch (name) {
    case 'items':
    case 'iteritems':
      return Object.entries(owner);
    case 'keys':
      return Object.keys(owner);
    case 'values':
      return Object.values(owner);
    case 'get':
      return Object.hasOwn(owner, text(key)) ? owner[text(key)] : (fallback ?? null);
    default:
      return undefined;
  }
}

function textMethod(owner: string, name: string, args: readonly unknown[]): unknown {
  const [first = '', second = ''] = args.map(text);
  switch (name) {
    case 'upper':
      return owner.toUpperCase();
    case 'lower':
      return owner.toLowerCase();
    case 'strip':
      return owner.trim();
    case 'split':
      return args.length === 0 ? owner.trim().split(/\s+/) : owner.split(first);
    case 'replace':
      return owner.replaceAll(first, () => second);
    case 'startswith':
      return owner.startsWith(first);
    case 'endswith':
      return owner.endsWith(first);
    case 'join':
      return items(args[0]).map(text).join(owner);
    default:
      return undefined;
  }
}
