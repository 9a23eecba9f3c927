import { type Dict, isDict, pythonText } from '../python.ts';
import { type Expression, ExpressionReader, type Scope, truth } from './expression.ts';
import { Missing, mistake, present } from './value.ts';

/**
 * The part of Jinja2 that JJB files use (`!j2:`, `!include-jinja2:`): output, for, if, set, include, raw and comments, with
 * Jinja's default handling of white space and undefined names refused. Anything else is an error that names it.
 */
export type Jinja = (params: Dict) => string;

interface Output {
  text: string[];
  size: number;
  steps: number;
}

type Node = (scope: Frame, out: Output) => void;

const MOST_CHARACTERS = 16_000_000;
const MOST_STEPS = 1_000_000;
const DEEPEST = 20;

/** `read` gives the text of a template that is included, undefined where there is none. */
export function createJinja(text: string, read: (name: string) => string | undefined): Jinja {
  return (params) => {
    const out: Output = { text: [], size: 0, steps: 0 };
    render(parseTemplate(text, read, 0), new Frame(params, undefined), out);
    return out.text.join('');
  };
}

/** Names that are known in one place of a template. */
class Frame implements Scope {
  readonly #values: Dict;
  readonly #outer: Frame | undefined;
  readonly #own = new Map<string, unknown>();

  constructor(values: Dict, outer: Frame | undefined) {
    this.#values = values;
    this.#outer = outer;
  }

