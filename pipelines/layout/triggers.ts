import type { GerritTrigger, TimerTrigger, Trigger, ZuulTrigger } from '../layout.ts';
import { labelKey } from '../require.ts';
import { readApprovals, readVote } from './approvals.ts';
import {
  type At,
  child,
  error,
  type Fields,
  isMapping,
  meant,
  oneOrMore,
  placeText,
  type Reading,
  readFields,
  required,
  warn,
  wrong,
} from './reading.ts';

/** The keys under `trigger:`: a gerrit connection, `timer` or `zuul`, each with an entry or a list of entries. */
export function readTriggers(reading: Reading, at: At): Trigger[] {
  if (!isMapping(at.value)) {
    wrong(reading, at, 'a mapping of connections');
    return [];
  }
  return Object.keys(at.value).flatMap((name): Trigger[] => {
    const under = child(at, name);
    if (Object.hasOwn(reading.connections, name) && reading.connections[name] === 'gerrit') {
      return readGerrit(reading, under, name);
    }
    if (name === 'timer') return entries(reading, under, (each) => readTimer(reading, each));
    if (name === 'zuul') return entries(reading, under, (each) => readZuul(reading, each));
    const known = Object.keys(reading.connections).filter((each) => reading.connections[each] === 'gerrit');
    error(
      reading,
      under,
      'unknown-trigger',
      `${JSON.stringify(name)} is no connection that sends events, nor timer, nor zuul.`,
      { hint: meant(name, [...known, 'timer', 'zuul']) ?? `Connections: ${known.join(', ') || 'none'}.` },
    );
    return [];
  });
}

function entries<T>(reading: Reading, at: At, read: (at: At) => T | undefined): T[] {
  if (at.value === null) {
    wrong(reading, at, 'an entry or a list of entries');
    return [];
  }
  return oneOrMore(at)
    .map(read)
    .filter((each) => each !== undefined);
}

const EVENTS = [
  'patchset-created',
  'draft-published',
  'change-abandoned',
  'change-restored',
  'change-merged',
  'comment-added',
  'ref-updated',
] as const;

/** Events of later Gerrits, which Zuul 2.6 knows nothing of. */
const LATER_EVENTS = [
  'wip-state-changed',
  'private-state-changed',
  'topic-changed',
  'hashtags-changed',
  'reviewer-added',
  'reviewer-deleted',
  'vote-deleted',
] as const;

function readGerrit(reading: Reading, at: At, connection: string): GerritTrigger[] {
  if (reading.dialect === 'zuul-2.6' && isMapping(at.value)) {
    error(reading, at, 'wrong-type', 'Zuul 2.6 takes only a list of entries here.', {
      hint: 'Put "- " before the first key of the entry.',
    });
    return [];
  }
  return entries(reading, at, (each) => readGerritEntry(reading, each, connection));
}

function readGerritEntry(reading: Reading, at: At, connection: string): GerritTrigger | undefined {
  const fields = readFields(reading, at, 'a trigger entry (a mapping)');
  if (fields === undefined) return undefined;
  const place = placeText(reading, at);
  const events = readEvents(
    reading,
    fields,
    reading.dialect === 'stackgate' ? [...EVENTS, ...LATER_EVENTS] : EVENTS,
  );
  checkRef(reading, fields, events);
  const trigger: GerritTrigger = {
    kind: 'gerrit',
    connection,
    events,
    branches: fields.patterns('branch', 'branch'),
    refs: fields.patterns('ref', 'ref'),
    ignoreDeletes: fields.flag('ignore-deletes') ?? true,
    approvals: readEventApprovals(reading, fields),
    comments: renamed(fields, 'comment', 'comment'),
    emails: renamed(fields, 'email', 'person'),
    usernames: renamed(fields, 'username', 'person'),
    requireApprovals: readApprovals(reading, fields.field('require-approval')),
    rejectApprovals: readApprovals(reading, fields.field('reject-approval')),
    ...(place === undefined ? {} : { place }),
  };
  fields.done('a gerrit trigger');
  return trigger;
}

/** `comment` was once `comment_filter`; where both stand, the new one counts. */
function renamed(fields: Fields, key: string, use: 'comment' | 'person'): string[] {
  const old = fields.patterns(`${key}_filter`, use);
  const patterns = fields.patterns(key, use);
  return patterns.length > 0 ? patterns : old;
}

