import { isJson, type Json } from './attributes.ts';

/**
 * The knobs that make the server behave like a server on a bad day. Plain data that commands and streams look at; those that
 * act on connections at once (cut, freeze) are methods of the running server, see server.ts.
 */

/** What happens to the next review posts: `times` of them. */
export interface ReviewFault {
  /**
   * `lost-after`: applied, then the connection is cut before the exit status. `lost-before`: cut without being applied.
   * `refused`: not applied, answered with `text` as Gerrit words a refusal.
   */
  readonly kind: 'lost-after' | 'lost-before' | 'refused';
  times: number;
  readonly text?: string;
}

export interface Faults {
  /** ms by which queries lag behind events (the index is eventually consistent). */
  queryLag: number;
  /** All logins fail, or those of the users named. */
  refuseLogins: boolean | readonly string[];
  /** So many of the next events reach no stream. */
  swallowEvents: number;
  /** Streams take nothing from their queues, as if every reader had stopped reading. */
  stallStreams: boolean;
  /** Writes event lines in pieces of so many bytes, each its own packet. 0: whole. */
  splitEvents: number;
  /** Numbers of changes and patch sets as strings, as Gerrit up to 2.13 writes them. */
  stringNumbers: boolean;
  /** Fields of events that are left out, by dotted path, such as `change.owner` or `approvals`. */
  missingFields: readonly string[];
  review: ReviewFault | undefined;
  /** The command (first words of its line) that is answered only after so many ms. */
  slowCommand: { readonly prefix: string; readonly ms: number } | undefined;
}

export function noFaults(): Faults {
  return {
    queryLag: 0,
    refuseLogins: false,
    swallowEvents: 0,
    stallStreams: false,
    splitEvents: 0,
    stringNumbers: false,
    missingFields: [],
    review: undefined,
    slowCommand: undefined,
  };
}

const NUMBERS = new Set(['number', 'cherryPickOfChange', 'cherryPickOfPatchSet']);

/** A copy with the numbers of changes and patch sets as strings. */
export function withStringNumbers(value: Json): Json {
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key,
      NUMBERS.has(key) && typeof inner === 'number' ? String(inner) : convert(inner),
    ]),
  );
}

function convert(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(convert);
  return isJson(value) ? withStringNumbers(value) : value;
}

/** A copy without the fields that the dotted paths name. */
export function withoutFields(value: Json, paths: readonly string[]): Json {
  const copy = structuredClone(value);
  for (const path of paths) {
    const names = path.split('.');
    const last = names.pop();
    let at: unknown = copy;
    for (const name of names) {
      at = isJson(at) ? at[name] : undefined;
    }
    if (last !== undefined && isJson(at)) Reflect.deleteProperty(at, last);
  }
  return copy;
}
