import { z } from 'zod';

/** The small words of nodepool.yaml. */

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Seconds as Nodepool has them (`120`, `0.001`), or a number with a unit (`2m`); ms. */
export const Duration = z
  .union([
    z.number().min(0),
    z.string().regex(/^\d+(ms|s|m|h|d)$/, 'expected seconds, or a duration such as 90s, 15m or 8h'),
  ])
  .transform((given) =>
    typeof given === 'number'
      ? given * 1000
      : Number.parseInt(given, 10) * (UNITS[given.replace(/^\d+/, '')] ?? 1),
  );
export const Name = z
  .string()
  .regex(/^[A-Za-z0-9][\w.-]*$/, 'expected a name of letters, digits, `.`, `_` and `-`');
export const Count = z.int().min(0);
/** A program and its arguments; no shell reads them. */
export const Argv = z.array(z.string().min(1)).min(1);
export const OneOrMore = z
  .union([z.string(), z.array(z.string()).min(1)])
  .transform((given) => [given].flat());
