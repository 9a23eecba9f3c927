import { createHash } from 'node:crypto';
import { Deferred } from '../../jobs/jjb/format.ts';
import { isDict, pythonRepr } from '../../jobs/jjb/python.ts';
import { Float } from '../../jobs/yaml/scalar.ts';

/** JSON as Python's `json.dumps(sort_keys=True, separators=(',', ':'), ensure_ascii=False)` writes it. */
export function canonicalJson(value: unknown): string {
  if (value === null || value === undefined) return 'null';
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'boolean') return String(value);
  if (typeof value === 'number' || value instanceof Float) return pythonRepr(value);
  if (value instanceof Deferred) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (!isDict(value)) throw new TypeError('not JSON');
  const keys = Object.keys(value).sort(byCodePoint);
  return `{${keys.map((key) => `${JSON.stringify(key)}:${canonicalJson(value[key])}`).join(',')}}`;
}

export function canonicalHash(value: unknown): { hash: string; bytes: number } {
  const bytes = Buffer.from(canonicalJson(value), 'utf8');
  return { hash: createHash('sha256').update(bytes).digest('hex'), bytes: bytes.length };
}

/** Python sorts by code points, JavaScript by UTF-16 units. */
function byCodePoint(a: string, b: string): number {
  if (a === b) return 0;
  const [x, y] = [Array.from(a), Array.from(b)];
  const index = x.findIndex((char, i) => char !== y[i]);
  if (index === -1) return -1;
  return (x[index]?.codePointAt(0) ?? -1) - (y[index]?.codePointAt(0) ?? -1);
}
