import { type FormatContext, FormatMistake, formatTree } from './format.ts';
import type { Corpus, JjbSettings } from './load.ts';
import { didYouMean, type Place, type Problem } from './problem.ts';
import { type Dict, isDict, isList, pythonEqual, pythonText } from './python.ts';

/**
 * Projects, groups and templates become jobs, by the rules of JJB 2.x.
 *
 * A template's parameters come, the strongest first, from: an axis value, the group's entry for the job, the group, the
 * project's entry, the project, the template (only where defaults know the key too), the defaults. They are formatted
 * once with themselves, so that a parameter may mention another one. What the template itself defines is known to its
 * own text as it is written, not formatted.
 *
 * An axis is a key of these parameters that holds a list and that stands as `{key}` in the template's name. Lists of
 * defaults are no axes: they are filled in after the axes were chosen.
 */

export interface ExpandedJob {
  readonly name: string;
  /** The job with everything substituted, macros still by name. */
  readonly data: Dict;
  readonly at: Place | undefined;
  readonly via: readonly Step[];
}

export interface Step {
  readonly what: string;
  readonly at?: Place | undefined;
}

const MANAGED = '<!-- Managed by Jenkins Job Builder -->';
/** Enough for eight of OpenStack's corpora; more is a slip in an axis. */
const MOST_JOBS = 100_000;

interface Expansion {
  readonly corpus: Corpus;
  readonly settings: JjbSettings;
  readonly plain: WeakMap<object, boolean>;
  readonly jobs: ExpandedJob[];
}

export function expandJobs(corpus: Corpus, settings: JjbSettings): readonly ExpandedJob[] {
  const expansion: Expansion = { corpus, settings, plain: new WeakMap(), jobs: [] };
  for (const [id, job] of entities(expansion, 'job')) {
    const at = corpus.places.of(job, 'name');
    const data = withDefaults(job, {}, expansion, []);
    if (data !== undefined) addJob(data, { at, via: [{ what: `job ${id}`, at }] }, expansion);
  }
  for (const [name, project] of entities(expansion, 'project')) expandProject(name, project, expansion);
  return unique(expansion);
}

function entities(expansion: Expansion, kind: string): ReadonlyMap<string, Dict> {
  return expansion.corpus.entities.get(kind) ?? new Map<string, Dict>();
}

/** Parameters that were written next to a job's name, with the node they stand in. */
interface Entry {
  readonly name: string;
  readonly params: Dict;
  readonly at: Place | undefined;
}

function expandProject(name: string, project: Dict, expansion: Expansion): void {
  const { places } = expansion.corpus;
  const seen = new Set<string>();
  const via: Step = { what: `project ${name}`, at: places.of(project, 'name') };
  for (const entry of entriesOf(project, 'project', expansion)) {
    const at = { what: `its entry ${entry.name}`, at: entry.at };
    if (entities(expansion, 'job').has(entry.name)) {
      nameOnce(entry, seen, name, expansion);
      continue;
    }
    const group = entities(expansion, 'job-group').get(entry.name);
    if (group !== undefined) {
      expandGroup(group, entry, project, seen, [at, via], expansion);
      continue;
    }
    const template = entities(expansion, 'job-template').get(entry.name);
    if (template === undefined) unknownJob(entry, [via], 'error', expansion);
    else expandTemplate(template, [entry.params, project], undefined, [at, via], expansion);
  }
}

function expandGroup(
  group: Dict,
  entry: Entry,
  project: Dict,
  seen: Set<string>,
  via: readonly Step[],
  expansion: Expansion,
): void {
  const { places } = expansion.corpus;
  for (const member of entriesOf(group, 'job-group', expansion)) {
    if (entities(expansion, 'job').has(member.name)) {
      nameOnce(member, seen, pythonText(project['name']), expansion);
      continue;
    }
    const template = entities(expansion, 'job-template').get(member.name);
    const chain = [{ what: `job-group ${entry.name}`, at: places.of(group, 'name') }, ...via];
    // JJB says nothing about a group's member that does not exist.
    if (template === undefined) unknownJob(member, chain, 'warning', expansion);
    else
      expandTemplate(
        template,
        [member.params, group, entry.params, project],
        project['name'],
        chain,
        expansion,
      );
  }
}

function entriesOf(owner: Dict, kind: string, expansion: Expansion): Entry[] {
  const { places, problems } = expansion.corpus;
  const jobs = owner['jobs'];
  if (jobs === undefined && kind === 'project') return [];
  if (!isList(jobs)) {
    const message = `The "jobs:" of this ${kind} must be a list.`;
    problems.push({ severity: 'error', code: 'jjb-shape', message, at: places.of(owner, 'jobs') });
    return [];
  }
  return jobs.map((job, index) => {
    const at = places.of(jobs, index);
    if (!isDict(job)) return { name: pythonText(job), params: {}, at };
    const name = Object.keys(job)[0] ?? '';
    const params = job[name];
    return { name, params: isDict(params) ? params : {}, at };
  });
}

