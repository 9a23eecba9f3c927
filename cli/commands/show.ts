import { didYouMean } from '../../jobs/problem.ts';
import { describeTrigger } from '../../pipelines/explain.ts';
import { diffLayouts, isSame, renderDiff, summarizeDiff } from '../../pipelines/layout/diff.ts';
import { type JobSource, madeFrom } from '../../pipelines/layout/made.ts';
import type { JobRule, JobTree, Layout, Pipeline, Reporter } from '../../pipelines/layout.ts';
import type { SiteConfig } from '../../pipelines/ports.ts';
import { describeApproval, signed } from '../../pipelines/require.ts';
import { CommandError } from '../client.ts';
import { comparedOf, jobNames } from '../config.ts';
import { type LayoutOptions, type Loaded, loadLayout, loadOther } from '../layout.ts';
import { printable } from '../text.ts';

/** `stackgate config show` and `config diff`: the configuration as the scheduler has it, after templates and metajobs. */

export interface ShowOptions extends LayoutOptions {
  readonly project?: string;
  readonly job?: string;
  readonly json: boolean;
}

export function show(options: ShowOptions): number {
  const loaded = loadLayout(options);
  const { layout } = loaded.config;
  const { project, job } = options;
  if (project !== undefined) checkName('project', project, Object.keys(layout.projects));
  if (job !== undefined) checkName('job', job, allJobs(loaded.config));
  if (options.json) {
    process.stdout.write(`${JSON.stringify(shownJson(loaded, project, job))}\n`);
    return 0;
  }
  const lines: string[] = [];
  if (project !== undefined) lines.push(...projectLines(layout, project));
  if (job !== undefined) lines.push(...jobLines(loaded, job));
  if (project === undefined && job === undefined) lines.push(...layoutLines(loaded));
  process.stdout.write(`${lines.map(printable).join('\n')}\n`);
  return 0;
}

function checkName(what: string, name: string, names: readonly string[]): void {
  if (names.includes(name)) return;
  const near = didYouMean(name, names);
  throw new CommandError(
    `there is no ${what} ${name}`,
    3,
    near === undefined ? `\`stackgate config show\` lists every ${what}` : `did you mean ${near}?`,
  );
}

function allJobs({ layout, jobs }: SiteConfig): string[] {
  return [...new Set([...Object.keys(layout.jobs), ...Object.keys(jobs)])];
}

interface ShownJob {
  readonly rule: JobRule | null;
  readonly madeFrom: readonly JobSource[];
  readonly usedBy: Readonly<Record<string, readonly string[]>>;
  /** What it runs; null where only a layout was read. */
  readonly definition: unknown;
}

function shownJob({ config, whole }: Loaded, job: string): ShownJob {
  const { layout } = config;
  return {
    rule: layout.jobs[job] ?? null,
    madeFrom: madeFrom(layout, job),
    usedBy: usersOf(layout, job),
    definition: whole ? (config.jobs[job] ?? null) : null,
  };
}

function shownJson(loaded: Loaded, project: string | undefined, job: string | undefined): unknown {
  const { layout } = loaded.config;
  if (project === undefined && job === undefined) {
    const { pipelines, projects, jobs } = layout;
    return { pipelines, projects, jobs, definitions: loaded.whole ? loaded.config.jobs : null };
  }
  return {
    ...(project === undefined ? {} : { project: layout.projects[project] }),
    ...(job === undefined ? {} : { job: shownJob(loaded, job) }),
  };
}

/** Project → pipelines in which it runs the job. */
function usersOf(layout: Layout, job: string): Record<string, string[]> {
  const users: Record<string, string[]> = {};
  for (const { name, pipelines } of Object.values(layout.projects)) {
    const used = Object.keys(pipelines).filter((pipeline) =>
      jobNames(pipelines[pipeline] ?? []).includes(job),
    );
    if (used.length > 0) users[name] = used;
  }
  return users;
}

