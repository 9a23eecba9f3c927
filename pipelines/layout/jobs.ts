import type { JobRule, JobSetting, SkipIf } from '../layout.ts';
import { type Matcher, matcher } from '../pattern.ts';
import {
  type At,
  error,
  type Fields,
  isMapping,
  meant,
  oneOrMore,
  placeText,
  type Reading,
  readFields,
  readPattern,
  required,
  wrong,
} from './reading.ts';

/** What an entry of `jobs:` sets, and nothing else: metajobs hand on only what they say. */
type Settings = Partial<Pick<JobRule, JobSetting>>;

export interface JobEntry {
  readonly at: At;
  readonly name: string;
  readonly settings: Settings;
  readonly place: string | undefined;
}

/** Names that `parameter-function` may have. `any`: those of Python files that a Zuul would load, unseen. */
export type Functions = 'any' | readonly string[];

export function readJobEntry(reading: Reading, at: At, functions: Functions): JobEntry | undefined {
  const fields = readFields(reading, at, 'a job (a mapping)');
  if (fields === undefined) return undefined;
  if (!fields.has('name')) required(reading, fields, 'name', 'A job');
  const name = fields.text('name');
  const settings: Settings = {
    ...given('queueName', fields.text('queue-name')),
    ...given('failureMessage', fields.text('failure-message')),
    ...given('successMessage', fields.text('success-message')),
    ...given('failurePattern', fields.text('failure-pattern')),
    ...given('successPattern', fields.text('success-pattern')),
    ...given('holdFollowingChanges', fields.flag('hold-following-changes')),
    ...given('voting', fields.flag('voting')),
    ...given('attempts', fields.count('attempts', Number.MIN_SAFE_INTEGER)),
    ...given('mutex', fields.text('mutex')),
    ...given('parameterFunction', readFunction(reading, fields, functions)),
    ...given('tags', fields.texts('tags')),
    ...given('branches', fields.patterns('branch', 'branch')),
    ...given('files', fields.patterns('files', 'files')),
    ...given('skipIf', readSkipIfs(reading, fields.field('skip-if'))),
    ...given('swift', readSwift(reading, fields)),
    ...(reading.dialect === 'stackgate' ? readModern(reading, fields) : {}),
  };
  fields.done('a job');
  if (name === undefined) return undefined;
  const field = fields.field('name');
  if (isMetajob(name) && field !== undefined && readPattern(reading, field, 'name') === undefined)
    return undefined;
  return { at, name, settings, place: placeText(reading, at) };
}

/** Only what was said: empty texts and lists say nothing. */
function given<K extends keyof Settings>(key: K, value: Settings[K] | undefined): Settings {
  if (value === undefined || value === '' || (Array.isArray(value) && value.length === 0)) return {};
  return { [key]: value };
}

export function isMetajob(name: string): boolean {
  return name.startsWith('^');
}

function readModern(reading: Reading, fields: Fields): Settings {
  return {
    ...given('irrelevantFiles', fields.patterns('irrelevant-files', 'files')),
    ...given('failFast', fields.flag('fail-fast')),
    ...given('semaphore', readSemaphore(reading, fields.field('semaphore'))),
  };
}

/** A name (one holder), or a name and how many jobs may hold it at once. */
function readSemaphore(reading: Reading, at: At | undefined): JobRule['semaphore'] {
  if (at === undefined) return undefined;
  if (typeof at.value === 'string') return { name: at.value, count: 1 };
  const fields = readFields(reading, at, 'the name of a semaphore, or its name and count');
  if (fields === undefined) return undefined;
  if (!fields.has('name')) required(reading, fields, 'name', 'A semaphore');
  const name = fields.text('name');
  const count = fields.count('count', 1) ?? 1;
  fields.done('a semaphore');
  return name === undefined ? undefined : { name, count };
}

