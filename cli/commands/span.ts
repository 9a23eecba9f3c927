import { CommandError } from '../client.ts';

const UNITS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `24h`, `90m`, and plain seconds as zuul-client has them; ms. */
export function millis(option: string, text: string): number {
  const match = /^(\d+)([smhd]?)$/.exec(text);
  const count = Number(match?.[1] ?? '0');
  if (match === null || count === 0) throw new CommandError(`${option}: expected a time such as 24h`, 2);
  return count * (UNITS[match[2] === '' ? 's' : (match[2] ?? 's')] ?? 1000);
}
