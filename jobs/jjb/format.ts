import { formatWithSpec } from './formatspec.ts';
import { type Dict, isDict, isList, pythonRepr, pythonText } from './python.ts';

/**
 * JJB's string substitution: Python's `str.format` with three additions. A text that is nothing but one `{x}` or
 * `{obj:x}` becomes the value itself, whatever its type; `{x|text}` has a default; and with `allowEmpty` a missing value
 * is the empty text. The additions are recognised by a regular expression in front of `str.format`, with its accidents:
 * their names are words only (`{mail-to}` is plain `str.format`, `{mail-to|d}` therefore looks for a value of that
 * whole name), and `{{{x}}}` as a whole text is the value of x without braces.
 */

/** What a format asks for and cannot get. */
export class FormatMistake extends Error {
  readonly code: 'missing-parameter' | 'format' | 'too-large';
  /** The parameter that is missing. */
  readonly parameter: string | undefined;

  constructor(code: 'missing-parameter' | 'format' | 'too-large', message: string, parameter?: string) {
    super(message);
    this.code = code;
    this.parameter = parameter;
  }
}

/** A value that is known only when the parameters are: a lazy include or a Jinja template. */
export class Deferred {
  /** JJB's name for it. */
  readonly name: string;
  readonly render: (params: Dict, allowEmpty: boolean) => unknown;
  /** JJB renders a Jinja template even where a macro was called without parameters. */
  readonly always: boolean;
  /** Parameters are substituted in what it renders, too. */
  readonly substitute: boolean;

  constructor(
    name: string,
    render: (params: Dict, allowEmpty: boolean) => unknown,
    options: { always?: boolean; substitute?: boolean } = {},
  ) {
    this.name = name;
    this.render = render;
    this.always = options.always ?? false;
    this.substitute = options.substitute ?? false;
  }

  /** As JJB prints it, to show where a template never got its parameters. */
  toJSON(): string {
    return `<jenkins_jobs.local_yaml.${this.name} object at 0x0>`;
  }
}

const KEY = String.raw`(?:obj:)?([\p{L}\p{N}_]+)(?:\|([^}]*))?`;
const WHOLE = new RegExp(String.raw`^(?<!\{)\{(?:\{\{)*${KEY}\}(?:\}\})*(?!\})\n?$`, 'u');
const WITH_DEFAULT = new RegExp(String.raw`(?<!\{)\{(?:\{\{)*${KEY}\}(?:\}\})*(?!\})`, 'gu');

/** How deep includes may lie in each other. */
const MOST_DEPTH = 20;

/** No formatted text may be larger than this many characters. */
const MOST_CHARACTERS = 16_000_000;

/** Substitutes in one text. Throws FormatMistake. */
export function formatText(template: string, params: Dict, allowEmpty: boolean): unknown {
  if (!template.includes('{') && !template.includes('}')) return template;
  const whole = WHOLE.exec(template)?.[1];
  if (whole !== undefined && Object.hasOwn(params, whole)) return params[whole];
  return formatPlain(withDefaults(template, params), params, allowEmpty);
}

function withDefaults(template: string, params: Dict): string {
  if (!template.includes('|')) return template;
  return template.replace(WITH_DEFAULT, (all: string, key: string, fallback: string | undefined) => {
    if (fallback === undefined) return all;
    return Object.hasOwn(params, key) ? `{${key}}` : fallback;
  });
}

/** Python's own `str.format(**params)`. */
export function formatPlain(text: string, params: Dict, allowEmpty: boolean): string {
  let result = '';
  for (const part of parseFormat(text)) {
    result += typeof part === 'string' ? part : field(part, text, params, allowEmpty);
    if (result.length > MOST_CHARACTERS)
      throw new FormatMistake('too-large', 'The text grows beyond 16 million characters.');
  }
  return result;
}

/** The parameters that a text uses, in its order, with the text each falls back on. */
export function fieldsOf(text: string): { name: string; fallback: string | undefined }[] {
  const fallbacks = new Map<string, string>();
  const plain = text.replace(WITH_DEFAULT, (_all: string, key: string, fallback: string | undefined) => {
    if (fallback !== undefined) fallbacks.set(key, fallback);
    return `{${key}}`;
  });
  return parseFormat(plain).flatMap((part) =>
    typeof part === 'string' ? [] : [{ name: part.name, fallback: fallbacks.get(part.name) }],
  );
}

interface Field {
  /** Offset of its name. */
  readonly at: number;
  readonly name: string;
  readonly path: readonly string[];
  readonly conversion: string | undefined;
  readonly spec: string;
}

