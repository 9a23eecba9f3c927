import { createHash } from 'node:crypto';

/**
 * Strangers write NUL and halves of surrogate pairs into comments, names and branches. PostgreSQL's `text` takes neither (and
 * `jsonb` refuses `\u0000` even escaped), and one such string must not break a commit.
 *
 * Values are therefore kept as JSON in `text` columns: JSON.stringify writes both as ASCII escapes, and nothing in SQL looks
 * inside. Bare strings (keys, raw lines) that need it are kept as JSON behind a mark.
 */

const MARK = '\u{10fffd}json:';
const UNSTORABLE = /\0|\p{Cs}/u;

/** Reversible, and one to one. */
export function toText(text: string): string {
  return UNSTORABLE.test(text) || text.startsWith(MARK) ? MARK + JSON.stringify(text) : text;
}

export function fromText(stored: string): string {
  if (!stored.startsWith(MARK)) return stored;
  const value: unknown = JSON.parse(stored.slice(MARK.length));
  return typeof value === 'string' ? value : stored;
}

/**
 * A value that the store wrote itself, so of the type it was written with. Not parsed by a schema: a row of an older
 * program must never keep all the others from being read.
 */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the caller names the type once
export function fromJson<T>(stored: string): T {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- see above
  return JSON.parse(stored) as T;
}

/** For text that people only read: what cannot be stored becomes U+FFFD. */
export function toNote(text: string): string {
  return text.slice(0, 2000).replace(/\0|\p{Cs}/gu, '\ufffd');
}

/** Longest key kept as it is, in UTF-16 units; an index entry of PostgreSQL holds 2,700 bytes. */
const LONGEST_KEY = 600;

/** A fact's key as it is indexed: a long one is cut, and its digest keeps it one of a kind. */
export function toKey(key: string): string {
  if (key.length <= LONGEST_KEY) return toText(key);
  const digest = createHash('sha256').update(JSON.stringify(key)).digest('hex');
  return toText(`${key.slice(0, 200).replace(/\p{Cs}$/u, '')}~sha256:${digest}`);
}
