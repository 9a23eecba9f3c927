import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { dump } from 'js-yaml';
import type { JobDefinition } from '../../jobs/definition.ts';
import { writeJob } from '../../jobs/native/job.ts';
import { didYouMean, isError, renderProblems } from '../../jobs/problem.ts';
import type { JobsRead } from '../../jobs/resolve.ts';
import type { JobTree, Layout } from '../../pipelines/layout.ts';
import { own } from '../../pipelines/own.ts';
import { CommandError } from '../client.ts';
import { jobNames, readEverything } from '../config.ts';
import { siteFile } from '../site.ts';
import { printable, table } from '../text.ts';

/** `stackgate jobs list|show|test|graph`: what the job files of a site make, without a server. */

export interface JobsOptions {
  readonly config?: string;
}

interface Found {
  readonly read: JobsRead;
  readonly layout: Layout | undefined;
  readonly errors: number;
}

/** Reads the site; problems go to stderr, and what could be read is shown all the same. */
function load(options: JobsOptions): Found {
  const { jobs, layout, problems, sources } = readEverything(siteFile(options.config));
  const shown = problems.filter((problem) => problem.code !== 'unused-job');
  if (shown.length > 0) process.stderr.write(`${renderProblems(shown, sources)}\n`);
  if (jobs === undefined) throw new CommandError('the site file has errors', 1);
  return { read: jobs, layout, errors: problems.filter(isError).length };
}

interface Row {
  readonly name: string;
  readonly node: string;
  /** Pipelines that run it, for any project. */
  readonly pipelines: readonly string[];
  readonly place: string | null;
}

export function listJobs(
  patterns: readonly string[],
  options: JobsOptions & { readonly unused: boolean; readonly json: boolean },
): number {
  const { read, layout, errors } = load(options);
  const users = layout === undefined ? new Map<string, Set<string>>() : usersOf(layout);
  const rows = chosen(patterns, read)
    .map((name): Row => {
      const job = read.jobs[name];
      const pipelines = [...(users.get(name) ?? [])].sort();
      return { name, node: job?.node ?? '', pipelines, place: job?.place ?? null };
    })
    .filter(({ pipelines }) => !options.unused || pipelines.length === 0);
  if (options.json) process.stdout.write(`${JSON.stringify({ jobs: rows })}\n`);
  else if (rows.length > 0) {
    const cells = rows.map(({ name, node, pipelines, place }) => [
      name,
      node === '' ? 'any node' : node,
      pipelines.length === 0 ? '-' : pipelines.join(', '),
      place ?? '-',
    ]);
    process.stdout.write(`${table(['job', 'node', 'pipelines', 'defined at'], cells)}\n`);
  }
  return errors === 0 ? 0 : 1;
}

function usersOf(layout: Layout): Map<string, Set<string>> {
  const users = new Map<string, Set<string>>();
  for (const { pipelines } of Object.values(layout.projects)) {
    for (const [pipeline, trees] of Object.entries(pipelines)) {
      for (const job of jobNames(trees)) {
        const known = users.get(job) ?? new Set<string>();
        users.set(job, known.add(pipeline));
      }
    }
  }
  return users;
}

/** Names that one of the patterns fits, in order; all of them without a pattern. */
function chosen(patterns: readonly string[], { jobs }: JobsRead): string[] {
  const names = Object.keys(jobs).sort();
  if (patterns.length === 0) return names;
  for (const pattern of patterns) {
    if (names.some((name) => fits(pattern, name))) continue;
    const near = didYouMean(pattern, names);
    throw new CommandError(
      `no job is named ${pattern}`,
      3,
      near === undefined ? '`stackgate jobs list` tells every name' : `did you mean ${near}?`,
    );
  }
  return names.filter((name) => patterns.some((pattern) => fits(pattern, name)));
}

/** `*` stands for any characters, as in `jenkins-jobs`; everything else for itself. */
export function fits(pattern: string, name: string): boolean {
  const [first = '', ...rest] = pattern.split('*');
  if (rest.length === 0) return pattern === name;
  const last = rest.pop() ?? '';
  if (!name.startsWith(first) || name.length < first.length + last.length) return false;
  let at = first.length;
  for (const part of rest) {
    const found = name.indexOf(part, at);
    if (found === -1) return false;
    at = found + part.length;
  }
  return at <= name.length - last.length && name.endsWith(last);
}

