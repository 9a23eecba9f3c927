import { createPlaces } from '../../jobs/places.ts';
import { isError, type Problem, type SourceFile } from '../../jobs/problem.ts';
import { readYaml } from '../../jobs/yaml.ts';
import type { JobRule, JobTree, Layout, LayoutRead, Pipeline, ProjectRule } from '../layout.ts';
import { type Functions, isMetajob, type JobEntry, type JobRules, jobRules, readJobEntry } from './jobs.ts';
import { lintIdle, lintLabels, lintOrder } from './lint.ts';
import { type PipelineRead, readPipeline } from './pipelines.ts';
import { type ProjectRead, readProject, readTemplate, type Template } from './projects.ts';
import { sharedQueues } from './queues.ts';
import {
  type At,
  child,
  type Driver,
  error,
  type Fields,
  isMapping,
  meant,
  placeText,
  type Reading,
  readFields,
  readList,
  required,
  warn,
} from './reading.ts';
import { noGrowth } from './trees.ts';

export interface LayoutOptions {
  /** `zuul-2.6` is strict: what only later Zuuls or Stackgate know is an error. */
  readonly dialect: Layout['dialect'];
  readonly connections: Readonly<Record<string, Driver>>;
  /**
   * Text of a file that `includes: [{file: ...}]` names (dialect stackgate), path as written; undefined: no such file.
   * Python files are never read.
   */
  readonly include?: (path: string) => string | undefined;
  /** Parameter rules that the site declares. `any`: those that the included Python files would define, unseen. */
  readonly functions?: Functions;
  readonly quirks?: readonly string[];
}

/**
 * Reads a layout: every problem at once, and the layout if none is an error. Never throws, whatever stands in the files.
 * Several sources are one layout in several files; their sections are put together in order.
 */
export function readLayout(sources: readonly SourceFile[], options: LayoutOptions): LayoutRead {
  const reading: Reading = {
    dialect: options.dialect,
    quirks: options.quirks ?? [],
    connections: options.connections,
    places: createPlaces(),
    problems: [],
    labels: [],
  };
  const roots = readRoots(reading, sources, options);
  const layout = roots.length === 0 ? undefined : assemble(reading, roots, options);
  const broken = reading.problems.some(isError);
  return {
    ...(layout === undefined || broken ? {} : { layout }),
    problems: inFileOrder(reading.problems, [
      ...new Set(reading.problems.map((problem) => problem.at?.file)),
    ]),
  };
}

function inFileOrder(problems: readonly Problem[], files: readonly (string | undefined)[]): Problem[] {
  const rank = ({ at }: Problem): [number, number, number] =>
    at === undefined ? [0, 0, 0] : [files.indexOf(at.file), at.line, at.column];
  return problems
    .map((problem) => ({ problem, rank: rank(problem) }))
    .toSorted((a, b) => a.rank[0] - b.rank[0] || a.rank[1] - b.rank[1] || a.rank[2] - b.rank[2])
    .map(({ problem }) => problem);
}

/** The top mappings of all files, included ones after those that include them. */
function readRoots(reading: Reading, sources: readonly SourceFile[], options: LayoutOptions): Fields[] {
  const roots: Fields[] = [];
  const names = new Set(sources.map((source) => source.name));
  const waiting = [...sources];
  for (let source = waiting.shift(); source !== undefined; source = waiting.shift()) {
    const root = readRoot(reading, source);
    if (root === undefined) continue;
    roots.push(root);
    for (const { at, file } of readIncludes(reading, root)) {
      const text = options.include?.(file);
      if (text === undefined) {
        error(reading, at, 'file-missing', `There is no file ${JSON.stringify(file)} to include.`);
      } else if (!names.has(file)) {
        names.add(file);
        waiting.push({ name: file, text });
      }
    }
  }
  return roots;
}

