import type { Layout } from '../layout.ts';
import { matcher } from '../pattern.ts';

/** An entry of `jobs:` that had a say in a job. */
export interface JobSource {
  readonly name: string;
  /** file:line:column */
  readonly place: string;
}

/**
 * What a job was made from, in the order in which it was applied: the metajobs that stand before its own entry (or anywhere, if
 * it has none) and match its name, then the entry itself (zuul-v2.md 1.4).
 */
export function madeFrom(layout: Layout, job: string): JobSource[] {
  const entries = Object.entries(layout.places)
    .filter(([what]) => what.startsWith('job '))
    .map(([what, place]): JobSource => ({ name: what.slice('job '.length), place }));
  const own = entries.findIndex((entry) => entry.name === job);
  const before = own < 0 ? entries : entries.slice(0, own + 1);
  return before.filter(({ name }) => name === job || (name.startsWith('^') && matcher(name).matches(job)));
}
