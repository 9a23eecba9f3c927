import type { Discard, JobDefinition } from './definition.ts';
import { expandJobs } from './jjb/expand.ts';
import { type ExpandedJob, plainDescription, type Step } from './jjb/expansion.ts';
import { type JjbSettings, loadCorpus } from './jjb/load.ts';
import { type Component, createInliner, type InlinedJob, inlineJob } from './jjb/macros.ts';
import { mapBuilder } from './jjb/map/builders.ts';
import { DISCARD, discardOf, mapProperty, mapScm, mapTrigger } from './jjb/map/others.ts';
import { mapParameter } from './jjb/map/parameters.ts';
import { mapPublisher } from './jjb/map/publishers.ts';
import { createReport, type Report } from './jjb/map/report.ts';
import { checkSlaveScripts, type SlaveScripts } from './jjb/map/slavescripts.ts';
import { mapWrapper } from './jjb/map/wrappers.ts';
import { isDict, isList, pythonText, pythonTruth } from './jjb/python.ts';
import { parseLabel } from './label.ts';
import { isNative, readNative } from './native/read.ts';
import { noOwnParts, type OwnParts } from './own.ts';
import { isError, type Problem, type SourceFile } from './problem.ts';
import { unknownReferences } from './references.ts';

/**
 * JJB files in, job definitions out. Nothing of a job is skipped in silence: a part that has no meaning here is a problem
 * of its own, an error unless the site says `unsupported: ignore`, and a part that is not needed here (colours of
 * the console, cleaning of a workspace that is always fresh) is a warning.
 */

export interface ReadJobsOptions {
  /** The text of an included file; undefined where there is none. */
  readonly read: (path: string) => string | undefined;
  readonly unsupported: 'error' | 'ignore';
  readonly settings?: JjbSettings;
  /** Names of the site's `scp-sites`. */
  readonly scpSites?: readonly string[];
  /** Files of the site's `slave-scripts`; undefined where it names no directory. */
  readonly slaveScripts?: SlaveScripts;
  /** The site's own builders and publishers. */
  readonly own?: OwnParts;
}

export interface JobsRead {
  /** By name; without the jobs that have errors and those that are disabled. None where a file cannot be read at all. */
  readonly jobs: Record<string, JobDefinition>;
  /** Every job as JJB would hand it to Jenkins, macros replaced. */
  readonly raw: Record<string, unknown>;
  readonly problems: Problem[];
  /** Included files, so that problems can show their lines. */
  readonly included: SourceFile[];
}

/** Files of Jenkins Job Builder and of the native form, mixed; both end in the same definitions. */
export function readJobs(sources: readonly SourceFile[], options: ReadJobsOptions): JobsRead {
  const native = sources.filter(isNative);
  const read = readJjb(
    sources.filter((source) => !native.includes(source)),
    options,
  );
  for (const source of native) addNative(source, read, options.own ?? noOwnParts);
  const known = new Set([...Object.keys(read.jobs), ...Object.keys(read.raw)]);
  read.problems.push(...unknownReferences(read.jobs, known, placeOf));
  return read;
}

function addNative(source: SourceFile, read: JobsRead, own: OwnParts): void {
  const { jobs, problems } = readNative(source, own);
  read.problems.push(...problems);
  for (const job of jobs) {
    const at = placeOf(job);
    const before = Object.hasOwn(read.jobs, job.name) ? read.jobs[job.name] : undefined;
    if (before !== undefined || Object.hasOwn(read.raw, job.name)) {
      const hint = before?.place === undefined ? undefined : `The other one is at ${before.place}.`;
      const message = `Two jobs are named ${JSON.stringify(job.name)}.`;
      read.problems.push({ severity: 'error', code: 'duplicate-job', message, at, hint });
      continue;
    }
    read.jobs[job.name] = job;
  }
}

/** Where a job is defined. */
export function placeOf({ place }: Pick<JobDefinition, 'place'>): Problem['at'] {
  const [, file, line, column] = /^(.*):(\d+):(\d+)$/.exec(place ?? '') ?? [];
  return file === undefined ? undefined : { file, line: Number(line), column: Number(column) };
}

