import { RE2JS } from 're2js';
import { isSubmittable, labelStatuses, subjectOf } from './attributes.ts';
import type { Account, Change, State } from './model.ts';
import { current } from './model.ts';

/** What each operator of the query language means. */

export class QueryError extends Error {
  override readonly name = 'QueryError';
}

export type Predicate = (change: Change) => boolean;

/** What surrounds a query: the changes it runs on, who asks and when. */
export interface Scope {
  readonly state: State;
  readonly account: Account;
  readonly now: number;
}

/** A word without an operator: a number, a Change-Id, a commit, or text that may stand anywhere. */
export function defaultField(scope: Scope, value: string): Predicate {
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

/** Regular expressions of the query language match the whole value; `^` marks them, `$` at the end is allowed. */
function compile(value: string): RE2JS {
  try {
    return RE2JS.compile(value.replace(/\$$/, ''));
  } catch {
    throw new QueryError(`invalid regular expression: ${value}`);
  }
}

/** Exact, or a whole-string regular expression when it begins with `^`. */
function exactOrRegex(value: string, pick: (change: Change) => string | undefined): Predicate {
  if (!value.startsWith('^')) return (c) => pick(c) === value;
  const regex = compile(value);
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
  const regex = value.startsWith('^') ? compile(value) : undefined;
  return (c) =>
    current(c).files.some(({ file: path }) =>
      regex === undefined ? path === value || path.split('/').includes(value) : regex.matches(path),
    );
};

export const OPERATORS: Readonly<Record<string, (value: string, scope: Scope) => Predicate>> = {
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