function readRoot(reading: Reading, source: SourceFile): Fields | undefined {
  const { value, problems } = readYaml(source, { places: reading.places });
  reading.problems.push(...problems);
  if (value === null && problems.some(isError)) return undefined;
  if (isMapping(value)) return readFields(reading, { value }, 'a layout');
  reading.problems.push({
    severity: 'error',
    code: 'no-layout',
    message: 'A layout is a mapping with the keys pipelines, jobs, project-templates and projects.',
    at: { file: source.name, line: 1, column: 1 },
  });
  return undefined;
}

/** Files to read as well. Python files are left to Zuul. */
function readIncludes(reading: Reading, root: Fields): { at: At; file: string }[] {
  const section = root.field('includes');
  if (section === undefined) return [];
  return readList(reading, section).flatMap((at) => {
    const fields = readFields(reading, at, 'a file to include (a mapping)');
    if (fields === undefined) return [];
    fields.text('python-file');
    const file = reading.dialect === 'stackgate' ? fields.text('file') : undefined;
    fields.done('an include');
    const where = fields.field('file');
    return file === undefined || where === undefined ? [] : [{ at: where, file }];
  });
}

function assemble(reading: Reading, roots: readonly Fields[], options: LayoutOptions): Layout {
  const pipelineItems = section(reading, roots, 'pipelines', true);
  const jobItems = section(reading, roots, 'jobs', false);
  const templateItems = section(reading, roots, 'project-templates', false);
  const projectItems = section(reading, roots, 'projects', true);
  for (const root of roots) root.done('a layout');

  const names = pipelineItems
    .map((at) => (isMapping(at.value) ? at.value['name'] : undefined))
    .filter((name) => typeof name === 'string');
  const pipelines = read(pipelineItems, (at) => readPipeline(reading, at));
  checkPipelines(reading, pipelineItems, pipelines, names);
  const functions = functionsOf(options.functions ?? [], roots);
  const entries = read(jobItems, (at) => readJobEntry(reading, at, functions));
  const templates = new Map<string, Template>();
  for (const template of read(templateItems, (at) => readTemplate(reading, at, names))) {
    if (!templates.has(template.name)) templates.set(template.name, template);
  }
  const growth = noGrowth();
  const known = { pipelines: names, templates, growth };
  const projects = read(projectItems, (at) => readProject(reading, at, known));
  for (const items of [pipelineItems, jobItems, projectItems, templateItems]) checkUnique(reading, items);

  const rules = jobRules(entries);
  const ruleOf = (name: string): JobRule =>
    rules.rule(name, () => mentionPlace(reading, growth.mentions, name));
  const jobNames = new Set(entries.map((entry) => entry.name).filter((name) => !isMetajob(name)));
  for (const name of growth.mentions.keys()) jobNames.add(name);
  const jobs = Object.fromEntries([...jobNames].map((name) => [name, ruleOf(name)]));
  lint(reading, entries, rules);
  return {
    dialect: reading.dialect,
    pipelines: pipelines.map((pipeline) => withQueues(reading, pipeline, projects, ruleOf, entries)),
    jobs,
    projects: Object.fromEntries(projects.map((project) => [project.name, projectRule(reading, project)])),
    places: placesOf(reading, pipelines, entries, templates, projects),
    quirks: reading.quirks,
  };
}

function mentionPlace(reading: Reading, mentions: ReadonlyMap<string, At>, name: string): string | undefined {
  const at = mentions.get(name);
  return at && placeText(reading, at);
}

function read<T>(items: readonly At[], readOne: (at: At) => T | undefined): T[] {
  return items.map(readOne).filter((value) => value !== undefined);
}

/** One section of all files. */
function section(reading: Reading, roots: readonly Fields[], key: string, needed: boolean): At[] {
  const [first] = roots;
  const found = roots.map((root) => root.field(key)).filter((at) => at !== undefined);
  if (needed && found.length === 0 && first !== undefined) required(reading, first, key, 'A layout');
  return found.flatMap((at) => readList(reading, at));
}

/** Included Python files may define anything; without one there is no function at all. */
function functionsOf(functions: Functions, roots: readonly Fields[]): Functions {
  if (functions !== 'any') return functions;
  return roots.some((root) => root.has('includes')) ? 'any' : [];
}

