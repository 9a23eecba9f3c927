import { canReadChange } from './access.ts';
import type { Account, Change, State } from './model.ts';
import { defaultField, OPERATORS, type Predicate, QueryError, type Scope } from './operators.ts';

/** The query language, as far as CIs speak it. Unknown operators are errors, as in Gerrit. */

type Token =
  | { readonly kind: 'open' | 'close' | 'and' | 'or' | 'not' }
  | { readonly kind: 'field'; readonly name: string; readonly value: string }
  | { readonly kind: 'word'; readonly value: string };

const KEYWORDS: Readonly<Record<string, 'and' | 'or' | 'not'>> = { AND: 'and', OR: 'or', NOT: 'not' };

const SPACE = /[\t\n\r \u3000]/;

/** A value: `"phrase"`, `{phrase}` or a word; and where it ends. */
function readValue(text: string, from: number): [string, number] {
  const quote = text.charAt(from);
  if (quote === '"' || quote === '{') {
    const close = quote === '"' ? '"' : '}';
    const end = text.indexOf(close, from + 1);
    if (end < 0)
      throw new QueryError(`line 1:${text.length} mismatched character '<EOF>' expecting '${close}'`);
    return [text.slice(from + 1, end), end + 1];
  }
  let end = from;
  while (end < text.length && !SPACE.test(text.charAt(end)) && !'()"{}'.includes(text.charAt(end))) end++;
  if (end === from) {
    const found = from < text.length ? text.charAt(from) : '<EOF>';
    throw new QueryError(`line 1:${from} no viable alternative at input '${found}'`);
  }
  return [text.slice(from, end), end];
}

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  for (let at = 0; at < text.length; ) {
    const char = text.charAt(at);
    const field = /^([a-zA-Z_]+):/.exec(text.slice(at));
    if (SPACE.test(char)) {
      at++;
    } else if (char === '(' || char === ')') {
      tokens.push({ kind: char === '(' ? 'open' : 'close' });
      at++;
    } else if (char === '-') {
      tokens.push({ kind: 'not' });
      at++;
    } else if (field !== null) {
      const [value, end] = readValue(text, at + field[0].length);
      tokens.push({ kind: 'field', name: (field[1] ?? '').toLowerCase(), value });
      at = end;
    } else {
      const [value, end] = readValue(text, at);
      const bare = char !== '"' && char !== '{';
      const kind = bare ? KEYWORDS[value.toUpperCase()] : undefined;
      tokens.push(kind === undefined ? { kind: 'word', value } : { kind });
      at = end;
    }
  }
  return tokens;
}

interface Parsed {
  readonly matches: Predicate;
  readonly limit: number | undefined;
}

/** or: and (OR and)*; and: not ((AND)? not)*; not: (- | NOT)? (parenthesis | operator). */
class Parser {
  readonly #tokens: readonly Token[];
  readonly #scope: Scope;
  #at = 0;
  limit: number | undefined;

  constructor(tokens: readonly Token[], scope: Scope) {
    this.#tokens = tokens;
    this.#scope = scope;
  }

  parse(): Predicate {
    const predicate = this.#or();
    if (this.#at < this.#tokens.length) {
      throw new QueryError("line 1:0 extraneous input ')' expecting EOF");
    }
    return predicate;
  }

  #takes(kind: Token['kind']): boolean {
    if (this.#tokens[this.#at]?.kind !== kind) return false;
    this.#at++;
    return true;
  }

  #or(): Predicate {
    const parts = [this.#and()];
    while (this.#takes('or')) parts.push(this.#and());
    return (change) => parts.some((part) => part(change));
  }

  #and(): Predicate {
    const parts = [this.#not()];
    for (;;) {
      const next = this.#tokens[this.#at]?.kind;
      if (next === undefined || next === 'or' || next === 'close') break;
      this.#takes('and');
      parts.push(this.#not());
    }
    return (change) => parts.every((part) => part(change));
  }

  #not(): Predicate {
    if (this.#takes('not')) {
      const inner = this.#not();
      return (change) => !inner(change);
    }
    if (this.#takes('open')) {
      const inner = this.#or();
      if (!this.#takes('close')) throw new QueryError("line 1:0 missing ')' at '<EOF>'");
      return inner;
    }
    const token = this.#tokens[this.#at++];
    if (token?.kind === 'word') return defaultField(this.#scope, token.value);
    if (token?.kind !== 'field') throw new QueryError("line 1:0 no viable alternative at input '<EOF>'");
    if (token.name === 'limit') {
      const limit = Number(token.value);
      if (!Number.isInteger(limit) || limit < 1) throw new QueryError(`invalid limit: ${token.value}`);
      this.limit = limit;
      return () => true;
    }
    const operator = OPERATORS[token.name];
    if (operator === undefined) {
      throw new QueryError(`Unsupported operator ${token.name}:${token.value}`);
    }
    return operator(token.value, this.#scope);
  }
}

function parse(text: string, scope: Scope): Parsed {
  const tokens = tokenize(text);
  if (tokens.length === 0) throw new QueryError('query is empty');
  const parser = new Parser(tokens, scope);
  const matches = parser.parse();
  return { matches, limit: parser.limit };
}

export interface Found {
  readonly changes: readonly Change[];
  readonly moreChanges: boolean;
}

/** Changes the user may see that match, newest update first. `most`: undefined for no limit. */
export function runQuery(
  state: State,
  account: Account,
  text: string,
  now: number,
  start: number,
  most: number | undefined,
): Found {
  const { matches, limit } = parse(text, { state, account, now });
  const all = [...state.changes.values()]
    .filter((c) => matches(c) && canReadChange(state, account, c))
    .sort((a, b) => b.updatedOn - a.updatedOn || b.number - a.number);
  const end = start + Math.min(limit ?? Number.POSITIVE_INFINITY, most ?? Number.POSITIVE_INFINITY);
  return { changes: all.slice(start, end), moreChanges: all.length > end };
}