function layoutLines(loaded: Loaded): string[] {
  const { layout } = loaded.config;
  const projects = Object.keys(layout.projects);
  const jobs = allJobs(loaded.config);
  const counts = [
    counted(layout.pipelines.length, 'pipeline'),
    counted(projects.length, 'project'),
    counted(jobs.length, 'job'),
  ];
  return [
    `${loaded.name}: ${counts.join(', ')}`,
    '',
    ...layout.pipelines.flatMap((pipeline) => [...pipelineLines(layout, pipeline), '']),
    ...projects.flatMap((project) => [...projectLines(layout, project), '']),
    'jobs (`config show --job NAME` tells all of one)',
    ...jobs.map((job) => `  ${job}${marks(layout.jobs[job])}`),
  ];
}

function pipelineLines(layout: Layout, pipeline: Pipeline): string[] {
  const { name, manager, precedence, window, queues, require, reject } = pipeline;
  const head = `pipeline ${name}: ${manager}, precedence ${precedence}${placed(layout.places[`pipeline ${name}`])}`;
  const requirements = [
    ...(require.open === undefined ? [] : [require.open ? 'open' : 'closed']),
    ...(require.currentPatchset === true ? ['the current patchset'] : []),
    ...(require.status.length === 0 ? [] : [`status ${require.status.join(' or ')}`]),
    ...require.approvals.map((rule) => `an approval with ${describeApproval(rule)}`),
    ...reject.approvals.map((rule) => `no approval with ${describeApproval(rule)}`),
  ];
  const reports = (['start', 'success', 'failure', 'mergeFailure'] as const).flatMap((phase) =>
    pipeline[phase].length === 0
      ? []
      : [field(REPORT_NAMES[phase], pipeline[phase].map(describeReporter).join('; '))],
  );
  const shared = queues.filter(({ projects }) => projects.length > 1);
  return [
    head,
    ...(pipeline.description === undefined ? [] : [field('purpose', oneLine(pipeline.description))]),
    ...pipeline.triggers.map((trigger) =>
      field('starts on', `${describeTrigger(trigger)}${placed(trigger.place)}`),
    ),
    ...requirements.map((each) => field('requires', each)),
    ...reports,
    ...(manager === 'dependent' && window.size > 0 ? [field('window', `${window.size} changes`)] : []),
    ...shared.map((queue) => field('queue', `${queue.name}: ${queue.projects.length} projects share it`)),
  ];
}

const REPORT_NAMES = {
  start: 'at start',
  success: 'success',
  failure: 'failure',
  mergeFailure: 'conflict',
} as const;

function describeReporter({ connection, driver, labels, submit, options }: Reporter): string {
  const votes = Object.entries(labels).map(([label, value]) => `${label} ${signed(value)}`);
  const to = options['to'];
  const parts = [
    ...votes,
    ...(submit ? ['submit'] : []),
    ...(driver === 'smtp' && to !== undefined ? [`to ${String(to)}`] : []),
  ];
  return `${connection}: ${parts.length === 0 ? 'a comment without a vote' : parts.join(', ')}`;
}

function projectLines(layout: Layout, name: string): string[] {
  const rule = layout.projects[name];
  if (rule === undefined) return [];
  return [
    `project ${name}: ${rule.mergeMode}${placed(rule.place)}`,
    ...Object.entries(rule.pipelines).flatMap(([pipeline, trees]) => [
      `  ${pipeline}`,
      ...trees.flatMap((tree) => treeLines(layout, tree, 2)),
    ]),
  ];
}

function treeLines(layout: Layout, { job, children }: JobTree, depth: number): string[] {
  return [
    `${'  '.repeat(depth)}${job}${marks(layout.jobs[job])}`,
    ...children.flatMap((child) => treeLines(layout, child, depth + 1)),
  ];
}

/** What keeps a job from simply running and voting. */
function marks(rule: JobRule | undefined): string {
  if (rule === undefined) return '';
  const { voting, branches, files, irrelevantFiles, skipIf, mutex, semaphore } = rule;
  const found = [
    ...(voting ? [] : ['non-voting']),
    ...(branches.length === 0 ? [] : [`on ${branches.join(' or ')}`]),
    ...(files.length + irrelevantFiles.length + skipIf.length === 0 ? [] : ['depends on the files']),
    ...(mutex === undefined && semaphore === undefined ? [] : [`one at a time: ${mutex ?? semaphore?.name}`]),
  ];
  return found.length === 0 ? '' : `  (${found.join('; ')})`;
}

