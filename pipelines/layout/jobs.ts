import type { JobRule, JobSetting, SkipIf } from '../layout.ts';
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
  warn,
  wrong,
} from './reading.ts';

/** What an entry of `jobs:` sets, and nothing else: metajobs hand on only what they say. */
export type Settings = Partial<Pick<JobRule, JobSetting>>;

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

/** Read, so that a layout of Zuul's is understood, and not acted on, which is said. */
function readSwift(reading: Reading, fields: Fields): JobRule['swift'] {
  const section = fields.field('swift');
  if (section !== undefined)
    warn(
      reading,
      section,
      'swift-ignored',
      'Nothing is uploaded to swift for a job: this section does nothing here.',
      "Logs and artifacts go to the site's log directory, or with a publisher of the job to another host.",
    );
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
