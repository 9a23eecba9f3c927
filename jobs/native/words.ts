import { z } from 'zod';

/** Words of the native form that several parts share. */

export const Patterns = z
  .union([z.string().min(1), z.array(z.string().min(1)).min(1)])
  .transform((given) => [given].flat());

/** A list of one is written as its only element. */
export function writePatterns(patterns: readonly string[]): string | readonly string[] {
  const [first, ...others] = patterns;
  return first !== undefined && others.length === 0 ? first : patterns;
}

/** YAML makes 1.1 of `1.10` and 2 of `2.0`, so only texts, whole numbers, true and false are taken as they look. */
export const Value = z
  .union(
    [z.string(), z.int(), z.boolean()],
    'expected a text, a whole number, true or false: put quotes around it',
  )
  .transform(String);

export const Variable = z.string().regex(/^[A-Za-z_]\w*$/, 'expected the name of a variable');

const UNITS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `90s`, `30m`, `3h`, `1d` → ms. */
export const Duration = z
  .string()
  .regex(/^[1-9]\d*(s|m|h|d)$/, 'expected a duration such as 90s, 30m or 3h')
  .transform((text) => Number.parseInt(text, 10) * (UNITS[text.slice(-1)] ?? 1));

export function writeDuration(ms: number): string {
  const unit = ['d', 'h', 'm', 's'].find((each) => ms % (UNITS[each] ?? 1) === 0) ?? 's';
  return `${Math.max(1, Math.round(ms / (UNITS[unit] ?? 1000)))}${unit}`;
}

/** Variables as a mapping, or as the text of a Java properties file. */
export const Properties = z.union([z.string(), z.record(Variable, Value)]).transform((given) =>
  typeof given === 'string'
    ? given
    : Object.entries(given)
        .map(([name, value]) => `${name}=${escaped(value)}\n`)
        .join(''),
);

function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replace(/^\s/, '\\$&');
}

/** Leaves out what is undefined. */
export function compact(entries: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(entries).filter(([, value]) => value !== undefined));
}

/** A part as it is written to YAML. */
export type Written = string | number | boolean | object;