function field(part: Field, text: string, params: Dict, allowEmpty: boolean): string {
  const found = lookUp(part, text, params, allowEmpty);
  const { conversion } = part;
  if (conversion !== undefined && !'rsa'.includes(conversion)) {
    throw new FormatMistake('format', `!${conversion} in ${excerpt(text, part.at)} is no conversion.`);
  }
  const value = conversion === undefined ? found : conversion === 's' ? pythonText(found) : pythonRepr(found);
  if (part.spec === '') return pythonText(value);
  const spec = part.spec.includes('{') ? formatPlain(part.spec, params, allowEmpty) : part.spec;
  const shown = formatWithSpec(value, spec);
  if (shown === undefined) {
    throw new FormatMistake(
      'format',
      `":${spec}" in ${excerpt(text, part.at)} does not fit the value of ${part.name}.`,
    );
  }
  return shown;
}

function lookUp(part: Field, text: string, params: Dict, allowEmpty: boolean): unknown {
  const { name } = part;
  if (/^\d*$/.test(name)) {
    throw new FormatMistake('format', `{${name}} in ${excerpt(text, part.at)} names no parameter.`);
  }
  if (!Object.hasOwn(params, name) && !allowEmpty) {
    throw new FormatMistake(
      'missing-parameter',
      `Parameter ${name} is not set; ${excerpt(text, part.at)} needs it.`,
      name,
    );
  }
  let value = Object.hasOwn(params, name) ? params[name] : '';
  for (const step of part.path) {
    const inner = child(value, step);
    if (inner === undefined) {
      throw new FormatMistake(
        'format',
        `${name} has no part ${JSON.stringify(step)}, which ${excerpt(text, part.at)} needs.`,
      );
    }
    value = inner;
  }
  return value;
}

function child(value: unknown, step: string): unknown {
  if (isDict(value)) return Object.hasOwn(value, step) ? value[step] : undefined;
  if (Array.isArray(value) || typeof value === 'string')
    return /^\d+$/.test(step) ? value[Number(step)] : undefined;
  return undefined;
}

/** The parts of a format text: literals and fields, by the grammar of CPython's MarkupIterator. */
function parseFormat(text: string): (string | Field)[] {
  const parts: (string | Field)[] = [];
  let at = 0;
  let literal = '';
  while (at < text.length) {
    const next = nextBrace(text, at);
    literal += text.slice(at, next);
    if (next === text.length) break;
    const brace = text[next];
    if (text[next + 1] === brace) {
      literal += brace;
      at = next + 2;
      continue;
    }
    if (brace === '}' || next + 1 === text.length) {
      throw new FormatMistake('format', `Single "${brace}" in ${excerpt(text, next)}.`);
    }
    if (literal !== '') parts.push(literal);
    literal = '';
    const read = readField(text, next + 1);
    parts.push(read.field);
    at = read.end;
  }
  if (literal !== '') parts.push(literal);
  return parts;
}

function nextBrace(text: string, from: number): number {
  for (let at = from; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 123 || code === 125) return at;
  }
  return text.length;
}

/** Reads a field whose opening brace stands before `start`. */
function readField(text: string, start: number): { field: Field; end: number } {
  let at = start;
  while (at < text.length && !'{}:!'.includes(text[at] ?? '')) {
    if (text[at] === '[') at = closing(text, at);
    at++;
  }
  const mark = text[at];
  if (mark === '{')
    throw new FormatMistake('format', `A brace inside the braces of ${excerpt(text, start - 1)}.`);
  if (mark === undefined)
    throw new FormatMistake('format', `The brace in ${excerpt(text, start - 1)} is never closed.`);
  const { name, path } = splitName(text.slice(start, at), text);
  if (mark === '}') return { field: { at: start, name, path, conversion: undefined, spec: '' }, end: at + 1 };
  at++;
  let conversion: string | undefined;
  if (mark === '!') {
    conversion = text[at];
    const after = text[at + 1];
    if (conversion === undefined || (after !== '}' && after !== ':')) {
      throw new FormatMistake(
        'format',
        `After "!" in ${excerpt(text, start - 1)} one letter and "}" or ":" must follow.`,
      );
    }
    if (after === '}') return { field: { at: start, name, path, conversion, spec: '' }, end: at + 2 };
    at += 2;
  }
  const end = closingBrace(text, at, start);
  return { field: { at: start, name, path, conversion, spec: text.slice(at, end) }, end: end + 1 };
}

function closing(text: string, at: number): number {
  const end = text.indexOf(']', at);
  return end === -1 ? text.length : end;
}

function closingBrace(text: string, from: number, start: number): number {
  let open = 1;
  for (let at = nextBrace(text, from); at < text.length; at = nextBrace(text, at + 1)) {
    open += text[at] === '{' ? 1 : -1;
    if (open === 0) return at;
  }
  throw new FormatMistake('format', `The brace in ${excerpt(text, start - 1)} is never closed.`);
}

