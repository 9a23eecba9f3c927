import { appendFile, readFile, rename, writeFile } from 'node:fs/promises';

/**
 * When states were published. Refs have no date of their own (the commits' dates are those of the changes), so a file beside
 * them says it: one line `<ms> <id>` for each item, written before its refs are. Zuul keeps refs for ever; clients of old
 * git protocols are told all of them at every fetch, and a busy project makes ten thousand a month.
 */
const file = 'published';

/** Notes that these refs are published now. A line for refs that were never written does no harm. */
export async function notePublished(served: string, refs: Iterable<string>, now: number): Promise<void> {
  const ids = new Set([...refs].flatMap((ref) => idOf(ref) ?? []));
  if (ids.size === 0) return;
  await appendFile(`${served}/${file}`, [...ids].map((id) => `${now} ${id}\n`).join(''));
}

/** Ids that were last published before `before`, and what remains when they are gone. */
export async function oldIds(served: string, before: number): Promise<{ old: Set<string>; rest: string }> {
  const text = await readFile(`${served}/${file}`, 'utf8').catch(() => '');
  const last = new Map<string, number>();
  for (const line of text.split('\n')) {
    const [, at, id] = /^(\d{1,15}) (Z[0-9a-f]{32})$/.exec(line) ?? [];
    if (id !== undefined) last.set(id, Math.max(Number(at), last.get(id) ?? 0));
  }
  const old = new Set([...last].flatMap(([id, at]) => (at < before ? [id] : [])));
  const rest = [...last].flatMap(([id, at]) => (at < before ? [] : [`${at} ${id}\n`])).join('');
  return { old, rest };
}

/** Forgets what `oldIds` found, once its refs are gone. */
export async function forgetOld(served: string, rest: string): Promise<void> {
  await writeFile(`${served}/${file}.new`, rest);
  await rename(`${served}/${file}.new`, `${served}/${file}`);
}

/** `Z<32 hex>` at the end of a published ref. */
export function idOf(ref: string): string | undefined {
  return /\/(Z[0-9a-f]{32})$/.exec(ref)?.[1];
}
