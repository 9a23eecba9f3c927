import { CHOMPING_MODE, EVENT_ID, type Event, getScalarValue, SCALAR_STYLE, type ScalarEvent } from 'js-yaml';
import { problem, type Reader, STANDARD, shortTag, unknownTag } from './reader.ts';
import { Float, floatText, readBoolean, readFloat, readInteger, resolvePlain } from './scalar.ts';

/** Single nodes: their tags, values and places. */

/** The text of a scalar. A block that ends with the file, without a line end, gets none in PyYAML. */
export function scalarText(text: string, event: ScalarEvent): string {
  const content = getScalarValue(text, event);
  const block = event.style === SCALAR_STYLE.LITERAL_BLOCK || event.style === SCALAR_STYLE.FOLDED_BLOCK;
  const open = block && event.chomping !== CHOMPING_MODE.STRIP && event.valueEnd === text.length;
  return open && !/[\r\n]$/.test(text) && content.endsWith('\n') ? content.slice(0, -1) : content;
}

export function scalarValue(
  reader: Reader,
  content: string,
  tag: string,
  plain: boolean,
  at: number,
): unknown {
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
export function keyName(key: unknown): string | undefined {
  if (typeof key === 'string') return key;
  if (typeof key === 'number') return Number.isInteger(key) ? String(key) : floatText(key);
  if (key === null || typeof key === 'boolean' || key instanceof Float) return String(key);
  return undefined;
}

export function tagOf(event: Event & { tagStart: number; tagEnd: number }, text: string): string {
  if (event.tagStart === -1) return '';
  const raw = text.slice(event.tagStart, event.tagEnd);
  if (raw.startsWith('!<')) return raw.slice(2, -1);
  return raw.startsWith('!!') ? STANDARD + raw.slice(2) : raw;
}

/** Offset of the first character of a node, quote or block sign included. */
export function startOf(event: Event): number | undefined {
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