/** One job as it is run, in the native form, or (`raw`) as JJB would hand it to Jenkins. */
export function showJob(
  name: string,
  options: JobsOptions & { readonly raw: boolean; readonly json: boolean },
): number {
  const { read, errors } = load(options);
  const [exact] = chosen([name], read);
  const job = own(read.jobs, exact ?? name);
  const raw = own(read.raw, exact ?? name);
  if (options.raw && raw === undefined)
    throw new CommandError(`${exact} is written in the native form: Jenkins never sees it`, 3);
  const shown = options.raw || job === undefined ? raw : nativeOf(job);
  process.stdout.write(options.json ? `${JSON.stringify(options.raw ? raw : job)}\n` : yamlOf(shown));
  return errors === 0 ? 0 : 1;
}

/** A file that would define this job alone. */
function nativeOf(job: JobDefinition): unknown {
  return { jobs: { [job.name]: writeJob(job) } };
}

function yamlOf(value: unknown): string {
  return dump(JSON.parse(JSON.stringify(value)), { lineWidth: 120, noRefs: true });
}

/** Writes every job to a file of its own, as `jenkins-jobs test -o` does, but in YAML: what changed is a `diff -r`. */
export function testJobs(
  patterns: readonly string[],
  options: JobsOptions & { readonly output?: string },
): number {
  const { read, errors } = load(options);
  const names = chosen(patterns, read);
  for (const name of names) {
    const job = own(read.jobs, name);
    const text = yamlOf(own(read.raw, name) ?? (job === undefined ? {} : nativeOf(job)));
    if (options.output === undefined) {
      process.stdout.write(`---\n${printable(text)}`);
      continue;
    }
    // Names of jobs hold no `..`; folders are parts of the path.
    const file = join(options.output, `${name}.yaml`);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
  const where = options.output === undefined ? '' : ` in ${options.output}`;
  process.stderr.write(`${names.length} jobs${where}, ${errors} errors\n`);
  return errors === 0 ? 0 : 1;
}

export interface GraphOptions extends JobsOptions {
  readonly project?: string;
  readonly pipeline?: string;
  readonly json: boolean;
}

interface Edge {
  readonly project: string;
  readonly pipeline: string;
  /** Undefined: the job starts with its change. */
  readonly from: string | undefined;
  readonly to: string;
}

/** Which job waits for which, by project and pipeline: Graphviz, or edges as JSON. */
export function graphJobs(options: GraphOptions): number {
  const { layout, errors } = load(options);
  if (layout === undefined) throw new CommandError('the layout has errors', 1);
  known('project', options.project, Object.keys(layout.projects));
  known(
    'pipeline',
    options.pipeline,
    layout.pipelines.map(({ name }) => name),
  );
  const edges = Object.values(layout.projects)
    .filter(({ name }) => options.project === undefined || name === options.project)
    .flatMap(({ name, pipelines }) =>
      Object.entries(pipelines)
        .filter(([pipeline]) => options.pipeline === undefined || pipeline === options.pipeline)
        .flatMap(([pipeline, trees]) => edgesOf(name, pipeline, trees, undefined)),
    );
  process.stdout.write(
    options.json
      ? `${JSON.stringify({ edges: edges.map((edge) => ({ ...edge, from: edge.from ?? null })) })}\n`
      : dotOf(edges),
  );
  return errors === 0 ? 0 : 1;
}

function known(what: string, name: string | undefined, names: readonly string[]): void {
  if (name === undefined || names.includes(name)) return;
  const near = didYouMean(name, names);
  throw new CommandError(
    `there is no ${what} ${name}`,
    3,
    near === undefined ? undefined : `did you mean ${near}?`,
  );
}

function edgesOf(
  project: string,
  pipeline: string,
  trees: readonly JobTree[],
  from: string | undefined,
): Edge[] {
  return trees.flatMap(({ job, children }) => [
    { project, pipeline, from, to: job },
    ...edgesOf(project, pipeline, children, job),
  ]);
}

function dotOf(edges: readonly Edge[]): string {
  const groups = new Map<string, Edge[]>();
  for (const edge of edges) {
    const group = `${edge.project}, ${edge.pipeline}`;
    groups.set(group, [...(groups.get(group) ?? []), edge]);
  }
  const lines = ['digraph jobs {', '  rankdir=LR; node [shape=box, fontname="sans-serif"];'];
  for (const [index, [group, inside]] of [...groups].entries()) {
    const id = (job: string): string => quoted(`${index}/${job}`);
    lines.push(`  subgraph cluster_${index} {`, `    label=${quoted(group)};`);
    for (const job of new Set(inside.map(({ to }) => to)))
      lines.push(`    ${id(job)} [label=${quoted(job)}];`);
    for (const { from, to } of inside) if (from !== undefined) lines.push(`    ${id(from)} -> ${id(to)};`);
    lines.push('  }');
  }
  return `${lines.join('\n')}\n}\n`;
}

function quoted(text: string): string {
  return `"${printable(text).replaceAll(/["\\]/g, '\\$&').replaceAll('\n', ' ')}"`;
}
