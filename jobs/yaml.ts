import { EVENT_ID, type Event, getScalarValue, parseEvents, SCALAR_STYLE } from 'js-yaml';
import {
  createPlaces,
  indexText,
  type PartSpot,
  type PlaceBook,
  type Places,
  type TextIndex,
} from './places.ts';
import { didYouMean, type Place, type Problem, type SourceFile } from './problem.ts';
import { Float, floatText, readBoolean, readFloat, readInteger, resolvePlain } from './scalar.ts';
import { conflictMarker, syntaxProblem } from './yamlerror.ts';

/**
 * YAML 1.1 as PyYAML reads it, because that is what every existing layout and JJB file was written for. js-yaml parses;
 * values are built here, since its constructor knows neither `!!merge` as an explicit key nor places, and reads `y`,
 * `n` and dates differently.
 *
 * Two of PyYAML's habits matter most: a duplicate key is no error (the last one wins; here it is a warning), and keys of
 * a merge (`<<`) yield to the mapping's own keys wherever they stand.
 *
 * Aliases are shared, not copied, so a small file can describe a tree that no walker survives. The size a tree would have
 * without sharing is therefore counted while it is built, and the reader stops at a million nodes.
 */

export interface TaggedNode {
  readonly tag: string;
  readonly kind: 'scalar' | 'sequence' | 'mapping';
  readonly value: unknown;
  readonly at: Place;
}

export interface YamlOptions {
  /** By tag as written (`!include:`): what a tagged node stands for. */
  readonly tags?: Readonly<Record<string, (node: TaggedNode) => unknown>>;
  /** Keep `1.0` apart from `1` (see `Float`). Without it both are the number 1. */
  readonly exactFloats?: boolean;
  /** Several files may share one book of places. */
  readonly places?: PlaceBook;
  /** Anchors known before the first line, and after the call also those of this file (JJB's `retain_anchors`). */
  readonly anchors?: Map<string, Anchor>;
}

export interface Anchor {
  readonly value: unknown;
  readonly weight: number;
}

export interface YamlRead {
  /** `null` for an empty text and after a syntax error; after other errors what could be read of it. */
  readonly value: unknown;
  readonly problems: Problem[];
  readonly places: Places;
}

const MOST_NODES = 1_000_000;
const STANDARD = 'tag:yaml.org,2002:';

export function readYaml(source: SourceFile, options: YamlOptions = {}): YamlRead {
  const { text, name } = source;
  const index = indexText(name, text);
  const places = options.places ?? createPlaces();
  const marker = conflictMarker(text, index);
  if (marker !== undefined) return { value: null, problems: [marker], places };
  let events: Event[];
  try {
    events = parseEvents(text, { maxDepth: 100 });
  } catch (caught) {
    return { value: null, problems: [syntaxProblem(caught, text, index)], places };
  }
  const problems: Problem[] = [];
  try {
    const value = compose(events, { text, index, places, problems, options });
    return { value, problems, places };
  } catch (caught) {
    if (!(caught instanceof Refusal)) throw caught;
    return { value: null, problems: [...problems, caught.problem], places };
  }
}

/** Leaves the composer from any depth; never leaves this file. */
class Refusal extends Error {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.message);
    this.problem = problem;
  }
}

interface Reader {
  readonly text: string;
  readonly index: TextIndex;
  readonly places: PlaceBook;
  readonly problems: Problem[];
  readonly options: YamlOptions;
}

type Mapping = Readonly<Record<string, unknown>>;

interface Frame {
  readonly at: number;
  readonly tag: string;
  readonly anchor: string | undefined;
  readonly list: unknown[] | undefined;
  readonly offsets: number[];
  readonly map: Record<string, unknown>;
  readonly parts: Map<string, PartSpot>;
  readonly merges: Mapping[];
  key: { readonly value: unknown; readonly at: number; readonly merge: boolean } | undefined;
  /** Nodes below, aliases counted as if they were copies. */
  weight: number;
}

function compose(events: readonly Event[], reader: Reader): unknown {
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
        const plain = event.style === SCALAR_STYLE.PLAIN;
        const content = getScalarValue(text, event);
        const merge = tag === `${STANDARD}merge` || (plain && tag === '' && content === '<<');
        const value = merge ? content : scalar(reader, content, tag, plain, at);
        const weight = 1 + Math.floor(content.length / 32);
        if (event.anchorStart !== -1)
          anchors.set(text.slice(event.anchorStart, event.anchorEnd), { value, weight });
        add(value, at, weight, merge);
        break;
      }
      case EVENT_ID.SEQUENCE:
      case EVENT_ID.MAPPING: {
        const anchor = event.anchorStart === -1 ? undefined : text.slice(event.anchorStart, event.anchorEnd);
        if (anchor !== undefined) unfinished.add(anchor);
        stack.push(open(event, anchor, tagOf(event, text)));
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
          anchors.set(frame.anchor, { value, weight: frame.weight });
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

function open(event: Event & { start: number }, anchor: string | undefined, tag: string): Frame {
  return {
    at: event.start,
    tag,
    anchor,
    list: event.type === EVENT_ID.SEQUENCE ? [] : undefined,
    offsets: [],
    map: {},
    parts: new Map(),
    merges: [],
    key: undefined,
    weight: 1,
  };
}

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
    frame.merges.push(...mergeSources(reader, value, key.at));
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
  const before = frame.parts.get(name);
  if (before !== undefined) duplicateKey(reader, name, key.at, before.at);
  frame.map[name] = value;
  const spot = { text: reader.index, at: key.at };
  frame.parts.set(name, typeof key.value === 'string' ? spot : { ...spot, key: key.value });
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
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Float);
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