function jobLines(loaded: Loaded, job: string): string[] {
  const { rule, madeFrom: sources, usedBy, definition } = shownJob(loaded, job);
  const users = Object.entries(usedBy);
  const own = sources.some(({ name }) => name === job);
  return [
    `job ${job}${placed(rule?.place)}`,
    ...(rule === null ? [] : settingLines(rule)),
    ...sources.map(({ name, place }, index) =>
      field(index === 0 ? 'made from' : '', `${name}${placed(place)}`),
    ),
    ...(own ? [] : [field(sources.length === 0 ? 'made from' : '', 'no entry of its own under `jobs:`')]),
    ...users
      .slice(0, MOST_USERS)
      .map(([project, pipelines], index) =>
        field(index === 0 ? 'used by' : '', `${project}: ${pipelines.join(', ')}`),
      ),
    ...(users.length > MOST_USERS
      ? [field('', `and ${users.length - MOST_USERS} more projects (--json)`)]
      : []),
    ...(users.length === 0 ? [field('used by', 'nobody: only `stackgate run` starts it')] : []),
    ...definitionLines(definition, loaded.whole),
  ];
}
const MOST_USERS = 20;

function settingLines(rule: JobRule): string[] {
  const { name: _name, place, places = {}, ...settings } = rule;
  const said = new Map(Object.entries(places));
  return Object.entries(settings).flatMap(([setting, value]: [string, unknown]) => {
    if (value === undefined || (Array.isArray(value) && value.length === 0)) return [];
    const usual = DEFAULTS[setting];
    if (value === usual) return [];
    const from = placed(said.get(setting) ?? place);
    const name = YAML_NAMES[setting] ?? setting.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    const [first = '', ...more] = shownValues(value);
    return [field(name, `${first}${from}`), ...more.map((each) => field('', each))];
  });
}

const DEFAULTS: Readonly<Record<string, unknown>> = {
  voting: true,
  holdFollowingChanges: false,
  attempts: 3,
};

/** As layouts spell them. */
const YAML_NAMES: Readonly<Record<string, string>> = { branches: 'branch' };

function shownValues(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(shownValues);
  if (typeof value !== 'object' || value === null) return [oneLine(String(value))];
  const parts = Object.entries(value).flatMap(([key, part]: [string, unknown]) =>
    Array.isArray(part) && part.length === 0 ? [] : [`${key} ${[part].flat().join(' or ')}`],
  );
  return [parts.join('; ')];
}

function definitionLines(definition: unknown, whole: boolean): string[] {
  if (!whole) return [];
  if (typeof definition !== 'object' || definition === null)
    return [field('runs', 'nothing: no job file defines it')];
  const fields: Readonly<Record<string, unknown>> = Object.fromEntries(Object.entries(definition));
  const count = (name: string) => (Array.isArray(fields[name]) ? fields[name].length : 0);
  const node = typeof fields['node'] === 'string' && fields['node'] !== '' ? fields['node'] : 'any node';
  const place = typeof fields['place'] === 'string' ? fields['place'] : undefined;
  const what = `${counted(count('builders'), 'step')} on ${node}, ${counted(count('publishers'), 'publisher')}`;
  return [field('runs', `${what}${placed(place)}`)];
}

function field(name: string, value: string): string {
  return `  ${name.padEnd(18)} ${value}`;
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

function placed(place: string | undefined): string {
  return place === undefined ? '' : `  [${place}]`;
}

function oneLine(text: string): string {
  return text.trim().replace(/\s+/g, ' ');
}

export interface DiffOptions extends LayoutOptions {
  readonly exitCode: boolean;
  readonly json: boolean;
}

/** What the other configuration would change. */
export function diff(other: string, options: DiffOptions): number {
  const before = loadLayout(options);
  const after = loadOther(other, options);
  const both = before.whole && after.whole;
  const compared = ({ config }: Loaded) => comparedOf(both ? config : { ...config, jobs: {} });
  const found = diffLayouts(compared(before), compared(after));
  const same = isSame(found);
  if (options.json) process.stdout.write(`${JSON.stringify({ same, ...found })}\n`);
  else {
    const lines = [`--- ${before.name}`, `+++ ${after.name}`, ...renderDiff(found), summarizeDiff(found)];
    process.stdout.write(`${lines.map(printable).join('\n')}\n`);
  }
  return same || !options.exitCode ? 0 : 1;
}