function nameOnce(entry: Entry, seen: Set<string>, project: string, expansion: Expansion): void {
  if (seen.has(entry.name)) {
    expansion.corpus.problems.push({
      severity: expansion.settings.allowDuplicates === true ? 'warning' : 'error',
      code: 'duplicate-job',
      message: `The project ${project} names the job ${entry.name} twice.`,
      at: entry.at,
    });
  }
  seen.add(entry.name);
}

function unknownJob(
  entry: Entry,
  via: readonly Step[],
  severity: Problem['severity'],
  expansion: Expansion,
): void {
  const known = ['job', 'job-template', 'job-group'].flatMap((kind) => [...entities(expansion, kind).keys()]);
  const near = didYouMean(entry.name, known);
  expansion.corpus.problems.push({
    severity,
    code: 'unknown-job',
    message: `There is no job, job-template or job-group ${JSON.stringify(entry.name)}.`,
    at: entry.at,
    via,
    hint: near === undefined ? undefined : `Did you mean ${JSON.stringify(near)}?`,
  });
}

/** The defaults a definition names, or `global`; `override` wins where the defaults know its key. Undefined: no such defaults. */
function withDefaults(
  data: Dict,
  override: Dict,
  expansion: Expansion,
  via: readonly Step[],
): Dict | undefined {
  const { places, problems } = expansion.corpus;
  const name = pythonText(data['defaults'] ?? 'global');
  const all = entities(expansion, 'defaults');
  const defaults = all.get(name);
  if (defaults === undefined) {
    if (name === 'global') return { ...data };
    const near = didYouMean(name, all.keys());
    problems.push({
      severity: 'error',
      code: 'unknown-defaults',
      message: `There are no defaults ${JSON.stringify(name)}.`,
      at: places.of(data, 'defaults') ?? via[0]?.at,
      via,
      hint: near === undefined ? undefined : `Did you mean ${JSON.stringify(near)}?`,
    });
    return undefined;
  }
  const result: Record<string, unknown> = { ...defaults };
  for (const key in defaults) {
    if (Object.hasOwn(override, key)) result[key] = override[key];
  }
  return Object.assign(result, data);
}

/** `layers`: where parameters come from, the strongest first, the project last. */
function expandTemplate(
  template: Dict,
  layers: readonly Dict[],
  name: unknown,
  via: readonly Step[],
  expansion: Expansion,
): void {
  const { places, problems } = expansion.corpus;
  const body = withDefaults(template, {}, expansion, via);
  if (body === undefined) return;
  const templateName = pythonText(body['name']);
  const at = places.of(template, 'name');
  const chain: readonly Step[] = [
    { what: `job-template ${pythonText(template['id'] ?? templateName)}`, at },
    ...via,
  ];
  const project: Record<string, unknown> = Object.assign({}, ...layers.toReversed());
  if (name !== undefined) project['name'] = name;
  delete project['jobs'];
  const excludes = project['exclude'] ?? [];
  delete project['exclude'];
  const axes = Object.entries(project).filter(
    (axis): axis is [string, unknown[]] => isList(axis[1]) && templateName.includes(`{${axis[0]}}`),
  );
  const size = axes.reduce((product, [, values]) => product * values.length, 1);
  if (size + expansion.jobs.length > MOST_JOBS) {
    problems.push({
      severity: 'error',
      code: 'too-many-jobs',
      message: `The template would make ${size} jobs; all files together may make ${MOST_JOBS}.`,
      at,
      via: chain,
      hint: `Its axes are ${axes.map(([key, values]) => `${key} (${values.length})`).join(', ')}.`,
    });
    return;
  }
  for (let index = 0; index < size; index++) {
    const chosen = chooseAxes(axes, index, chain, expansion);
    const params =
      chosen && withDefaults({ ...project, 'template-name': escaped(templateName) }, body, expansion, chain);
    if (params === undefined) continue;
    realize(
      { body, template, templateName, layers, excludes, chain, at },
      Object.assign(params, chosen),
      expansion,
    );
  }
}

function escaped(text: string): string {
  return text.replaceAll('{', '{{').replaceAll('}', '}}');
}

/** Values of all axes for one combination; the last axis turns fastest. Undefined after a mistake. */
function chooseAxes(
  axes: readonly (readonly [string, readonly unknown[]])[],
  index: number,
  via: readonly Step[],
  expansion: Expansion,
): Record<string, unknown> | undefined {
  const { places, problems } = expansion.corpus;
  const picks: unknown[] = [];
  let rest = index;
  for (const [, values] of axes.toReversed()) {
    picks.unshift(rest % values.length);
    rest = Math.floor(rest / values.length);
  }
  const chosen: Record<string, unknown> = {};
  for (const [position, [key, values]] of axes.entries()) {
    const pick = Number(picks[position]);
    const value = values[pick];
    if (!isDict(value)) {
      chosen[key] = value;
      continue;
    }
    const inner = Object.keys(value)[0];
    const params = inner === undefined ? undefined : value[inner];
    if (inner === undefined || !isDict(params)) {
      problems.push({
        severity: 'error',
        code: 'axis-value',
        message: `The value ${JSON.stringify(inner ?? '')} of the axis ${key} has no parameters below it.`,
        at: places.of(values, pick),
        via,
        hint: 'Indent its parameters one level deeper than its name, or remove the colon.',
      });
      return undefined;
    }
    chosen[key] = places.key(value, inner);
    Object.assign(chosen, params);
  }
  return chosen;
}

