import type { JobRule, JobTree, Layout, Pipeline, ProjectRule } from '../layout.ts';
import { type Functions, isMetajob, type JobEntry, readJobEntry } from './jobs.ts';
import { lintIdle, lintLabels, lintOrder } from './lint.ts';
import { type LayoutMemory, sameAs } from './memory.ts';
import { type JobRules, jobRules } from './metajobs.ts';
import { type PipelineRead, readPipeline } from './pipelines.ts';
import { type Known, type ProjectRead, readProject, readTemplate, type Template } from './projects.ts';
import { sharedQueues } from './queues.ts';
import {
  type At,
  child,
  error,
  type Fields,
  isMapping,
  meant,
  placeText,
  type Reading,
  readList,
  required,
  warn,
} from './reading.ts';

/** What the sections of all files make together. */
export function assemble(
  reading: Reading,
  roots: readonly Fields[],
  declared: Functions,
  memory?: LayoutMemory,
): Layout {
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
  const functions = functionsOf(declared, roots);
  const entries = read(jobItems, (at) => readJobEntry(reading, at, functions));
  const templates = new Map<string, Template>();
  for (const template of read(templateItems, (at) => readTemplate(reading, at, names))) {
    if (!templates.has(template.name)) templates.set(template.name, template);
  }
  const known = { pipelines: names, templates, total: { positions: 0 } };
  const asked = [...names, ...templateItems.map(valueOf)];
  const projects = readProjects(reading, projectItems, known, asked, memory);
  for (const items of [pipelineItems, jobItems, projectItems, templateItems]) checkUnique(reading, items);

  const rules = rulesFor(entries, memory);
  const mentions = new Map<string, At>();
  for (const project of projects) {
    for (const [name, at] of project.mentions) if (!mentions.has(name)) mentions.set(name, at);
  }
  const ruleOf = (name: string): JobRule => rules.rule(name, () => mentionPlace(reading, mentions, name));
  const jobNames = new Set(entries.map((entry) => entry.name).filter((name) => !isMetajob(name)));
  for (const name of mentions.keys()) jobNames.add(name);
  const jobs = Object.fromEntries([...jobNames].map((name) => [name, ruleOf(name)]));
  lintLabels(reading, reading.labels);
  lintOrder(reading, entries);
  const metajobs = entries.filter((entry) => isMetajob(entry.name));
  const idle = new Set(rules.idle(jobNames));
  lintIdle(
    reading,
    metajobs.filter((_, index) => idle.has(index)),
  );
  return {
    dialect: reading.dialect,
    pipelines: pipelines.map((pipeline) => withQueues(reading, pipeline, projects, jobs, entries)),
    jobs,
    projects: Object.fromEntries(projects.map((project) => [project.name, projectRule(reading, project)])),
    places: placesOf(reading, pipelines, entries, templates, projects),
    quirks: reading.quirks,
  };
}

function valueOf({ value }: At): unknown {
  return value;
}

/** A project that was read before, under the same pipelines and templates (`asked`), is what it was; only its place may be another. */
function readProjects(
  reading: Reading,
  items: readonly At[],
  known: Known,
  asked: readonly unknown[],
  memory: LayoutMemory | undefined,
): ProjectRead[] {
  const before = sameAs(asked, memory?.projects?.asked) ? memory?.projects?.read : undefined;
  const kept = new Map<unknown, ProjectRead>();
  const projects = read(items, (at) => {
    const reused = before?.get(at.value);
    const errors = reading.problems.length;
    const project = reused === undefined ? readProject(reading, at, known) : { ...reused, at };
    if (reused !== undefined) known.total.positions += reused.positions;
    if (project !== undefined && reading.problems.length === errors) kept.set(at.value, project);
    return project;
  });
  if (memory !== undefined) memory.projects = { asked, read: kept };
  return projects;
}

/** The rules of before, if every entry is what it was and where it was. */
function rulesFor(entries: readonly JobEntry[], memory: LayoutMemory | undefined): JobRules {
  if (memory === undefined) return jobRules(entries);
  const asked = entries.flatMap(({ at, place }) => [at.value, place]);
  if (memory.rules === undefined || !sameAs(asked, memory.rules.asked)) {
    memory.rules = { asked, rules: jobRules(entries) };
  }
  return memory.rules.rules;
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

function withQueues(
  reading: Reading,
  { place: _place, ...pipeline }: PipelineRead,
  projects: readonly ProjectRead[],
  jobs: Layout['jobs'],
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
    (job) => jobs[job]?.queueName,
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