  lookUp(name: string): unknown {
    if (this.#own.has(name)) return this.#own.get(name);
    if (Object.hasOwn(this.#values, name)) return this.#values[name];
    return this.#outer === undefined ? new Missing(name) : this.#outer.lookUp(name);
  }

  set(name: string, value: unknown): void {
    this.#own.set(name, value);
  }
}

function render(nodes: readonly Node[], scope: Frame, out: Output): void {
  for (const node of nodes) {
    step(out);
    node(scope, out);
  }
}

function step(out: Output): void {
  if (++out.steps > MOST_STEPS) throw mistake('the template does not come to an end.');
}

function write(out: Output, text: string): void {
  out.size += text.length;
  if (out.size > MOST_CHARACTERS) throw mistake('the text grows beyond 16 million characters.');
  out.text.push(text);
}

type Piece =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'output' | 'tag'; readonly text: string };

interface Parser {
  readonly pieces: readonly Piece[];
  readonly read: (name: string) => string | undefined;
  readonly depth: number;
  at: number;
  nested: number;
}

function parseTemplate(text: string, read: (name: string) => string | undefined, depth: number): Node[] {
  const parser: Parser = { pieces: cut(text.replace(/\r?\n$/, '')), read, depth, at: 0, nested: 0 };
  const { nodes, end } = parseUntil(parser, []);
  if (end !== undefined) throw mistake(`"${end.word}" has no beginning.`);
  return nodes;
}

/** Cuts a template into text and tags; `-` at a tag's edge takes the white space next to it. */
function cut(text: string): Piece[] {
  const pieces: Piece[] = [];
  const opening = /\{\{|\{%|\{#/g;
  let at = 0;
  let trimNext = false;
  const push = (piece: string, trimEnd: boolean): void => {
    const start = trimNext ? piece.trimStart() : piece;
    const shown = trimEnd ? start.trimEnd() : start;
    if (shown !== '') pieces.push({ kind: 'text', text: shown });
  };
  for (let match = opening.exec(text); match !== null; match = opening.exec(text)) {
    const sign = match[0];
    const closing = sign === '{{' ? '}}' : sign === '{%' ? '%}' : '#}';
    const end = closingTag(text, match.index + 2, closing);
    const body = text.slice(match.index + 2, end);
    push(text.slice(at, match.index), body.startsWith('-'));
    trimNext = body.endsWith('-');
    at = end + 2;
    const inner = body.replace(/^[-+]/, '').replace(/[-+]$/, '').trim();
    if (sign === '{%' && inner === 'raw') at = raw(text, at, pieces);
    else if (sign !== '{#') pieces.push({ kind: sign === '{{' ? 'output' : 'tag', text: inner });
    opening.lastIndex = at;
  }
  push(text.slice(at), false);
  return pieces;
}

function closingTag(text: string, from: number, closing: string): number {
  let quote = '';
  for (let at = from; at < text.length; at++) {
    const char = text[at] ?? '';
    if (quote === '' && text.startsWith(closing, at)) return at;
    if (char === '\\' && quote !== '') at++;
    else if (char === quote) quote = '';
    else if (quote === '' && closing !== '#}' && (char === '"' || char === "'")) quote = char;
  }
  throw mistake(`a "${closing}" is missing.`);
}

function raw(text: string, at: number, pieces: Piece[]): number {
  const end = /\{%[-+]?\s*endraw\s*[-+]?%\}/g;
  end.lastIndex = at;
  const match = end.exec(text);
  if (match === null) throw mistake('"endraw" is missing.');
  pieces.push({ kind: 'text', text: text.slice(at, match.index) });
  return match.index + match[0].length;
}

interface End {
  readonly word: string;
  readonly reader: ExpressionReader;
}

/** Nodes up to one of the tags that end the block; `end` is that tag, undefined at the end of the text. */
function parseUntil(parser: Parser, ends: readonly string[]): { nodes: Node[]; end: End | undefined } {
  const nodes: Node[] = [];
  if (++parser.nested > 50) throw mistake('the blocks nest too deeply.');
  for (let piece = parser.pieces[parser.at++]; piece !== undefined; piece = parser.pieces[parser.at++]) {
    const { kind, text } = piece;
    if (kind === 'text') nodes.push((_, out) => write(out, text));
    else if (kind === 'output') nodes.push(output(text));
    else {
      const reader = new ExpressionReader(text);
      const word = reader.name();
      if (ends.includes(word) || word.startsWith('end')) {
        parser.nested--;
        return { nodes, end: { word, reader } };
      }
      nodes.push(statement(word, reader, parser));
    }
  }
  parser.nested--;
  if (ends.length > 0) throw mistake(`"${ends.at(-1)}" is missing.`);
  return { nodes, end: undefined };
}

function output(text: string): Node {
  const reader = new ExpressionReader(text);
  const value = reader.expression();
  reader.end();
  return (scope, out) => write(out, pythonText(present(value(scope))));
}

function statement(word: string, reader: ExpressionReader, parser: Parser): Node {
  switch (word) {
    case 'for':
      return loop(reader, parser);
    case 'if':
      return branch(reader, parser);
    case 'set':
      return assignment(reader);
    case 'include':
      return inclusion(reader, parser);
    default:
      throw mistake(`the statement "${word}" is not supported.`);
  }
}

function finish(end: End | undefined, word: string): void {
  if (end?.word !== word)
    throw mistake(`"${word}" is missing${end === undefined ? '' : ` before "${end.word}"`}.`);
}

function loop(reader: ExpressionReader, parser: Parser): Node {
  const names = [reader.name()];
  while (reader.take(',')) names.push(reader.name());
  reader.need('in');
  const list = reader.expression();
  reader.end();
  const body = parseUntil(parser, ['else', 'endfor']);
  const otherwise = body.end?.word === 'else' ? parseUntil(parser, ['endfor']) : undefined;
  finish((otherwise ?? body).end, 'endfor');
  return (scope, out) => {
    const items = iterate(present(list(scope)));
    if (items.length === 0) render(otherwise?.nodes ?? [], scope, out);
    for (const [index, item] of items.entries()) {
      step(out);
      const first = index === 0;
      const last = index === items.length - 1;
      const info = { index: index + 1, index0: index, first, last, length: items.length };
      const inner = new Frame({ loop: info }, scope);
      const values = names.length === 1 ? [item] : iterate(item);
      for (const [position, name] of names.entries()) inner.set(name, values[position] ?? null);
      render(body.nodes, inner, out);
    }
  };
}

function iterate(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  if (isDict(value)) return Object.keys(value);
  if (typeof value === 'string') return Array.from(value);
  throw mistake('a loop needs a list.');
}

function branch(reader: ExpressionReader, parser: Parser): Node {
  const cases: { condition: Expression; nodes: readonly Node[] }[] = [];
  let otherwise: readonly Node[] = [];
  let next: End | undefined = { word: 'if', reader };
  while (next?.word === 'if' || next?.word === 'elif') {
    const condition = next.reader.expression();
    next.reader.end();
    const block = parseUntil(parser, ['elif', 'else', 'endif']);
    cases.push({ condition, nodes: block.nodes });
    next = block.end;
  }
  if (next?.word === 'else') {
    const block = parseUntil(parser, ['endif']);
    otherwise = block.nodes;
    next = block.end;
  }
  finish(next, 'endif');
  return (scope, out) => {
    const taken = cases.find(({ condition }) => truth(condition(scope)));
    render(taken?.nodes ?? otherwise, scope, out);
  };
}

function assignment(reader: ExpressionReader): Node {
  const name = reader.name();
  reader.need('=');
  const value = reader.expression();
  reader.end();
  return (scope) => scope.set(name, present(value(scope)));
}

function inclusion(reader: ExpressionReader, parser: Parser): Node {
  const path = reader.expression();
  const optional = reader.take('ignore');
  if (optional) reader.need('missing');
  reader.end();
  return (scope, out) => {
    const name = pythonText(present(path(scope)));
    const text = parser.read(name);
    if (text === undefined && optional) return;
    if (text === undefined) throw mistake(`the template ${JSON.stringify(name)} cannot be found.`);
    if (parser.depth >= DEEPEST) throw mistake('templates include each other in a circle.');
    render(parseTemplate(text, parser.read, parser.depth + 1), scope, out);
  };
}