function readFunction(reading: Reading, fields: Fields, functions: Functions): string | undefined {
  const at = fields.field('parameter-function');
  const name = fields.text('parameter-function');
  if (at === undefined || !name || functions === 'any' || functions.includes(name)) return name;
  const job = fields.text('name') ?? 'a job';
  return error(
    reading,
    at,
    'unknown-function',
    `The job ${job} asks for the parameter function ${JSON.stringify(name)}, which is not declared.`,
    {
      hint:
        meant(name, functions) ??
        'Python is not run here: declare a parameter rule of this name in the site’s configuration.',
    },
  );
}

function readSkipIfs(reading: Reading, at: At | undefined): SkipIf[] {
  if (at === undefined) return [];
  if (reading.dialect === 'zuul-2.6' && isMapping(at.value)) {
    wrong(reading, at, 'a list');
    return [];
  }
  return oneOrMore(at)
    .map((each) => readSkipIf(reading, each))
    .filter((skip) => skip !== undefined);
}

function readSkipIf(reading: Reading, at: At): SkipIf | undefined {
  const fields = readFields(reading, at, 'an entry of skip-if (a mapping)');
  if (fields === undefined) return undefined;
  const project = fields.pattern('project', 'name');
  const branch = fields.pattern('branch', 'branch');
  const allFilesMatchAny = fields.patterns('all-files-match-any', 'files');
  fields.done('skip-if');
  return { ...(project ? { project } : {}), ...(branch ? { branch } : {}), allFilesMatchAny };
}

const SWIFT_NUMBERS = ['expiry', 'max_file_size', 'max-file-size', 'max_file_count', 'max-file-count'];
const SWIFT_TEXTS = ['name', 'container', 'logserver_prefix', 'logserver-prefix'];

function readSwift(reading: Reading, fields: Fields): JobRule['swift'] {
  return fields.each('swift').flatMap((at) => {
    const swift = readFields(reading, at, 'a swift section (a mapping)');
    if (swift === undefined) return [];
    if (!swift.has('name')) required(reading, swift, 'name', 'A swift section');
    const section: Record<string, unknown> = {};
    for (const key of SWIFT_TEXTS) if (swift.has(key)) section[key] = swift.text(key);
    for (const key of SWIFT_NUMBERS)
      if (swift.has(key)) section[key] = swift.count(key, Number.MIN_SAFE_INTEGER);
    swift.done('swift');
    return [section];
  });
}

/** A name in a job tree: Zuul wants no blank in it. */
export function readJobName(reading: Reading, at: At, path: string): string | undefined {
  if (typeof at.value !== 'string') {
    return error(reading, at, 'wrong-type', 'Expected the name of a job.', { path });
  }
  if (at.value !== '' && !/[\t-\r ]/.test(at.value)) return at.value;
  return error(
    reading,
    at,
    'job-name',
    `${JSON.stringify(at.value)} is no name of a job: names have no blanks.`,
    {
      path,
    },
  );
}

export interface JobRules {
  /** `place`: where a project names it, for jobs that stand nowhere else. */
  rule(name: string, place: () => string | undefined): JobRule;
  /** Metajobs that no job of the layout has come under. */
  idle(): JobEntry[];
}

/**
 * Metajobs (zuul-v2.md 1.4): a job takes, in the order of the file, what every metajob says that stands before its own entry
 * (or anywhere, if it has none) and whose pattern matches its name; its own entry overrides. Tags and swift
 * sections add up. Queue names and attempts are never handed on.
 */
