import { RE2JS } from 're2js';
import { canReadChange } from './access.ts';
import { isSubmittable, labelStatuses, subjectOf } from './attributes.ts';
import type { Account, Change, State } from './model.ts';
import { current } from './model.ts';

/** The query language, as far as CIs speak it. Unknown operators are errors, as in Gerrit. */

export class QueryError extends Error {
  override readonly name = 'QueryError';
}

type Predicate = (change: Change) => boolean;

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

/** What surrounds a query: the changes it runs on, who asks and when. */
interface Scope {
  readonly state: State;
  readonly account: Account;
  readonly now: number;
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

/** A word without an operator: a number, a Change-Id, a commit, or text that may stand anywhere. */
function defaultField(scope: Scope, value: string): Predicate {
  if (/^[1-9]\d*$/.test(value) || /^I[0-9a-f]{4,40}$/i.test(value)) return change(value);
  if (/^[0-9a-f]{4,40}$/i.test(value)) return commit(value);
  if (/^\w[\w./-]*~\w[\w./-]*~I[0-9a-f]{4,40}$/.test(value)) return change(value);
  return (c) => c.project === value || c.branch === value || c.topic === value || message(value, scope)(c);
}

function change(value: string): Predicate {
  if (/^[1-9]\d*$/.test(value)) return (c) => c.number === Number(value);
  if (/^[iI][0-9a-f]{4,40}$/.test(value)) {
    const prefix = `I${value.slice(1)}`;
    return (c) => c.id.startsWith(prefix);
  }
  const [project, branch, id] = value.split('~');
  if (id !== undefined) return (c) => c.project === project && c.branch === branch && c.id === id;
  throw new QueryError('Invalid change format');
}

function commit(value: string): Predicate {
  return (c) => c.patchsets.some((p) => p.revision.startsWith(value.toLowerCase()));
}

/** Exact, or a whole-string regular expression when it begins with `^`. */
function exactOrRegex(value: string, pick: (change: Change) => string | undefined): Predicate {
  if (!value.startsWith('^')) return (c) => pick(c) === value;
  const regex = RE2JS.compile(value.replace(/\$$/, ''));
  return (c) => {
    const text = pick(c);
    return text !== undefined && regex.matches(text);
  };
}

/** Full text: every word of the value is a word of the message, in this order and unbroken. */
function message(value: string, _scope: Scope): Predicate {
  const words = (text: string) => text.toLowerCase().match(/[\p{L}\p{N}_]+/gu) ?? [];
  const wanted = ` ${words(value).join(' ')} `;
  return (c) => ` ${words(current(c).message).join(' ')} `.includes(wanted);
}

const DURATION = /^(\d+)\s*([a-z]+)$/;
const UNITS: Readonly<Record<string, number>> = {
  s: 1e3,
  sec: 1e3,
  second: 1e3,
  m: 6e4,
  min: 6e4,
  minute: 6e4,
  h: 36e5,
  hr: 36e5,
  hour: 36e5,
  d: 864e5,
  day: 864e5,
  w: 6048e5,
  week: 6048e5,
  mon: 2592e6,
  month: 2592e6,
  y: 31536e6,
  year: 31536e6,
};

function duration(value: string): number {
  const match = DURATION.exec(value.trim().toLowerCase());
  const word = match?.[2] ?? '';
  const unit = UNITS[word] ?? UNITS[word.replace(/s$/, '')];
  if (match === null || unit === undefined) throw new QueryError(`"${value}" is not a valid age`);
  return Number(match[1]) * unit;
}

/** `2026-01-31`, `2026-01-31 12:00:00.000 +0000` (the zone is UTC when it is missing). */
function timestamp(value: string): number {
  const match =
    /^(\d{4}-\d{2}-\d{2})(?:[ T](\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?)?(?:\s*([+-]\d{2}):?(\d{2}))?$/.exec(
      value.trim(),
    );
  if (match === null) {
    throw new QueryError(`Expecting "YYYY-MM-DD[ hh:mm:ss[.sss][ -zzzz]]" but found "${value}"`);
  }
  const [, day, time = '00:00:00', fraction = '0', hours = '+00', minutes = '00'] = match;
  return Date.parse(`${day}T${time}.${fraction.padEnd(3, '0').slice(0, 3)}${hours}:${minutes}`);
}

function status(value: string): Predicate {
  const word = value.toLowerCase();
  const closed: Predicate = (c) => c.status !== 'NEW';
  const known: Readonly<Record<string, Predicate>> = {
    open: (c) => c.status === 'NEW',
    pending: (c) => c.status === 'NEW',
    new: (c) => c.status === 'NEW',
    closed,
    merged: (c) => c.status === 'MERGED',
    abandoned: (c) => c.status === 'ABANDONED',
  };
  const found = known[word];
  if (found === undefined) throw new QueryError(`Unrecognized value: ${value}`);
  return found;
}

function is(value: string, scope: Scope): Predicate {
  const word = value.toLowerCase();
  if (word === 'wip') return (c) => c.wip;
  if (word === 'private') return (c) => c.private;
  if (word === 'submittable') {
    return (c) => c.status === 'NEW' && isSubmittable(labelStatuses(scope.state, c));
  }
  if (word === 'owner') return (c) => c.owner === scope.account.username;
  if (word === 'reviewer') return (c) => c.reviewers.includes(scope.account.username);
  return status(value);
}

/** `Verified=1`, `Verified+1`, `Code-Review>=1,user=ci`, `Verified=MAX`. */
function label(value: string, scope: Scope): Predicate {
  const [test = '', ...rest] = value.split(',');
  const match = /^([A-Za-z][\w-]*?)(>=|<=|=|>|<)?([+-]?\d+|MAX|MIN|ANY|ok|need|reject)$/i.exec(test);
  if (match === null) throw new QueryError(`Invalid label format: ${value}`);
  const [, name = '', operator = '=', operand = ''] = match;
  const user = rest.map((part) => part.replace(/^user=/, ''))[0];
  const by = user === 'self' ? scope.account.username : user;
  return (c) => {
    const known = scope.state.projects
      .get(c.project)
      ?.labels.find((l) => l.name.toLowerCase() === name.toLowerCase());
    if (known === undefined) return false;
    if (/^(?:ok|need|reject)$/i.test(operand)) {
      const found = labelStatuses(scope.state, c).find((s) => s.label === known.name);
      return found?.status === operand.toUpperCase();
    }
    const votes = c.votes
      .filter((v) => v.label === known.name && v.patchset === current(c).number)
      .filter((v) => by === undefined || by === '' || by === v.by || (by === 'owner' && v.by === c.owner));
    if (operand.toUpperCase() === 'ANY') return votes.length > 0;
    const wanted = /^max$/i.test(operand) ? known.max : /^min$/i.test(operand) ? known.min : Number(operand);
    if (wanted === 0 && operator === '=') return votes.length === 0;
    const holds = (given: number) =>
      operator === '>='
        ? given >= wanted
        : operator === '<='
          ? given <= wanted
          : operator === '>'
            ? given > wanted
            : operator === '<'
              ? given < wanted
              : given === wanted;
    return votes.some((v) => holds(v.value));
  };
}

function person(value: string, scope: Scope): (username: string) => boolean {
  if (value === 'self' || value === 'me') return (username) => username === scope.account.username;
  return (username) => {
    const account = scope.state.accounts.get(username);
    return username === value || account?.email === value || account?.name === value;
  };
}

/** Changes that are a git parent of the change named: its number or Change-Id. */
function parentof(value: string, scope: Scope): Predicate {
  const matches = change(value);
  const children = [...scope.state.changes.values()].filter(matches);
  const parents = new Set(children.flatMap((c) => current(c).parents.map((sha) => `${c.project} ${sha}`)));
  return (c) => c.patchsets.some((p) => parents.has(`${c.project} ${p.revision}`));
}

const prefix: (value: string) => Predicate = (value) => (c) => c.project.startsWith(value);
const after = (value: string): Predicate => {
  const at = timestamp(value);
  return (c) => c.updatedOn >= at;
};
const before = (value: string): Predicate => {
  const at = timestamp(value);
  return (c) => c.updatedOn <= at;
};
const branch = (value: string): Predicate =>
  exactOrRegex(value.replace(/^refs\/heads\//, ''), (c) => c.branch);
const project = (value: string): Predicate => exactOrRegex(value, (c) => c.project);
const file = (value: string): Predicate => {
  const regex = value.startsWith('^') ? RE2JS.compile(value.replace(/\$$/, '')) : undefined;
  return (c) =>
    current(c).files.some(({ file: path }) =>
      regex === undefined ? path === value || path.split('/').includes(value) : regex.matches(path),
    );
};

const OPERATORS: Readonly<Record<string, (value: string, scope: Scope) => Predicate>> = {
  change,
  commit,
  project,
  p: project,
  repo: project,
  projects: prefix,
  parentof,
  branch,
  ref: (value) => (c) => `refs/heads/${c.branch}` === value,
  topic: (value) => exactOrRegex(value, (c) => c.topic ?? ''),
  intopic: (value) => (c) => (c.topic ?? '').toLowerCase().includes(value.toLowerCase()),
  hashtag: (value) => (c) => c.hashtags.includes(value),
  status,
  is,
  label,
  message,
  subject: (value) => (c) => subjectOf(current(c).message).toLowerCase().includes(value.toLowerCase()),
  comment: (value) => (c) => c.messages.some(({ text }) => text.toLowerCase().includes(value.toLowerCase())),
  owner: (value, scope) => {
    const matches = person(value, scope);
    return (c) => matches(c.owner);
  },
  reviewer: (value, scope) => {
    const matches = person(value, scope);
    return (c) => c.reviewers.some(matches);
  },
  file,
  path: file,
  after,
  since: after,
  before,
  until: before,
  age: (value, { now }) => {
    const most = now - duration(value);
    return (c) => c.updatedOn <= most;
  },
};

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
