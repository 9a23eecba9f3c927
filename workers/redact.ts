/**
 * Replaces secrets in a stream of bytes. What comes out depends on the bytes alone, never on how they were cut into chunks: the
 * leftmost secret wins, of those the longest, and a tail that may still become one is held back until it is decided.
 *
 * A secret of several lines is looked for line by line, since a time may be put at the beginning of each.
 */

export interface Redactor {
  push(chunk: Buffer): Buffer;
  /** What was held back. */
  end(): Buffer;
}

/** Anything shorter would tear ordinary words apart and hide nothing. */
const shortest = 4;
const mask = Buffer.from('****');

export function secretPieces(secrets: readonly string[]): string[] {
  const pieces = secrets.flatMap((secret) => secret.split(/\r?\n/)).map((piece) => piece.trim());
  return [...new Set(pieces.filter((piece) => Buffer.byteLength(piece) >= shortest))];
}

export function redactor(secrets: readonly string[]): Redactor {
  const needles = secretPieces(secrets)
    .map((piece) => Buffer.from(piece))
    .sort((a, b) => b.length - a.length);
  const longest = needles[0]?.length ?? 0;
  if (longest === 0) return { push: (chunk) => chunk, end: () => Buffer.alloc(0) };
  let held: Buffer = Buffer.alloc(0);

  function take(last: boolean): Buffer {
    const parts: Buffer[] = [];
    let from = 0;
    const open = last ? held.length : firstOpen(held, needles, longest);
    const next = finder(held, needles);
    for (;;) {
      const found = next(from);
      // A match at or behind an undecided place must wait: a secret that begins earlier, or a longer one, may win.
      if (found === undefined || found.at >= open) break;
      parts.push(held.subarray(from, found.at), mask);
      from = found.at + found.length;
    }
    const end = Math.max(from, open);
    parts.push(held.subarray(from, end));
    held = held.subarray(end);
    return parts.length === 1 ? (parts[0] ?? held) : Buffer.concat(parts);
  }

  return {
    push(chunk) {
      held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
      return take(false);
    },
    end: () => take(true),
  };
}

/**
 * Answers the leftmost match at or after a place that only ever grows; needles are sorted, so the first of several at one place
 * is the longest. Each needle is looked for once over the text, however often others are found: a build may print one of its
 * secrets without end.
 */
function finder(
  text: Buffer,
  needles: readonly Buffer[],
): (from: number) => { at: number; length: number } | undefined {
  const places = needles.map((needle) => ({ needle, at: text.indexOf(needle) }));
  return (from) => {
    let best: { at: number; length: number } | undefined;
    for (const place of places) {
      if (place.at >= 0 && place.at < from) place.at = text.indexOf(place.needle, from);
      if (place.at >= 0 && (best === undefined || place.at < best.at))
        best = { at: place.at, length: place.needle.length };
    }
    return best;
  };
}

/** The first place whose bytes, all there are, are the beginning of a secret but not yet all of it. */
function firstOpen(text: Buffer, needles: readonly Buffer[], longest: number): number {
  for (let at = Math.max(0, text.length - longest + 1); at < text.length; at++) {
    const rest = text.length - at;
    for (const needle of needles) {
      if (needle.length <= rest || needle[0] !== text[at]) continue;
      if (needle.compare(text, at, text.length, 0, rest) === 0) return at;
    }
  }
  return text.length;
}

/** A stream without the secrets. */
export async function* redacted(
  content: AsyncIterable<Uint8Array>,
  secrets: readonly string[],
): AsyncIterable<Uint8Array> {
  const redact = redactor(secrets);
  for await (const chunk of content) {
    const text = redact.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    if (text.length > 0) yield text;
  }
  yield redact.end();
}

/** A value of JSON without the secrets in its texts. */
export function hiddenIn(value: unknown, secrets: readonly string[]): unknown {
  if (secrets.length === 0) return value;
  if (typeof value === 'string') {
    const redact = redactor(secrets);
    return Buffer.concat([redact.push(Buffer.from(value)), redact.end()]).toString('utf8');
  }
  if (Array.isArray(value)) return value.map((each) => hiddenIn(each, secrets));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, hiddenIn(each, secrets)]));
}