export function jobRules(entries: readonly JobEntry[]): JobRules {
  const metajobs: Metajob[] = [];
  const byPrefix: PrefixTree = { here: [], next: new Map() };
  const rules = new Map<string, JobRule>();
  const combine = combiner();
  const make = (name: string, own: JobEntry | undefined, mention?: () => string | undefined): JobRule => {
    const applied = applying(byPrefix, name);
    for (const metajob of applied) metajob.used = true;
    const said = combine(applied, own);
    const place = said.place ?? mention?.();
    return place === undefined ? { ...said, name } : { ...said, name, place };
  };
  for (const entry of entries) {
    if (!isMetajob(entry.name)) {
      rules.set(entry.name, make(entry.name, entry));
      continue;
    }
    const { queueName: _name, attempts: _attempts, ...settings } = entry.settings;
    const handed = { ...entry, settings };
    const metajob = { index: metajobs.length, entry: handed, matcher: matcher(entry.name), used: false };
    metajobs.push(metajob);
    plant(byPrefix, metajob);
  }
  return {
    rule(name, mention) {
      const known = rules.get(name);
      if (known !== undefined) return known;
      const rule = make(name, undefined, mention);
      rules.set(name, rule);
      return rule;
    },
    idle: () => metajobs.filter((metajob) => !metajob.used).map((metajob) => metajob.entry),
  };
}

interface Metajob {
  readonly index: number;
  readonly entry: JobEntry;
  readonly matcher: Matcher;
  used: boolean;
}

/** Metajobs by the literal text they begin with: most of 350 are ruled out for a name without looking at them. */
interface PrefixTree {
  readonly here: Metajob[];
  readonly next: Map<string, PrefixTree>;
}

function plant(tree: PrefixTree, metajob: Metajob): void {
  let node = tree;
  for (const letter of metajob.matcher.prefix.split('')) {
    const next = node.next.get(letter) ?? { here: [], next: new Map() };
    node.next.set(letter, next);
    node = next;
  }
  node.here.push(metajob);
}

/** The metajobs whose pattern matches, in the order of the file. */
function applying(tree: PrefixTree, name: string): Metajob[] {
  const found: Metajob[] = [];
  let node: PrefixTree | undefined = tree;
  for (let i = 0; node !== undefined; i++) {
    for (const metajob of node.here) if (metajob.matcher.matches(name)) found.push(metajob);
    node = node.next.get(name.charAt(i));
  }
  return found.length > 1 ? found.sort((a, b) => a.index - b.index) : found;
}

type Nameless = Omit<JobRule, 'name'>;

/** What a series of metajobs makes is made once: thousands of jobs come under the same few series. */
function combiner(): (applied: readonly Metajob[], own: JobEntry | undefined) => Nameless {
  const made = new Map<string, Nameless>();
  return (applied, own) => {
    const key = applied.map((metajob) => metajob.index).join();
    const known = own === undefined ? made.get(key) : undefined;
    if (known !== undefined) return known;
    const said = applied.map((metajob) => metajob.entry);
    if (own !== undefined) said.push(own);
    const place = said.at(-1)?.place;
    const places = settingPlaces(said, place);
    const rule: Nameless = {
      ...NOTHING_SAID,
      ...said.map((entry) => entry.settings).reduce(override, {}),
      ...(place === undefined ? {} : { place }),
      ...(places === undefined ? {} : { places }),
    };
    if (own === undefined) made.set(key, rule);
    return rule;
  };
}

const NOTHING_SAID: Nameless = {
  voting: true,
  holdFollowingChanges: false,
  attempts: 3,
  tags: [],
  branches: [],
  files: [],
  irrelevantFiles: [],
  skipIf: [],
  swift: [],
};

/** Where each setting was said last, if that is not `place`. */
function settingPlaces(applied: readonly JobEntry[], place: string | undefined): JobRule['places'] {
  const places = new Map<string, string>();
  for (const { settings, place: said } of applied) {
    for (const setting of Object.keys(settings)) if (said !== undefined) places.set(setting, said);
  }
  const elsewhere = [...places].filter(([, said]) => said !== place);
  return elsewhere.length === 0 ? undefined : Object.fromEntries(elsewhere);
}

function override(below: Settings, above: Settings): Settings {
  const tags = [...new Set([...(below.tags ?? []), ...(above.tags ?? [])])];
  const swift = new Map([...(below.swift ?? []), ...(above.swift ?? [])].map((each) => [each['name'], each]));
  return { ...below, ...above, tags, swift: [...swift.values()] };
}
