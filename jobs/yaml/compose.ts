import { EVENT_ID, type Event, SCALAR_STYLE } from 'js-yaml';
import type { KeySpots, PartSpot } from '../places.ts';
import { keyName, scalarText, scalarValue, startOf, tagOf } from './nodes.ts';
import {
  type Anchor,
  anchorOnce,
  duplicateKey,
  problem,
  type Reader,
  refuse,
  STANDARD,
  unknownAlias,
  unknownTag,
} from './reader.ts';

/** Builds the value of a document from the parser's events, and notes where everything stands. */

const MOST_NODES = 1_000_000;

type Mapping = Readonly<Record<string, unknown>>;

interface Frame {
  readonly at: number;
  readonly tag: string;
  readonly anchor: string | undefined;
  readonly list: unknown[] | undefined;
  /** Of the elements of a list. */
  readonly offsets: number[];
  readonly map: Record<string, unknown>;
  readonly parts: (string | number | PartSpot)[];
  merges: readonly Mapping[];
  /** Scalars below stay text. */
  readonly text: boolean;
  key: { readonly value: unknown; readonly at: number; readonly merge: boolean } | undefined;
  /** Nodes below, aliases counted as if they were copies. */
  weight: number;
}

export function compose(events: readonly Event[], reader: Reader): unknown {
  const { text, options } = reader;
  const anchors = options.anchors ?? new Map<string, Anchor>();
  const unfinished = new Set<string>();
  const stack: Frame[] = [];
  let root: unknown = null;
  let documents = 0;
  const add = (value: unknown, at: number, weight: number, merge = false): void => {
    const frame = stack.at(-1);
    if (frame === undefined) root = value;
    else addTo(frame, reader, value, at, weight, merge);
  };
  for (const event of events) {
    switch (event.type) {
      case EVENT_ID.DOCUMENT:
        documents++;
        if (documents === 2) refuse(reader, secondDocument(events, event), 'yaml-documents', MANY_DOCUMENTS);
        break;
      case EVENT_ID.SCALAR: {
        const at = startOf(event) ?? lastOffset(stack);
        const tag = tagOf(event, text);
        const plain = event.style === SCALAR_STYLE.PLAIN && stack.at(-1)?.text !== true;
        const content = scalarText(text, event);
        const merge = tag === `${STANDARD}merge` || (plain && tag === '' && content === '<<');
        const value = merge ? content : scalarValue(reader, content, tag, plain, at);
        const weight = 1 + Math.floor(content.length / 32);
        if (event.anchorStart !== -1) {
          const spot = { text: reader.index, at: event.anchorStart - 1 };
          const name = text.slice(event.anchorStart, event.anchorEnd);
          anchorOnce(reader, anchors, name, spot.at);
          anchors.set(name, { value, weight, at: spot });
        }
        if (event.valueStart === -1 && tag === '' && needsKey(stack)) {
          problem(reader, at, 'yaml-key', 'A key is missing before the colon.');
        }
        add(value, at, weight, merge);
        break;
      }
      case EVENT_ID.SEQUENCE:
      case EVENT_ID.MAPPING: {
        const anchor = event.anchorStart === -1 ? undefined : text.slice(event.anchorStart, event.anchorEnd);
        if (anchor !== undefined) {
          anchorOnce(reader, anchors, anchor, event.anchorStart - 1);
          unfinished.add(anchor);
        }
        const tag = tagOf(event, text);
        const below = stack.at(-1)?.text === true || options.textTags?.includes(tag) === true;
        stack.push(open(event, anchor, tag, below));
        break;
      }
      case EVENT_ID.ALIAS: {
        const name = text.slice(event.anchorStart, event.anchorEnd);
        const anchor = anchors.get(name);
        if (unfinished.has(name)) {
          return refuse(
            reader,
            event.anchorStart - 1,
            'yaml-alias',
            `The alias *${name} stands inside what it names.`,
          );
        }
        if (anchor === undefined) return unknownAlias(reader, event.anchorStart, name, anchors.keys());
        add(anchor.value, event.anchorStart - 1, anchor.weight);
        break;
      }
      case EVENT_ID.POP: {
        const frame = stack.pop();
        if (frame === undefined) break;
        const value = close(frame, reader);
        if (frame.anchor !== undefined) {
          anchors.set(frame.anchor, {
            value,
            weight: frame.weight,
            at: { text: reader.index, at: frame.at },
          });
          unfinished.delete(frame.anchor);
        }
        add(value, frame.at, frame.weight);
        break;
      }
    }
  }
  return root;
}

const MANY_DOCUMENTS = 'The file holds more than one document; "---" may only stand at its beginning.';

function secondDocument(events: readonly Event[], event: Event): number {
  for (const next of events.slice(events.indexOf(event) + 1)) {
    const at = startOf(next);
    if (at !== undefined) return at;
  }
  return 0;
}

