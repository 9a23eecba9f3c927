import { Float, floatText } from '../yaml/scalar.ts';

/**
 * How Python prints and compares values. JJB pastes values into text with Python's `str`, so job names and scripts of
 * existing files depend on it: `True`, `None`, `1.1`, `['x', 'y']`. Its mappings are OrderedDicts and look like it.
 */

/** A sequence written as `!!python/tuple`: JJB never multiplies jobs by it and never substitutes inside. */
export class Tuple extends Array<unknown> {}

export type Dict = Readonly<Record<string, unknown>>;

export function isDict(value: unknown): value is Dict {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

export function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value) && !(value instanceof Tuple);
}

/** `str(value)` */
export function pythonText(value: unknown): string {
  return typeof value === 'string' ? value : pythonRepr(value);
}

/** `repr(value)` */
export function pythonRepr(value: unknown): string {
  if (value === null || value === undefined) return 'None';
  if (typeof value === 'string') return quote(value);
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value === 'number') return Number.isInteger(value) ? integerText(value) : floatText(value);
  if (value instanceof Float) return floatText(value.value);
  if (value instanceof Tuple) {
    return value.length === 1 ? `(${pythonRepr(value[0])},)` : `(${value.map(pythonRepr).join(', ')})`;
  }
  if (Array.isArray(value)) return `[${value.map(pythonRepr).join(', ')}]`;
  if (isDict(value)) {
    const pairs = Object.entries(value).map(([key, item]) => `(${quote(key)}, ${pythonRepr(item)})`);
    return pairs.length === 0 ? 'OrderedDict()' : `OrderedDict([${pairs.join(', ')}])`;
  }
  return '<object>';
}

function integerText(value: number): string {
  return Object.is(value, -0) ? '0' : String(value);
}

const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' };

function quote(text: string): string {
  const mark = text.includes("'") && !text.includes('"') ? '"' : "'";
  // oxlint-disable-next-line no-control-regex -- control characters are exactly what Python escapes
  const body = text.replace(/[\\\n\r\t\u0000-\u001f\u007f-\u00a0\u00ad]|'/g, (char) => {
    if (char === "'") return mark === "'" ? "\\'" : char;
    return ESCAPES[char] ?? `\\x${(char.codePointAt(0) ?? 0).toString(16).padStart(2, '0')}`;
  });
  return mark + body + mark;
}

/** `a == b`: numbers and booleans compare by value, containers part by part. */
export function pythonEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  const [x, y] = [numeric(a), numeric(b)];
  if (x !== undefined && y !== undefined) return x === y;
  if (Array.isArray(a) && Array.isArray(b)) {
    return (
      a instanceof Tuple === b instanceof Tuple &&
      a.length === b.length &&
      a.every((item, i) => pythonEqual(item, b[i]))
    );
  }
  if (!isDict(a) || !isDict(b)) return false;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && pythonEqual(a[key], b[key]))
  );
}

function numeric(value: unknown): number | undefined {
  if (typeof value === 'number') return value;
  if (typeof value === 'boolean') return value ? 1 : 0;
  return value instanceof Float ? value.value : undefined;
}

/** What `bool(value)` says. */
export function pythonTruth(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  if (isDict(value)) return Object.keys(value).length > 0;
  if (value instanceof Float) return value.value !== 0;
  return Boolean(value);
}