function checkUnique(reading: Reading, items: readonly At[]): void {
  const seen = new Map<string, At>();
  for (const at of items) {
    const name = isMapping(at.value) ? at.value['name'] : undefined;
    if (typeof name !== 'string') continue;
    const before = seen.get(name);
    if (before === undefined) seen.set(name, at);
    else {
      error(reading, at, 'duplicate-name', `The name ${JSON.stringify(name)} is taken.`, {
        hint: `The first one stands at ${placeText(reading, before) ?? 'another place'}.`,
      });
    }
  }
}

/** Names of other pipelines that a pipeline speaks of. */
function checkPipelines(
  reading: Reading,
  items: readonly At[],
  pipelines: readonly PipelineRead[],
  names: readonly string[],
): void {
  for (const pipeline of pipelines) {
    const at = items.find((item) => isMapping(item.value) && item.value['name'] === pipeline.name);
    if (at === undefined) continue;
    for (const other of pipeline.supercedes) {
      if (names.includes(other)) continue;
      error(
        reading,
        child(at, 'supercedes'),
        'unknown-pipeline',
        `There is no pipeline ${JSON.stringify(other)}.`,
        {
          hint: meant(other, names),
        },
      );
    }
    const waited = pipeline.triggers.flatMap((trigger) => (trigger.kind === 'zuul' ? trigger.pipelines : []));
    for (const other of waited) {
      if (names.includes(other)) continue;
      const message = `No pipeline is called ${JSON.stringify(other)}, so this trigger never fires.`;
      warn(reading, child(at, 'trigger'), 'unknown-pipeline', message, meant(other, names));
    }
  }
}

function lint(reading: Reading, entries: readonly JobEntry[], rules: JobRules): void {
  lintLabels(reading, reading.labels);
  lintOrder(reading, entries);
  lintIdle(reading, rules.idle());
}

function withQueues(
  reading: Reading,
  { place: _place, ...pipeline }: PipelineRead,
  projects: readonly ProjectRead[],
  ruleOf: (job: string) => JobRule,
  entries: readonly JobEntry[],
): Pipeline {
  if (pipeline.manager !== 'dependent') return { ...pipeline, queues: [] };
  const members = projects.flatMap((project): { name: string; trees: readonly JobTree[] }[] => {
    const trees = project.pipelines.get(pipeline.name);
    return trees === undefined ? [] : [{ name: project.name, trees }];
  });
  const noopShares = reading.quirks.includes('noop-joins-queues');
  const queues = sharedQueues(
    members,
    (job) => ruleOf(job).queueName,
    (job) => job !== 'noop' || noopShares,
    (job, name, other) => {
      const at = entries.find((entry) => entry.name === job)?.at;
      if (at === undefined) return;
      error(
        reading,
        child(at, 'queue-name'),
        'two-queue-names',
        `More than one name for one change queue of ${pipeline.name}: ${other} != ${name}.`,
        { hint: 'Projects with common jobs share a queue; give all its jobs the same queue-name.' },
      );
    },
  );
  return { ...pipeline, queues };
}

function projectRule(reading: Reading, project: ProjectRead): ProjectRule {
  const { at, name, mergeMode, pipelines } = project;
  const place = placeText(reading, at);
  return {
    name,
    mergeMode,
    pipelines: Object.fromEntries(pipelines),
    ...(place === undefined ? {} : { place }),
  };
}

function placesOf(
  reading: Reading,
  pipelines: readonly PipelineRead[],
  entries: readonly JobEntry[],
  templates: ReadonlyMap<string, Template>,
  projects: readonly ProjectRead[],
): Record<string, string> {
  const places: Record<string, string> = {};
  const note = (what: string, place: string | undefined): void => {
    if (place !== undefined) places[what] = place;
  };
  for (const { name, place } of pipelines) note(`pipeline ${name}`, place);
  for (const { name, place } of entries) note(`job ${name}`, place);
  for (const { name, at } of templates.values()) note(`template ${name}`, placeText(reading, at));
  for (const { name, at } of projects) note(`project ${name}`, placeText(reading, at));
  return places;
}
