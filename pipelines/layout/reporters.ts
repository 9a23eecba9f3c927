import type { Reporter } from '../layout.ts';
import {
  type At,
  child,
  type Driver,
  error,
  isMapping,
  meant,
  oneOrMore,
  type Reading,
  readFields,
  warn,
  wrong,
} from './reading.ts';

/** `start:`, `success:`, ...: connections, each with what to report there. */
export function readReporters(reading: Reading, at: At | undefined): Reporter[] {
  if (at === undefined) return [];
  if (!isMapping(at.value)) {
    wrong(reading, at, 'a mapping of connections');
    return [];
  }
  return Object.keys(at.value).flatMap((name) => {
    const driver = Object.hasOwn(reading.connections, name) ? reading.connections[name] : undefined;
    const under = child(at, name);
    if (driver !== undefined) return READERS[driver](reading, under, name);
    error(reading, under, 'unknown-reporter', `${JSON.stringify(name)} is no connection to report to.`, {
      hint:
        meant(name, Object.keys(reading.connections)) ??
        `Connections: ${Object.keys(reading.connections).join(', ') || 'none'}.`,
    });
    return [];
  });
}

const READERS: Readonly<Record<Driver, (reading: Reading, at: At, connection: string) => Reporter[]>> = {
  gerrit: readGerrit,
  smtp: (reading, at, connection) =>
    oneOrMore(at)
      .map((each) => readSmtp(reading, each, connection))
      .filter((reporter) => reporter !== undefined),
  sql: (reading, at, connection) =>
    oneOrMore(at)
      .map((each) => readSql(reading, each, connection))
      .filter((reporter) => reporter !== undefined),
};

/**
 * A free mapping: numbers are votes, `submit: true` submits, the rest are options. One post carries all of it, so a list of
 * mappings is one reporter. (Zuul 2.6 accepts a list or a text, too, and then posts no votes.)
 */
function readGerrit(reading: Reading, at: At, connection: string): Reporter[] {
  const labels: Record<string, number> = {};
  const options: Record<string, string | number | boolean> = {};
  let submit = false;
  if (at.value === null) {
    wrong(reading, at, 'a mapping of labels; {} comments without a vote');
    return [];
  }
  for (const part of oneOrMore(at)) {
    if (!isMapping(part.value)) {
      if (typeof part.value === 'string' && reading.dialect === 'zuul-2.6') {
        warn(
          reading,
          part,
          'reporter-text',
          'A text sets no votes here; Zuul 2.6 ignores it.',
          'Write {} for that.',
        );
      } else {
        wrong(reading, part, 'a mapping of labels; {} comments without a vote');
      }
      continue;
    }
    for (const [key, value] of Object.entries(part.value)) {
      const vote = voteOf(value);
      if (key === 'submit') submit = value === true;
      else if (vote !== undefined) {
        labels[key] = vote;
        reading.labels.push({ at: child(part, key), label: key, exact: true });
      } else if (typeof value === 'string' || typeof value === 'boolean') options[key] = value;
      else wrong(reading, child(part, key), 'a vote such as 1 or -2');
    }
  }
  return [{ connection, driver: 'gerrit', labels, submit, options }];
}

function voteOf(value: unknown): number | undefined {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return value;
  if (typeof value === 'string' && /^[+-]?[0-9]{1,4}$/.test(value)) return Number(value);
  return undefined;
}

function readSmtp(reading: Reading, at: At, connection: string): Reporter | undefined {
  const fields = readFields(reading, at, 'a mapping (to, from, subject)');
  if (fields === undefined) return undefined;
  const options: Record<string, string> = {};
  for (const key of ['to', 'from', 'subject', 'connection']) {
    const text = fields.text(key);
    if (text !== undefined) options[key] = text;
  }
  fields.done('an smtp reporter');
  return { connection, driver: 'smtp', labels: {}, submit: false, options };
}

function readSql(reading: Reading, at: At, connection: string): Reporter | undefined {
  warn(
    reading,
    at,
    'sql-ignored',
    'Results are written to no SQL database of yours: this reporter does nothing here.',
    'Every build is in the history: the pages, `stackgate builds` and the API show it; leave the reporter out.',
  );
  if (at.value === null) return { connection, driver: 'sql', labels: {}, submit: false, options: {} };
  const fields = readFields(reading, at, 'a mapping (score)');
  if (fields === undefined) return undefined;
  const score = fields.count('score', Number.MIN_SAFE_INTEGER);
  fields.done('an sql reporter');
  const options = score === undefined ? {} : { score };
  return { connection, driver: 'sql', labels: {}, submit: false, options };
}
