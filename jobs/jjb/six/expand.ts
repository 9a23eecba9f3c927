import { type Entry, entriesOf, unknownJob } from '../entries.ts';
import { addJob, type Expansion, entities, type Step } from '../expansion.ts';
import { type FormatContext, formatTree } from '../format.ts';
import { type Dict, isDict, isList, pythonText } from '../python.ts';
import { attempt, chooseAxes, tooManyJobs } from '../template.ts';
import { type Axis, axesOf, excluded } from './axes.ts';
import { defaultsName, defaultsOf, halvesOf } from './contents.ts';
import { lazyParams, readAll } from './params.ts';

/**
 * Projects, groups and templates become jobs, by the rules of JJB 5 and 6. What differs from JJB 2: a job is formatted as a
 * template is; what is no content of a job is a parameter and not kept; defaults stand on the global ones; parameters use
 * each other to any depth; every list that the name of a template uses is an axis; `exclude:` is checked.
 */
export function expandSix(expansion: Expansion): void {
  for (const [id, job] of entities(expansion, 'job')) {
    const { places } = expansion.corpus;
    const at = places.of(job, 'name');
    const via = [{ what: `job ${id}`, at }];
    const defaults = defaultsOf(defaultsName(job), expansion, { owner: job, via });
    if (defaults === undefined) continue;
    const { contents, params } = halvesOf(job);
    const whole: Dict = { ...defaults.contents, ...contents };
    places.merge(whole, [job]);
    const context = contextOf({ ...defaults.params, ...params }, expansion);
    const data = attempt(context, () => formatTree(whole, context), [job], whole, via, expansion.corpus);
    if (isDict(data)) addJob(data, { at, via }, expansion);
  }
  for (const [name, project] of entities(expansion, 'project')) expandProject(name, project, expansion);
}

function contextOf(params: Dict, { corpus, settings, plain }: Expansion): FormatContext {
  return {
    params,
    allowEmpty: settings.allowEmptyVariables === true,
    plain,
    budget: corpus.budget,
    copied: corpus.places.link,
  };
}

function expandProject(name: string, project: Dict, expansion: Expansion): void {
  const via: Step = { what: `project ${name}`, at: expansion.corpus.places.of(project, 'name') };
  const defaults = Object.hasOwn(project, 'defaults') ? defaultsName(project) : undefined;
  for (const entry of entriesOf(project, 'project', expansion)) {
    const chain = [{ what: `its entry ${entry.name}`, at: entry.at }, via];
    const layers = [entry.params, { name }, without(project, ['jobs', 'views', 'defaults'])];
    // Jobs are made anyway, whoever names them.
    if (entities(expansion, 'job').has(entry.name)) continue;
    const group = entities(expansion, 'job-group').get(entry.name);
    if (entities(expansion, 'job-template').has(entry.name) || group === undefined) {
      expandEntry(entry, layers, { defaults, project, via: chain }, expansion);
      continue;
    }
    const place = { what: `job-group ${entry.name}`, at: expansion.corpus.places.of(group, 'name') };
    const inGroup = [without(group, ['name', 'jobs']), ...layers];
    for (const member of entriesOf(group, 'job-group', expansion)) {
      if (entities(expansion, 'job').has(member.name)) continue;
      const call = { defaults, project, via: [place, ...chain] };
      expandEntry(member, [member.params, ...inGroup], call, expansion);
    }
  }
}

function without(dict: Dict, keys: readonly string[]): Dict {
  return Object.fromEntries(Object.entries(dict).filter(([key]) => !keys.includes(key)));
}

/** From where a template is called. */
interface Call {
  /** Defaults that the project names instead of the template's. */
  readonly defaults: string | undefined;
  readonly project: Dict;
  readonly via: readonly Step[];
}

/** `layers`: where parameters come from, the strongest first. */
function expandEntry(entry: Entry, layers: readonly Dict[], call: Call, expansion: Expansion): void {
  const { places } = expansion.corpus;
  const template = entities(expansion, 'job-template').get(entry.name);
  if (template === undefined) return unknownJob(entry, call.via, 'error', expansion);
  const at = places.of(template, 'name');
  const via: readonly Step[] = [{ what: `job-template ${entry.name}`, at }, ...call.via];
  const owner = call.defaults === undefined ? template : call.project;
  const defaults = defaultsOf(call.defaults ?? defaultsName(template), expansion, { owner, via });
  if (defaults === undefined) return;
  const own = halvesOf(template);
  const templateName = pythonText(template['name']);
  const raw: Dict = {
    ...Object.assign({}, defaults.params, own.params, ...layers.toReversed()),
    'template-name': templateName,
    ...(template['id'] === undefined ? {} : { id: template['id'] }),
  };
  const contents: Dict = { ...defaults.contents, ...own.contents };
  places.merge(contents, [template]);
  const context = contextOf(raw, expansion);
  const origins = [...layers, call.project, template];
  const axes = attempt(
    context,
    () => axesOf(templateName, raw, context),
    origins,
    raw,
    via,
    expansion.corpus,
  );
  if (!isAxes(axes)) return;
  if (tooManyJobs(axes, { at, via }, expansion)) return;
  const size = axes.reduce((product, [, values]) => product * values.length, 1);
  for (let index = 0; index < size && expansion.corpus.budget.left >= 0; index++) {
    const chosen = chooseAxes(axes, index, via, expansion);
    if (chosen !== undefined) realize({ raw: { ...raw, ...chosen }, contents, origins, via, at }, expansion);
  }
}

function isAxes(value: unknown): value is Axis[] {
  return Array.isArray(value);
}

interface Realization {
  readonly raw: Dict;
  readonly contents: Dict;
  readonly origins: readonly Dict[];
  readonly via: readonly Step[];
  readonly at: Step['at'];
}

function realize({ raw, contents, origins, via, at }: Realization, expansion: Expansion): void {
  const { corpus } = expansion;
  const lazy = lazyParams(raw, contextOf({}, expansion));
  const params = attempt(lazy, () => readAll(lazy.params), origins, raw, via, corpus);
  if (!isDict(params)) return;
  const out = excluded(params);
  if (out.kind === 'yes') return;
  if (out.kind === 'wrong') {
    const list = origins.map((origin) => origin['exclude']).find(isList);
    const where = corpus.places.of(list, out.index) ?? at;
    corpus.problems.push({ severity: 'error', code: 'exclude', message: out.message, at: where, via });
    return;
  }
  const context = contextOf(params, expansion);
  const data = attempt(context, () => formatTree(contents, context), origins, contents, via, corpus);
  if (isDict(data)) addJob(data, { at, via }, expansion);
}
