import type { ApprovalRule } from '../layout.ts';
import { labelKey } from '../require.ts';
import {
  type At,
  child,
  describe,
  error,
  oneOrMore,
  type Reading,
  readFields,
  warn,
  wrong,
} from './reading.ts';

/** `approval:` of require and reject, `require-approval:` and `reject-approval:` of a trigger: one entry or a list. */
export function readApprovals(reading: Reading, at: At | undefined): ApprovalRule[] {
  if (at === undefined) return [];
  return oneOrMore(at)
    .map((each) => readApproval(reading, each))
    .filter((rule) => rule !== undefined);
}

function readApproval(reading: Reading, at: At): ApprovalRule | undefined {
  const fields = readFields(reading, at, 'an approval (a mapping)');
  if (fields === undefined) return undefined;
  const username = fields.pattern('username', 'person');
  const oldEmail = fields.pattern('email-filter', 'person');
  const email = fields.pattern('email', 'person') ?? oldEmail;
  const olderThan = readAge(reading, fields.field('older-than'));
  const newerThan = readAge(reading, fields.field('newer-than'));
  const labels: [string, number[]][] = [];
  for (const label of fields.rest()) {
    const under = child(at, label);
    labels.push([labelKey(label), readValues(reading, under)]);
    reading.labels.push({ at: under, label, exact: false });
  }
  return {
    ...(username === undefined ? {} : { username }),
    ...(email === undefined ? {} : { email }),
    ...(olderThan === undefined ? {} : { olderThan }),
    ...(newerThan === undefined ? {} : { newerThan }),
    labels: Object.fromEntries(labels),
  };
}

/** A vote as a number; a quoted one is read as the number that is meant. */
export function readVote(reading: Reading, at: At): number | undefined {
  const { value } = at;
  if (typeof value === 'number' && Number.isSafeInteger(value)) return value;
  if (typeof value === 'string' && /^[+-]?[0-9]{1,4}$/.test(value)) return Number(value);
  const message = `A vote is a number such as 1 or -2, not ${describe(value)}.`;
  const hint =
    at.key === 'username' || at.key === 'email' ? 'People are asked for in require-approval.' : undefined;
  // Zuul 2.6 loads it, and then no vote is ever equal to it.
  if (reading.dialect === 'zuul-2.6') return warn(reading, at, 'wrong-vote', message, hint);
  return error(reading, at, 'wrong-vote', message, { hint });
}

function readValues(reading: Reading, at: At): number[] {
  return oneOrMore(at)
    .map((each) => readVote(reading, each))
    .filter((value) => value !== undefined);
}

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400, w: 604_800 };

/** `48h` in seconds. */
function readAge(reading: Reading, at: At | undefined): number | undefined {
  if (at === undefined) return undefined;
  if (typeof at.value !== 'string') return wrong(reading, at, 'an age such as 48h');
  const [, digits, unit] = /^\s*([0-9]{1,9})([smhdw])$/.exec(at.value) ?? [];
  const seconds = UNITS[unit ?? ''];
  if (digits !== undefined && seconds !== undefined) return Number(digits) * seconds;
  return error(reading, at, 'wrong-age', `${describe(at.value)} is no age.`, {
    hint: 'An age is a whole number and one of s, m, h, d, w: 48h.',
  });
}