function merged(
  frame: Frame,
  reader: Reader,
): { map: Record<string, unknown>; parts: Map<string, PartSpot> } {
  const map: Record<string, unknown> = {};
  const parts = new Map<string, PartSpot>();
  for (const source of frame.merges) {
    for (const [name, value] of Object.entries(source)) {
      map[name] = value;
      const part = reader.places.part(source, name);
      if (part !== undefined) parts.set(name, part);
      frame.weight++;
    }
    if (frame.weight > MOST_NODES) refuse(reader, frame.at, 'yaml-too-large', TOO_LARGE);
  }
  Object.assign(map, frame.map);
  for (const [name, part] of frame.parts) parts.set(name, part);
  return { map, parts };
}

function scalar(reader: Reader, content: string, tag: string, plain: boolean, at: number): unknown {
  const exact = reader.options.exactFloats ?? false;
  if (tag === '') return plain ? resolvePlain(content, exact) : content;
  const handler = reader.options.tags?.[tag];
  if (handler !== undefined)
    return handler({ tag, kind: 'scalar', value: content, at: reader.index.place(at) });
  const value = standardScalar(content, tag, exact);
  if (value !== undefined) return value;
  if (!tag.startsWith(STANDARD) || !STANDARD_SCALARS.has(tag.slice(STANDARD.length)))
    unknownTag(reader, tag, at);
  else problem(reader, at, 'yaml-tag', `${JSON.stringify(content)} is no ${shortTag(tag)}.`);
  return content;
}

const STANDARD_SCALARS = new Set(['int', 'float', 'bool']);

function standardScalar(content: string, tag: string, exact: boolean): unknown {
  switch (tag) {
    case '!':
    case `${STANDARD}str`:
    case `${STANDARD}timestamp`:
    case `${STANDARD}python/str`:
    case `${STANDARD}python/unicode`:
      return content;
    case `${STANDARD}null`:
    case `${STANDARD}python/none`:
      return null;
    case `${STANDARD}bool`:
    case `${STANDARD}python/bool`:
      return readBoolean(content);
    case `${STANDARD}int`:
    case `${STANDARD}python/int`:
      return readInteger(content);
    case `${STANDARD}float`:
    case `${STANDARD}python/float`:
      return readFloat(content, exact);
    case `${STANDARD}map`:
      return content === '' ? {} : undefined;
    case `${STANDARD}seq`:
    case `${STANDARD}python/tuple`:
      return content === '' ? [] : undefined;
    default:
      return undefined;
  }
}

/** The name a key gets in the object: its JSON form. */
function keyName(key: unknown): string | undefined {
  if (typeof key === 'string') return key;
  if (typeof key === 'number') return Number.isInteger(key) ? String(key) : floatText(key);
  if (key === null || typeof key === 'boolean' || key instanceof Float) return String(key);
  return undefined;
}

function tagOf(event: Event & { tagStart: number; tagEnd: number }, text: string): string {
  if (event.tagStart === -1) return '';
  const raw = text.slice(event.tagStart, event.tagEnd);
  if (raw.startsWith('!<')) return raw.slice(2, -1);
  return raw.startsWith('!!') ? STANDARD + raw.slice(2) : raw;
}

function shortTag(tag: string): string {
  return tag.startsWith(STANDARD) ? `!!${tag.slice(STANDARD.length)}` : tag;
}

/** Offset of the first character of a node, quote or block sign included. */
function startOf(event: Event): number | undefined {
  switch (event.type) {
    case EVENT_ID.SCALAR: {
      const starts = [event.tagStart, event.anchorStart - 1, event.valueStart].filter((start) => start >= 0);
      if (starts.length === 0) return undefined;
      const quoted = event.style === SCALAR_STYLE.SINGLE_QUOTED || event.style === SCALAR_STYLE.DOUBLE_QUOTED;
      return Math.min(...starts) - (quoted && starts.length === 1 ? 1 : 0);
    }
    case EVENT_ID.SEQUENCE:
    case EVENT_ID.MAPPING:
      return event.start;
    case EVENT_ID.ALIAS:
      return event.anchorStart - 1;
    default:
      return undefined;
  }
}

/** Empty nodes have no place of their own: they stand where their parent's last part stands. */
function lastOffset(stack: readonly Frame[]): number {
  const frame = stack.at(-1);
  return frame?.key?.at ?? frame?.offsets.at(-1) ?? frame?.at ?? 0;
}

function duplicateKey(reader: Reader, name: string, at: number, before: number): void {
  reader.problems.push({
    severity: 'warning',
    code: 'duplicate-key',
    message: `The key ${JSON.stringify(name)} appears twice; the last one wins.`,
    at: reader.index.place(at),
    hint: `The first one is on line ${reader.index.place(before).line}. Keep one of them.`,
  });
}

function unknownTag(reader: Reader, tag: string, at: number): void {
  const near = didYouMean(tag, Object.keys(reader.options.tags ?? {}));
  const hint = near === undefined ? undefined : `Did you mean ${near}?`;
  problem(reader, at, 'unknown-tag', `The tag ${shortTag(tag)} is not supported.`, hint);
}

function unknownAlias(reader: Reader, at: number, name: string, known: Iterable<string>): never {
  const near = didYouMean(name, known);
  const hint = near === undefined ? undefined : `Did you mean *${near}?`;
  return refuse(reader, at - 1, 'yaml-alias', `No anchor &${name} stands before the alias *${name}.`, hint);
}

function problem(reader: Reader, at: number, code: string, message: string, hint?: string): void {
  reader.problems.push({ severity: 'error', code, message, at: reader.index.place(at), hint });
}

function refuse(reader: Reader, at: number, code: string, message: string, hint?: string): never {
  throw new Refusal({ severity: 'error', code, message, at: reader.index.place(at), hint });
}