interface Realization {
  readonly body: Dict;
  readonly template: Dict;
  readonly templateName: string;
  readonly layers: readonly Dict[];
  readonly excludes: unknown;
  readonly chain: readonly Step[];
  readonly at: Place | undefined;
}

function realize(work: Realization, raw: Dict, expansion: Expansion): void {
  const { body, template, templateName, excludes, chain, at } = work;
  const { corpus, settings, plain } = expansion;
  const context = (params: Dict, allowEmpty: boolean): FormatContext => ({
    params,
    allowEmpty,
    plain,
    copied: corpus.places.link,
  });
  const first = context(raw, false);
  const params = attempt(first, () => formatTree(raw, first), [...work.layers, template], raw, chain, corpus);
  if (!isDict(params) || isExcluded(params, excludes)) return;
  const known: Record<string, unknown> = { ...params };
  for (const key in body) {
    if (!Object.hasOwn(known, key)) known[key] = body[key];
  }
  known['template-name'] = templateName;
  const second = context(known, settings.allowEmptyVariables === true);
  const data = attempt(second, () => formatTree(body, second), [template], body, chain, corpus);
  if (!isDict(data)) return;
  if (!corpus.places.of(data)) corpus.places.link(data, template);
  addJob(data, { at, via: chain }, expansion);
}

/** Runs a substitution; a mistake becomes a problem at the text that asked for it. */
function attempt(
  context: FormatContext,
  run: () => unknown,
  origins: readonly Dict[],
  root: Dict,
  via: readonly Step[],
  corpus: Corpus,
): unknown {
  try {
    return run();
  } catch (caught) {
    if (!(caught instanceof FormatMistake)) throw caught;
    const { node, key } = context;
    const origin =
      node === root ? origins.find((layer) => key !== undefined && Object.hasOwn(layer, key)) : node;
    corpus.problems.push({
      ...mistakeProblem(caught, context.params),
      at: corpus.places.of(origin, key) ?? via[0]?.at,
      via,
    });
    return undefined;
  }
}

export function mistakeProblem(mistake: FormatMistake, params: Dict): Problem {
  const { code, message, parameter } = mistake;
  return { severity: 'error', code, message, hint: formatHint(parameter, params) };
}

function formatHint(parameter: string | undefined, params: Dict): string {
  const literal = 'A brace that is meant literally is written twice: {{ and }}.';
  if (parameter === undefined || !/^[\w-]+$/.test(parameter)) return literal;
  const near = didYouMean(parameter, Object.keys(params));
  if (near !== undefined) return `Did you mean {${near}}?`;
  return `Set ${parameter} in the project, give it a default ({${parameter}|text}), or write {{${parameter}}} for the literal text.`;
}

/** One of the maps of `exclude:` fits: every key it shares with the parameters has the same value. */
function isExcluded(params: Dict, excludes: unknown): boolean {
  if (!isList(excludes)) return false;
  return excludes.some(
    (exclude) =>
      isDict(exclude) &&
      Object.entries(exclude).every(
        ([key, value]) => !Object.hasOwn(params, key) || pythonEqual(value, params[key]),
      ),
  );
}

function addJob(data: Dict, origin: Pick<ExpandedJob, 'at' | 'via'>, expansion: Expansion): void {
  const { corpus, settings, jobs } = expansion;
  const base = pythonText(data['name']);
  const name = 'folder' in data ? `${pythonText(data['folder'])}/${base}` : base;
  const job: Record<string, unknown> = { ...data, name };
  const fallback = settings.keepDescriptions === true ? null : '';
  const description = Object.hasOwn(data, 'description') ? data['description'] : fallback;
  if (description !== null) job['description'] = pythonText(description) + MANAGED;
  corpus.places.link(job, data);
  jobs.push({ name, data: job, ...origin });
}

/** The description as people wrote it. */
export function plainDescription(description: unknown): string | undefined {
  const text = typeof description === 'string' ? description.replace(MANAGED, '').trim() : '';
  return text === '' ? undefined : text;
}

/** Of several jobs with one name the last one stays, where that is allowed. */
function unique(expansion: Expansion): readonly ExpandedJob[] {
  const { corpus, settings, jobs } = expansion;
  const last = new Map<string, ExpandedJob>();
  for (const job of jobs) {
    const before = last.get(job.name);
    last.set(job.name, job);
    if (before === undefined) continue;
    const place =
      before.at === undefined ? '' : ` The other one is made at ${before.at.file}:${before.at.line}.`;
    corpus.problems.push({
      severity: settings.allowDuplicates === true ? 'warning' : 'error',
      code: 'duplicate-job',
      message: `Two jobs are named ${JSON.stringify(job.name)}.`,
      at: job.at,
      via: job.via,
      hint: `Give one of them another name.${place}`,
    });
  }
  return jobs.filter((job) => last.get(job.name) === job);
}
