/**
 * Jenkins' label expressions: `!a`, `a && b`, `a || b`, `a -> b` (implies), `a <-> b` (both or neither), parentheses,
 * quotes around labels with odd characters. Operators bind in this order, the tightest first. The empty text fits every node.
 */

export type LabelExpression =
  | { readonly kind: 'any' }
  | { readonly kind: 'label'; readonly name: string }
  | { readonly kind: 'not'; readonly operand: LabelExpression }
  | {
      readonly kind: 'and' | 'or' | 'implies' | 'iff';
      readonly left: LabelExpression;
      readonly right: LabelExpression;
    };

export type LabelRead =
  | { readonly kind: 'parsed'; readonly expression: LabelExpression }
  /** `at`: offset in the text. */
  | { readonly kind: 'wrong'; readonly message: string; readonly at: number };

interface Token {
  readonly kind: 'label' | 'operator' | 'end';
  readonly text: string;
  readonly at: number;
}

const OPERATORS = ['<->', '->', '&&', '||', '!', '(', ')'];
const LABEL = /(?:[^\s()!&|"<>-]|-(?!>))+/y;
const LEVELS = [
  ['<->', 'iff'],
  ['->', 'implies'],
  ['||', 'or'],
  ['&&', 'and'],
] as const;
const DEEPEST = 100;

export function parseLabel(text: string): LabelRead {
  if (text.trim() === '') return { kind: 'parsed', expression: { kind: 'any' } };
  try {
    const parser = { tokens: tokenize(text), at: 0, depth: 0 };
    const expression = parseLevel(parser, 0);
    const rest = peek(parser);
    if (rest.kind !== 'end')
      throw new LabelMistake(`An operator is missing before ${JSON.stringify(rest.text)}.`, rest.at);
    return { kind: 'parsed', expression };
  } catch (caught) {
    if (!(caught instanceof LabelMistake)) throw caught;
    return { kind: 'wrong', message: caught.message, at: caught.at };
  }
}

/** Whether a node with these labels (its own name among them) fits. */
export function evaluate(expression: LabelExpression, labels: ReadonlySet<string>): boolean {
  switch (expression.kind) {
    case 'any':
      return true;
    case 'label':
      return labels.has(expression.name);
    case 'not':
      return !evaluate(expression.operand, labels);
    case 'and':
      return evaluate(expression.left, labels) && evaluate(expression.right, labels);
    case 'or':
      return evaluate(expression.left, labels) || evaluate(expression.right, labels);
    case 'implies':
      return !evaluate(expression.left, labels) || evaluate(expression.right, labels);
    case 'iff':
      break;
  }
  return evaluate(expression.left, labels) === evaluate(expression.right, labels);
}

/** Every label an expression mentions, for "no node has this label". */
export function labelsOf(expression: LabelExpression): string[] {
  switch (expression.kind) {
    case 'any':
      return [];
    case 'label':
      return [expression.name];
    case 'not':
      return labelsOf(expression.operand);
    case 'and':
    case 'or':
    case 'implies':
    case 'iff':
      break;
  }
  return [...new Set([...labelsOf(expression.left), ...labelsOf(expression.right)])];
}

/** Leaves the parser from any depth; never leaves this file. */
class LabelMistake extends Error {
  readonly at: number;

  constructor(message: string, at: number) {
    super(message);
    this.at = at;
  }
}

interface Parser {
  readonly tokens: readonly Token[];
  at: number;
  depth: number;
}

function peek(parser: Parser): Token {
  return parser.tokens[parser.at] ?? { kind: 'end', text: '', at: 0 };
}

function parseLevel(parser: Parser, level: number): LabelExpression {
  const operator = LEVELS[level];
  if (operator === undefined) return parseOperand(parser);
  let left = parseLevel(parser, level + 1);
  for (let count = 0; peek(parser).kind === 'operator' && peek(parser).text === operator[0]; count++) {
    if (count > 1000) throw new LabelMistake('The expression is too long.', peek(parser).at);
    parser.at++;
    left = { kind: operator[1], left, right: parseLevel(parser, level + 1) };
  }
  return left;
}

function parseOperand(parser: Parser): LabelExpression {
  const token = peek(parser);
  if (++parser.depth > DEEPEST) throw new LabelMistake('The expression nests too deeply.', token.at);
  parser.at++;
  const operand = operandOf(parser, token);
  parser.depth--;
  return operand;
}

function operandOf(parser: Parser, token: Token): LabelExpression {
  if (token.kind === 'label') return { kind: 'label', name: token.text };
  if (token.kind === 'end') throw new LabelMistake('A label is missing at the end.', token.at);
  if (token.text === '!') return { kind: 'not', operand: parseOperand(parser) };
  if (token.text !== '(') throw new LabelMistake(`A label is missing before ${token.text}.`, token.at);
  const inner = parseLevel(parser, 0);
  const end = peek(parser);
  if (end.kind !== 'operator' || end.text !== ')') throw new LabelMistake('A ")" is missing.', end.at);
  parser.at++;
  return inner;
}

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length) {
    if (/\s/.test(text[at] ?? '')) {
      at++;
      continue;
    }
    const operator = OPERATORS.find((candidate) => text.startsWith(candidate, at));
    if (operator !== undefined) {
      tokens.push({ kind: 'operator', text: operator, at });
      at += operator.length;
      continue;
    }
    const { name, end } = text[at] === '"' ? quoted(text, at) : bare(text, at);
    tokens.push({ kind: 'label', text: name, at });
    at = end;
  }
  tokens.push({ kind: 'end', text: '', at: text.length });
  return tokens;
}

function bare(text: string, at: number): { name: string; end: number } {
  LABEL.lastIndex = at;
  const name = LABEL.exec(text)?.[0];
  if (name !== undefined) return { name, end: at + name.length };
  const sign = text[at] ?? '';
  const twice = sign === '&' || sign === '|' ? ` Did you mean ${sign}${sign}?` : '';
  throw new LabelMistake(`${sign} is no operator.${twice}`, at);
}

function quoted(text: string, at: number): { name: string; end: number } {
  let name = '';
  for (let i = at + 1; i < text.length; i++) {
    if (text[i] === '"') return { name, end: i + 1 };
    if (text[i] === '\\' && i + 1 < text.length) i++;
    name += text[i];
  }
  throw new LabelMistake('The quote is never closed.', at);
}
