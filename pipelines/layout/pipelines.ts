import type { Pipeline, Requirement, Trust } from '../layout.ts';
import { readApprovals } from './approvals.ts';
import {
  type At,
  error,
  type Fields,
  meant,
  placeText,
  type Reading,
  readFields,
  required,
} from './reading.ts';
import { readReporters } from './reporters.ts';
import { readTriggers } from './triggers.ts';

/** What Zuul 2.6 says where the layout says nothing. */
const MERGE_FAILED =
  'Merge Failed.\n\nThis change or one of its cross-repo dependencies was unable to be automatically merged with the ' +
  'current state of its repository. Please rebase the change and upload a new patchset.';

const ZUUL_MANAGERS = {
  IndependentPipelineManager: 'independent',
  DependentPipelineManager: 'dependent',
} as const;

const MANAGERS = {
  ...ZUUL_MANAGERS,
  independent: 'independent',
  dependent: 'dependent',
  serial: 'serial',
  supercedent: 'supercedent',
} as const;

const GROWTH = { linear: 'linear', exponential: 'exponential' } as const;

const STACKGATE_KEYS = ['start-message', 'fail-fast', 'supercedes', 'trust'];

/** A pipeline without its shared queues, which only all projects together make (queues.ts). */
export type PipelineRead = Omit<Pipeline, 'queues'> & { readonly place: string | undefined };

export function readPipeline(reading: Reading, at: At): PipelineRead | undefined {
  const fields = readFields(reading, at, 'a pipeline (a mapping)');
  if (fields === undefined) return undefined;
  const modern = reading.dialect === 'stackgate';
  for (const key of ['name', 'manager', 'trigger']) {
    if (!fields.has(key)) required(reading, fields, key, 'A pipeline');
  }
  const name = fields.text('name') ?? '';
  const description = fields.text('description');
  const disableAfter = fields.count('disable-after-consecutive-failures', 1);
  const trigger = fields.field('trigger');
  const failure = readReporters(reading, fields.field('failure'));
  const mergeFailure = readReporters(reading, fields.field('merge-failure'));
  const start = modern ? fields.text('start-message') : undefined;
  const trust = modern ? readTrust(reading, fields.field('trust')) : undefined;
  const pipeline: PipelineRead = {
    name,
    ...(description === undefined ? {} : { description }),
    manager: fields.choice('manager', modern ? MANAGERS : ZUUL_MANAGERS) ?? 'independent',
    source: readSource(reading, fields),
    precedence: fields.choice('precedence', { high: 'high', normal: 'normal', low: 'low' }) ?? 'normal',
    triggers: trigger === undefined ? [] : readTriggers(reading, trigger),
    require: readRequire(reading, fields.field('require')),
    reject: readReject(reading, fields.field('reject')),
    ...(trust === undefined ? {} : { trust }),
    messages: {
      ...(start === undefined ? {} : { start }),
      success: fields.text('success-message') ?? 'Build succeeded.',
      failure: fields.text('failure-message') ?? 'Build failed.',
      mergeFailure: fields.text('merge-failure-message') ?? MERGE_FAILED,
      footer: fields.text('footer-message') ?? '',
    },
    start: readReporters(reading, fields.field('start')),
    success: readReporters(reading, fields.field('success')),
    failure,
    mergeFailure: mergeFailure.length > 0 ? mergeFailure : failure,
    disabled: readReporters(reading, fields.field('disabled')),
    dequeueOnNewPatchset: fields.flag('dequeue-on-new-patchset') ?? true,
    ignoreDependencies: fields.flag('ignore-dependencies') ?? false,
    ...(disableAfter === undefined ? {} : { disableAfterConsecutiveFailures: disableAfter }),
    window: {
      size: fields.count('window', 0) ?? 20,
      floor: fields.count('window-floor', 1) ?? 3,
      increaseType: fields.choice('window-increase-type', GROWTH) ?? 'linear',
      increaseFactor: fields.count('window-increase-factor', 1) ?? 1,
      decreaseType: fields.choice('window-decrease-type', GROWTH) ?? 'exponential',
      decreaseFactor: fields.count('window-decrease-factor', 1) ?? 2,
    },
    failFast: modern ? (fields.flag('fail-fast') ?? false) : false,
    supercedes: modern ? fields.texts('supercedes') : [],
    place: placeText(reading, at),
  };
  fields.done('a pipeline', modern ? STACKGATE_KEYS : []);
  return pipeline;
}

/** `gerrit` where nothing is said, or the first gerrit connection if none has that name. */
function readSource(reading: Reading, fields: Fields): string {
  const gerrits = Object.keys(reading.connections).filter((name) => reading.connections[name] === 'gerrit');
  const usual = gerrits.includes('gerrit') ? 'gerrit' : (gerrits[0] ?? 'gerrit');
  const source = fields.text('source') ?? usual;
  if (!gerrits.includes(source)) {
    error(
      reading,
      fields.field('source') ?? fields.at,
      'unknown-source',
      `${JSON.stringify(source)} is no gerrit connection to take changes from.`,
      { hint: meant(source, gerrits) ?? `Connections: ${gerrits.join(', ') || 'none'}.` },
    );
  }
  return source;
}

function readRequire(reading: Reading, at: At | undefined): Requirement {
  const fields = at && readFields(reading, at, 'requirements (a mapping)');
  if (fields === undefined) return { status: [], approvals: [] };
  const open = fields.flag('open');
  const currentPatchset = fields.flag('current-patchset');
  const requirement: Requirement = {
    ...(open === undefined ? {} : { open }),
    ...(currentPatchset === undefined ? {} : { currentPatchset }),
    status: fields.texts('status'),
    approvals: readApprovals(reading, fields.field('approval')),
  };
  fields.done('require');
  return requirement;
}

function readReject(reading: Reading, at: At | undefined): Pipeline['reject'] {
  const fields = at && readFields(reading, at, 'rejections (a mapping)');
  if (fields === undefined) return { approvals: [] };
  const reject = { approvals: readApprovals(reading, fields.field('approval')) };
  fields.done('reject');
  return reject;
}

/** Who may have code run here before anybody has looked at it. */
function readTrust(reading: Reading, at: At | undefined): Trust | undefined {
  const fields = at && readFields(reading, at, 'whom to trust (a mapping)');
  if (fields === undefined) return undefined;
  const trust: Trust = {
    usernames: fields.patterns('username', 'person'),
    emails: fields.patterns('email', 'person'),
    approvals: readApprovals(reading, fields.field('approval')),
  };
  fields.done('trust');
  return trust;
}