function readJjb(sources: readonly SourceFile[], options: ReadJobsOptions): JobsRead {
  const settings = options.settings ?? {};
  const included = new Map<string, SourceFile>();
  const corpus = loadCorpus(sources, { ...settings, read: options.read, included });
  if (corpus.incomplete) {
    return { jobs: {}, raw: {}, problems: corpus.problems, included: [...included.values()] };
  }
  const inliner = createInliner(corpus, settings);
  const reporting = {
    unsupported: options.unsupported,
    inliner,
    own: options.own ?? noOwnParts,
    scpSites: options.scpSites ?? [],
    hints: new Map<string, string | undefined>(),
  };
  const jobs = new Map<string, JobDefinition>();
  const raw = new Map<string, unknown>();
  for (const job of expandJobs(corpus, settings)) {
    const before = corpus.problems.length;
    const inlined = inlineJob(job, inliner);
    raw.set(job.name, inlined.data);
    const report = createReport(corpus, job, reporting);
    const definition = resolveJob(job, inlined, report);
    checkSlaveScripts(inlined, options.slaveScripts, report);
    const failed = corpus.problems.slice(before).some(isError);
    if (definition !== undefined && !failed) jobs.set(job.name, definition);
  }
  return {
    jobs: Object.fromEntries(jobs),
    raw: Object.fromEntries(raw),
    problems: once(corpus.problems),
    included: [...included.values()],
  };
}

function resolveJob(job: ExpandedJob, inlined: InlinedJob, report: Report): JobDefinition | undefined {
  const parts = (list: string): readonly Component[] => inlined.parts[list] ?? [];
  checkJob(job, report);
  const parameters = parts('parameters').flatMap((part) => mapParameter(part, report) ?? []);
  const wrappers = parts('wrappers').flatMap((part) => mapWrapper(part, report) ?? []);
  const builders = parts('builders').flatMap((part) => mapBuilder(part, report));
  const publishers = parts('publishers').flatMap((part) => mapPublisher(part, report));
  const properties = parts('properties').flatMap((part) => mapProperty(job.name, part, report) ?? []);
  for (const part of parts('scm')) mapScm(part, report);
  const timed = parts('triggers').flatMap((part) => mapTrigger(job.name, part, report) ?? []);
  if (pythonTruth(job.data['disabled']) && job.data['disabled'] !== 'false') {
    report.ignored(
      'disabled-job',
      `The job ${job.name} is disabled and will not run.`,
      report.place('disabled'),
    );
    return undefined;
  }
  const description = plainDescription(job.data['description']);
  const injected = [...properties, ...wrappers].filter((each) => each.kind === 'injected');
  const environment = Object.fromEntries(injected.flatMap((each) => each.variables));
  const timeout = wrappers.find((wrapper) => wrapper.kind === 'timeout')?.timeout;
  const bindings = wrappers.flatMap((wrapper) => (wrapper.kind === 'bindings' ? wrapper.bindings : []));
  const passwords = parameters.filter((each) => each.secret).map((each) => each.name);
  const throttle =
    properties.find((property) => property.kind === 'throttle')?.throttle ??
    (job.data['concurrent'] === false ? { name: `job ${job.name}`, total: 1 } : undefined);
  const discard = discardRule(
    job,
    properties.find((property) => property.kind === 'discard')?.discard,
    report,
  );
  const node = nodeOf(job, report);
  return {
    name: job.name,
    ...(description === undefined ? {} : { description }),
    node: parameters.find((each) => each.node)?.value ?? node,
    builders: [...injected.flatMap((each) => each.steps), ...builders],
    ...(timeout === undefined ? {} : { timeout }),
    timestamps: wrappers.some((wrapper) => wrapper.kind === 'timestamps'),
    publishers,
    parameters: Object.fromEntries(parameters.map(({ name, value }) => [name, value])),
    ...(passwords.length === 0 ? {} : { passwords }),
    ...(Object.keys(environment).length === 0 ? {} : { environment }),
    ...(bindings.length === 0 ? {} : { bindings }),
    ...(throttle === undefined ? {} : { throttle }),
    ...(discard === undefined ? {} : { discard }),
    ...(timed.length === 0 ? {} : { timed: timed.join('\n') }),
    ...(job.at === undefined ? {} : { place: `${job.at.file}:${job.at.line}:${job.at.column}` }),
  };
}