function readEvents<T extends string>(reading: Reading, fields: Fields, known: readonly T[]): T[] {
  if (!fields.has('event')) {
    required(reading, fields, 'event', 'A trigger');
    return [];
  }
  return fields
    .each('event')
    .map((each) => {
      const event = known.find((name) => name === each.value);
      if (event !== undefined) return event;
      if (typeof each.value !== 'string') return wrong(reading, each, 'the name of an event');
      return error(
        reading,
        each,
        'unknown-event',
        `${JSON.stringify(each.value)} is no event that triggers.`,
        {
          hint: meant(each.value, known) ?? `Events: ${known.join(', ')}.`,
        },
      );
    })
    .filter((event) => event !== undefined);
}

/** Only ref-updated has a ref. Zuul 2.6 also refuses the list form of that one event. */
function checkRef(reading: Reading, fields: Fields, events: readonly string[]): void {
  const ref = fields.field('ref');
  if (ref === undefined || !ref.value) return;
  const strict = reading.dialect === 'zuul-2.6' && Array.isArray(fields.field('event')?.value);
  const other = events.find((event) => event !== 'ref-updated');
  if (other !== undefined) {
    error(reading, ref, 'ref-without-ref-event', `The event ${other} has no ref to filter by.`, {
      hint: 'Give ref-updated an entry of its own.',
    });
  } else if (strict) {
    error(reading, ref, 'ref-without-ref-event', 'Zuul 2.6 takes "ref" only where "event" is no list.', {
      hint: 'Write "event: ref-updated".',
    });
  }
}

/** A vote that nobody can give, for what Zuul 2.6 loads and never finds. */
const NO_VOTE = Number.MIN_SAFE_INTEGER;

function readEventApprovals(reading: Reading, fields: Fields): GerritTrigger['approvals'] {
  const found = new Map<string, { label: string; value: number }>();
  for (const each of fields.each('approval')) {
    if (!isMapping(each.value)) {
      wrong(reading, each, 'a label and its value');
      continue;
    }
    for (const label of Object.keys(each.value)) {
      const under = child(each, label);
      const value = readVote(reading, under);
      reading.labels.push({ at: under, label, exact: false });
      found.set(labelKey(label), { label, value: value ?? NO_VOTE });
    }
  }
  return [...found.values()];
}

function readTimer(reading: Reading, at: At): TimerTrigger | undefined {
  const fields = readFields(reading, at, 'a timer entry (a mapping)');
  if (fields === undefined) return undefined;
  const place = placeText(reading, at);
  if (!fields.has('time')) required(reading, fields, 'time', 'A timer');
  const time = fields.text('time');
  const field = fields.field('time');
  fields.done('a timer');
  if (time === undefined || field === undefined) return undefined;
  const parts = time.trim().split(/\s+/).length;
  if (parts !== 5 && parts !== 6) {
    const message = `${JSON.stringify(time)} is no cron time of five or six fields.`;
    const hint = 'minute hour day-of-month month day-of-week, and perhaps second: "0 6 * * *".';
    // Zuul 2.6 loads such a layout and never fires.
    if (reading.dialect === 'zuul-2.6') warn(reading, field, 'wrong-time', message, hint);
    else error(reading, field, 'wrong-time', message, { hint });
    return undefined;
  }
  return { kind: 'timer', connection: 'timer', time, ...(place === undefined ? {} : { place }) };
}

function readZuul(reading: Reading, at: At): ZuulTrigger | undefined {
  const fields = readFields(reading, at, 'a zuul trigger entry (a mapping)');
  if (fields === undefined) return undefined;
  const place = placeText(reading, at);
  const trigger: ZuulTrigger = {
    kind: 'zuul',
    connection: 'zuul',
    events: readEvents(reading, fields, ['parent-change-enqueued', 'project-change-merged'] as const),
    pipelines: fields.texts('pipeline'),
    requireApprovals: readApprovals(reading, fields.field('require-approval')),
    rejectApprovals: readApprovals(reading, fields.field('reject-approval')),
    ...(place === undefined ? {} : { place }),
  };
  fields.done('a zuul trigger');
  return trigger;
}