/** `d[k].x` → d, [k, x]. */
function splitName(name: string, text: string): { name: string; path: string[] } {
  const first = /^[^.[]*/.exec(name)?.[0] ?? '';
  const rest = name.slice(first.length);
  if (rest === '') return { name: first, path: [] };
  const steps = [...rest.matchAll(/\.([^.[]+)|\[([^\]]+)\]/gy)];
  if (steps.reduce((sum, step) => sum + step[0].length, 0) !== rest.length) {
    throw new FormatMistake('format', `{${name}} in ${excerpt(text)} is no parameter.`);
  }
  return { name: first, path: steps.map((step) => step[1] ?? step[2] ?? '') };
}

/** A few words of a text around an offset, quoted; of a long text also the line. */
function excerpt(text: string, at = 0): string {
  const start = text.lastIndexOf('\n', at - 1) + 1;
  const line = text.slice(start).split('\n', 1)[0] ?? '';
  const from = Math.max(0, Math.min(at - start - 20, line.length - 60));
  const cut = line.slice(from, from + 60).trim();
  const shown = JSON.stringify(`${from > 0 ? '…' : ''}${cut}${from + 60 < line.length ? '…' : ''}`);
  const row = text.slice(0, start).split('\n').length;
  return text.trimEnd().includes('\n') ? `${shown} (line ${row} of the text)` : shown;
}

export interface Budget {
  left: number;
}

/** Six times what OpenStack's corpus makes of 12,336 jobs. */
export const ALL_CHARACTERS = 256_000_000;

/** What formatting a tree needs, and where it stands when it fails. */
export interface FormatContext {
  readonly params: Dict;
  readonly allowEmpty: boolean;
  /** Containers without a brace anywhere below: they are shared, not copied. */
  readonly plain: WeakMap<object, boolean>;
  /** Characters that all formatted texts together may still take. */
  readonly budget: Budget;
  /** Told about every copy, so that places follow. */
  readonly copied: (copy: object, source: object) => void;
  /** Includes around what is being formatted. */
  depth?: number;
  /** The container and key that were being formatted last. */
  node?: object;
  key?: string | number | undefined;
}

/** Substitutes in every text of a tree, keys included. Parts without braces are shared with the source. */
export function formatTree(value: unknown, context: FormatContext): unknown {
  if (typeof value === 'string') return formatCharged(value, context);
  if (isList(value)) return isPlain(value, context.plain) ? value : formatList(value, context);
  if (isDict(value)) return isPlain(value, context.plain) ? value : formatDict(value, context);
  return value instanceof Deferred ? renderDeferred(value, context) : value;
}

function formatCharged(text: string, context: FormatContext): unknown {
  const formatted = formatText(text, context.params, context.allowEmpty);
  if (typeof formatted === 'string' && formatted !== text) {
    context.budget.left -= formatted.length;
    if (context.budget.left < 0) {
      throw new FormatMistake(
        'too-large',
        `All texts together grow beyond ${ALL_CHARACTERS / 1e6} million characters.`,
      );
    }
  }
  return formatted;
}

function renderDeferred(value: Deferred, context: FormatContext): unknown {
  let rendered: unknown = value;
  for (let round = 0; rendered instanceof Deferred; round++) {
    if (round === 100) throw new FormatMistake('format', 'An include leads to itself.');
    const { substitute } = rendered;
    rendered = rendered.render(context.params, context.allowEmpty);
    if (!substitute) continue;
    const depth = context.depth ?? 0;
    if (depth >= MOST_DEPTH) throw new FormatMistake('format', 'An include leads to itself.');
    context.depth = depth + 1;
    rendered = formatTree(rendered, context);
    context.depth = depth;
  }
  return rendered;
}

function formatList(list: readonly unknown[], context: FormatContext): unknown[] {
  const copy: unknown[] = [];
  for (let index = 0; index < list.length; index++) {
    context.node = list;
    context.key = index;
    copy.push(formatTree(list[index], context));
  }
  context.copied(copy, list);
  return copy;
}

function formatDict(dict: Dict, context: FormatContext): Dict {
  const copy: Record<string, unknown> = {};
  for (const key in dict) {
    context.node = dict;
    context.key = key;
    const name =
      key.includes('{') || key.includes('}') ? formatText(key, context.params, context.allowEmpty) : key;
    if (name === '__proto__') throw new FormatMistake('format', 'The key "__proto__" is not allowed.');
    copy[pythonText(name)] = formatTree(dict[key], context);
  }
  context.copied(copy, dict);
  return copy;
}

function isPlain(value: unknown, known: WeakMap<object, boolean>): boolean {
  if (typeof value === 'string') return !value.includes('{') && !value.includes('}');
  if (value instanceof Deferred) return false;
  if (!isList(value) && !isDict(value)) return true;
  const before = known.get(value);
  if (before !== undefined) return before;
  const plain = isList(value)
    ? value.every((item) => isPlain(item, known))
    : Object.entries(value).every(([key, item]) => isPlain(key, known) && isPlain(item, known));
  known.set(value, plain);
  return plain;
}