function open(
  event: Event & { start: number },
  anchor: string | undefined,
  tag: string,
  text: boolean,
): Frame {
  const list: unknown[] | undefined = event.type === EVENT_ID.SEQUENCE ? [] : undefined;
  // A file has tens of thousands of these: what a list has no use for is not made for it.
  return {
    at: event.start,
    tag,
    anchor,
    list,
    offsets: list === undefined ? NONE : [],
    map: list === undefined ? {} : NOTHING,
    parts: list === undefined ? [] : NONE,
    merges: NONE,
    text,
    key: undefined,
    weight: 1,
  };
}

const NONE: never[] = [];
const NOTHING: Record<string, never> = {};

function addTo(
  frame: Frame,
  reader: Reader,
  value: unknown,
  at: number,
  weight: number,
  merge: boolean,
): void {
  frame.weight += weight;
  if (frame.weight > MOST_NODES) refuse(reader, at, 'yaml-too-large', TOO_LARGE);
  if (frame.list !== undefined) {
    frame.list.push(value);
    frame.offsets.push(at);
    return;
  }
  const { key } = frame;
  if (key === undefined) {
    frame.key = { value, at, merge };
    return;
  }
  frame.key = undefined;
  if (key.merge) {
    frame.merges = [...frame.merges, ...mergeSources(reader, value, key.at)];
    return;
  }
  const name = keyName(key.value);
  if (name === undefined) {
    problem(reader, key.at, 'yaml-key', 'A key must be a single word or text, not a list or a mapping.');
    return;
  }
  if (name === '__proto__') {
    problem(reader, key.at, 'yaml-key', 'The key "__proto__" is not allowed.');
    return;
  }
  if (Object.hasOwn(frame.map, name)) {
    const before = frame.parts[frame.parts.lastIndexOf(name) + 1];
    duplicateKey(reader, name, key.at, typeof before === 'object' ? before.at : Number(before));
  }
  frame.map[name] = value;
  frame.parts.push(
    name,
    typeof key.value === 'string' ? key.at : { text: reader.index, at: key.at, key: key.value },
  );
}

const TOO_LARGE =
  'With every alias written out the file would hold more than a million nodes; it is refused.';

/** PyYAML merges a mapping, or a list of mappings of which the first wins. */
function mergeSources(reader: Reader, value: unknown, at: number): Mapping[] {
  const sources: unknown[] = Array.isArray(value) ? value.toReversed() : [value];
  const good = sources.filter(isMapping);
  if (good.length < sources.length) {
    problem(reader, at, 'yaml-merge', 'Only a mapping, or a list of mappings, can be merged with "<<".');
  }
  return good;
}

function isMapping(value: unknown): value is Mapping {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

function close(frame: Frame, reader: Reader): unknown {
  const { places, index, options } = reader;
  let node: object;
  if (frame.list === undefined) {
    const { map, parts } = frame.merges.length === 0 ? frame : merged(frame, reader);
    places.note(map, { text: index, at: frame.at, keys: parts });
    node = map;
  } else {
    places.note(frame.list, { text: index, at: frame.at, items: frame.offsets });
    node = frame.list;
  }
  if (frame.tag === '' || frame.tag === '!') return node;
  const kind = frame.list === undefined ? 'mapping' : 'sequence';
  const handler = options.tags?.[frame.tag];
  if (handler !== undefined) return handler({ tag: frame.tag, kind, value: node, at: index.place(frame.at) });
  const known = kind === 'mapping' ? ['map', 'python/dict'] : ['seq', 'python/tuple', 'python/list'];
  if (!known.some((name) => frame.tag === STANDARD + name)) unknownTag(reader, frame.tag, frame.at);
  return node;
}

function merged(frame: Frame, reader: Reader): { map: Record<string, unknown>; parts: KeySpots } {
  const map: Record<string, unknown> = {};
  const parts: (string | number | PartSpot)[] = [];
  for (const source of frame.merges) {
    for (const [name, value] of Object.entries(source)) {
      map[name] = value;
      const part = reader.places.part(source, name);
      if (part !== undefined) parts.push(name, part);
      frame.weight++;
    }
    if (frame.weight > MOST_NODES) refuse(reader, frame.at, 'yaml-too-large', TOO_LARGE);
  }
  Object.assign(map, frame.map);
  for (const part of frame.parts) parts.push(part);
  return { map, parts };
}

function needsKey(stack: readonly Frame[]): boolean {
  const frame = stack.at(-1);
  return frame !== undefined && frame.list === undefined && frame.key === undefined;
}

/** Empty nodes have no place of their own: they stand where their parent's last part stands. */
function lastOffset(stack: readonly Frame[]): number {
  const frame = stack.at(-1);
  return frame?.key?.at ?? frame?.offsets.at(-1) ?? frame?.at ?? 0;
}
