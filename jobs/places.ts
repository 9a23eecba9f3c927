import type { Place } from './problem.ts';

/**
 * Where values stand in their files. Places are kept beside the values, keyed by the identity of the container, so that
 * values stay plain JSON; line and column are worked out only when somebody asks.
 */
export interface Places {
  /**
   * Place of a container, or of a key of a mapping, or of an element of a sequence. Undefined for nodes that were not
   * read from a file.
   */
  of(node: unknown, key?: string | number): Place | undefined;
  /** The key as YAML has it: `true` for `on:`, 26 for `26:`. The name under which it lies in the object is its JSON form. */
  key(node: object, name: string): unknown;
}

/** Offsets of one container's parts. */
interface Spot {
  readonly text: TextIndex;
  readonly at: number;
  /** Of a sequence. */
  readonly items?: readonly number[];
  /** Of a mapping. */
  readonly keys?: KeySpots;
}

/**
 * Name, place, name, place, ...; a number is an offset in the mapping's own text. A list, since a file has tens of
 * thousands of small mappings and next to nobody asks for their places.
 */
export type KeySpots = readonly (string | number | PartSpot)[];

/** A merged key may come from another file. */
export interface PartSpot {
  readonly text: TextIndex;
  readonly at: number;
  /** Only where the key is no text. */
  readonly key?: unknown;
}

/** What readers write into; everybody else sees `Places`. */
export interface PlaceBook extends Places {
  note(node: object, spot: Spot): void;
  part(node: object, name: string): PartSpot | undefined;
  /** `copy` was made of `source` and shares its places. */
  readonly link: (copy: object, source: object) => void;
  /** `copy` was put together from mappings; of a key that several have the last one counts, as does its own place. */
  merge(copy: object, sources: readonly object[]): void;
}

export function createPlaces(): PlaceBook {
  const spots = new WeakMap<object, Spot>();
  const partOf = (node: object, key: string | number): PartSpot | undefined => {
    const spot = spots.get(node);
    if (spot === undefined) return undefined;
    if (spot.keys !== undefined) {
      const part = keySpot(spot.keys, String(key));
      return typeof part === 'number' ? { text: spot.text, at: part } : part;
    }
    const at = spot.items?.[Number(key)];
    return at === undefined ? undefined : { text: spot.text, at };
  };
  return {
    of(node, key) {
      if (typeof node !== 'object' || node === null) return undefined;
      const spot = spots.get(node);
      if (spot === undefined) return undefined;
      const part = key === undefined ? spot : (partOf(node, key) ?? spot);
      return part.text.place(part.at);
    },
    key(node, name) {
      const part = partOf(node, name);
      return part !== undefined && 'key' in part ? part.key : name;
    },
    note(node, spot) {
      spots.set(node, spot);
    },
    part: (node, name) => partOf(node, name),
    link(copy, source) {
      const spot = spots.get(source);
      if (spot !== undefined) spots.set(copy, spot);
    },
    merge(copy, sources) {
      const known = sources.flatMap((source) => spots.get(source) ?? []);
      const last = known.at(-1);
      if (last === undefined) return;
      const keys = known.flatMap(({ text, keys: own = [] }) =>
        own.map((part) => (typeof part === 'number' ? { text, at: part } : part)),
      );
      spots.set(copy, { text: last.text, at: last.at, keys });
    },
  };
}

/** The last one of that name; of a long mapping all are looked up once. */
function keySpot(keys: KeySpots, name: string): number | PartSpot | undefined {
  if (keys.length > MANY) {
    const known = indexes.get(keys) ?? new Map<unknown, string | number | PartSpot | undefined>();
    if (known.size === 0) for (let i = 0; i < keys.length; i += 2) known.set(keys[i], keys[i + 1]);
    indexes.set(keys, known);
    const part = known.get(name);
    return typeof part === 'string' ? undefined : part;
  }
  for (let i = keys.length - 2; i >= 0; i -= 2) {
    const part = keys[i + 1];
    if (keys[i] === name && typeof part !== 'string') return part;
  }
  return undefined;
}

const MANY = 200;
const indexes = new WeakMap<KeySpots, Map<unknown, string | number | PartSpot | undefined>>();

/** Turns offsets of a text into places. */
export interface TextIndex {
  place(offset: number): Place;
}

export function indexText(file: string, text: string): TextIndex {
  let starts: number[] | undefined;
  return {
    place(offset) {
      starts ??= lineStarts(text);
      let low = 0;
      let high = starts.length - 1;
      while (low < high) {
        const middle = (low + high + 1) >> 1;
        if ((starts[middle] ?? 0) <= offset) low = middle;
        else high = middle - 1;
      }
      return { file, line: low + 1, column: offset - (starts[low] ?? 0) + 1 };
    },
  };
}

function lineStarts(text: string): number[] {
  const starts = [0];
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return starts;
}
