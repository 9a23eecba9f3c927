import { Fault } from '../../pipelines/fault.ts';
import { type Commands, commandFault } from './commands.ts';
import { type WireChange, WireChange as WireChangeSchema, WireError, WireStats } from './schema.ts';

/**
 * `gerrit query`: asks with terms that we build ourselves from checked names and numbers, and reads every page.
 *
 * Gerrit answers a query that it cannot run with one `error` line and exit status 0, and an answer without a final
 * `stats` line was cut short: both must never pass for "no such change".
 */
export type Query = (terms: string, flags: string, signal: AbortSignal) => Promise<WireChange[]>;

const MAX_ROWS = 50_000;

export function createQuery(commands: Commands): Query {
  return async (terms, flags, signal) => {
    const rows: WireChange[] = [];
    for (let more = true; more; ) {
      const start = rows.length === 0 ? '' : ` -S ${rows.length}`;
      const command = `gerrit query --format=JSON ${flags}${start} '${terms}'`;
      const result = await commands.exec(command, { signal, repeatable: true });
      if (result.code !== 0) throw commandFault('gerrit query', result);
      const page = readPage(result.stdout);
      rows.push(...page.rows);
      if (rows.length > MAX_ROWS)
        throw new Fault('gerrit-protocol', `a query answered more than ${MAX_ROWS} changes`);
      more = page.more && page.rows.length > 0;
    }
    return rows;
  };
}

function readPage(stdout: string): { rows: WireChange[]; more: boolean } {
  const rows: WireChange[] = [];
  for (const line of stdout.split('\n')) {
    if (line.trim() === '') continue;
    const json = parse(line);
    const stats = WireStats.safeParse(json);
    if (stats.success) return { rows, more: stats.data.moreChanges ?? false };
    const error = WireError.safeParse(json);
    if (error.success)
      throw new Fault('gerrit-refused', `Gerrit refused a query: ${error.data.message ?? 'no reason given'}`);
    const row = WireChangeSchema.safeParse(json);
    if (row.success) rows.push(row.data);
  }
  throw new Fault('gerrit-away', 'the answer to a query was cut short', { retry: true });
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw new Fault('gerrit-protocol', 'Gerrit answered a query with something that is not JSON', { cause });
  }
}

/** Terms are put between single quotes in a command line, so nothing but these may enter them. */
export function changeTerm(number: string): string {
  if (!/^[1-9]\d{0,14}$/.test(number))
    throw new Fault('gerrit-refused', `${JSON.stringify(number)} is no change number`);
  return `change:${number}`;
}

export function isChangeId(id: string): boolean {
  return /^I[0-9a-f]{40}$/i.test(id);
}

/** A Change-Id, or the address of a change without its scheme. */
export function isMentionable(text: string): boolean {
  return (
    isChangeId(text) ||
    (/^[\w.-]+(?::\d+)?(?:\/(?:#|\+|[\w+@~][\w.+@~-]*))+$/.test(text) && text.length <= 400)
  );
}

/** Gerrit's project names, without the few odd characters that its argument splitter or query language would read. */
export function isProjectName(name: string): boolean {
  return /^[\w+@~][\w.+@~-]*(\/[\w+@~][\w.+@~-]*)*$/.test(name) && !name.includes('..') && name.length <= 250;
}

export function anyOf(terms: readonly string[]): string {
  return terms.length === 1 ? (terms[0] ?? '') : `(${terms.join(' OR ')})`;
}