/** The property, or the older key `logrotate`. */
function discardRule(job: ExpandedJob, property: Discard | undefined, report: Report): Discard | undefined {
  const old = job.data['logrotate'];
  if (property !== undefined || !isDict(old)) return property;
  const names = ['daysToKeep', 'numToKeep', 'artifactDaysToKeep', 'artifactNumToKeep'];
  const options = Object.fromEntries(DISCARD.map((name, index) => [name, old[names[index] ?? '']]));
  return discardOf(jobPart(job, 'logrotate', old), options, report);
}

/** A key of a job as a part, so that what is wrong with it has a place. */
function jobPart(job: ExpandedJob, name: string, value: unknown): Component {
  const part: Component = {
    name,
    value,
    at: job.at,
    via: job.via,
    inside: (_, inner) => jobPart(job, name, inner),
  };
  return part;
}

const LISTS = ['parameters', 'wrappers', 'builders', 'publishers', 'properties', 'scm', 'triggers'];
const UNSUPPORTED_LISTS = ['prebuilders', 'postbuilders', 'reporters', 'notifications', 'axes'];

/** Keys of a job that are not lists of parts, and mean something here. */
function checkJob(job: ExpandedJob, report: Report): void {
  if (!isJobName(job.name)) {
    const message = `${JSON.stringify(job.name)} cannot be the name of a job.`;
    report.error(
      'job-name',
      message,
      undefined,
      'Jenkins allows no control characters and none of ?*\\%!@#$^&|<>[]:; in it.',
    );
  }
  const type = job.data['project-type'] ?? 'freestyle';
  if (type !== 'freestyle') {
    report.unsupported('project-type', pythonText(type), report.place('project-type'));
  }
  for (const key of ['workspace', 'custom-workspace', 'native']) {
    if (job.data[key] !== undefined && job.data[key] !== false)
      report.unsupported('key', key, report.place(key));
  }
  for (const list of LISTS) checkList(list, job.data[list], report);
  for (const list of UNSUPPORTED_LISTS) {
    if (pythonTruth(job.data[list])) report.unsupported('list', list, report.place(list));
  }
}

/** Jenkins' rule; folders are parts before a `/`. */
function isJobName(name: string): boolean {
  // oxlint-disable-next-line no-control-regex -- control characters are exactly what is refused
  if (name.length > 250 || /[?*\\%!@#$^&|<>[\]:;\u0000-\u001f\u007f]/.test(name)) return false;
  return name.split('/').every((part) => part.trim() !== '' && part !== '.' && part !== '..');
}

function checkList(key: string, value: unknown, report: Report): void {
  if (value === undefined || value === null || isList(value)) return;
  const hint = isDict(value) ? 'Put "- " before every part.' : undefined;
  report.error('jjb-shape', `"${key}:" must be a list.`, report.place(key), hint);
}

function nodeOf(job: ExpandedJob, report: Report): string {
  const node = job.data['node'];
  if (node === undefined || node === null) return '';
  const text = pythonText(node).trim();
  const label = parseLabel(text);
  if (label.kind === 'wrong') {
    report.error(
      'label',
      `The label expression ${JSON.stringify(text)} is wrong: ${label.message}`,
      report.place('node'),
    );
  }
  return text;
}

/** Jobs of one template make one mistake at one place many times: it is told once. */
function once(problems: readonly Problem[]): Problem[] {
  const seen = new Map<string, { problem: Problem; jobs: number }>();
  for (const problem of problems) {
    const { at } = problem;
    const key = JSON.stringify([problem.code, problem.message, at?.file, at?.line, at?.column]);
    const before = seen.get(key);
    if (before === undefined) seen.set(key, { problem, jobs: 1 });
    else before.jobs++;
  }
  return [...seen.values()].map(({ problem, jobs }) => {
    if (jobs === 1 || problem.via === undefined) return problem;
    const more: Step = { what: `and ${jobs - 1} more like it` };
    return { ...problem, via: [...problem.via, more] };
  });
}
