import type { Place } from '../problem.ts';
import {
  addJob,
  type Expansion,
  MOST_JOBS,
  mistakeProblem,
  type Step,
  withDefaults,
  withOwnDefaults,
} from './expansion.ts';
import { type FormatContext, FormatMistake, formatTree } from './format.ts';
import type { Corpus } from './load.ts';
import { type Dict, isDict, isList, pythonEqual, pythonText } from './python.ts';

/** One template, called from one place: axes are multiplied, parameters filled in, excluded combinations left out. */

/** `layers`: where parameters come from, the strongest first, the project last. */
export function expandTemplate(
  template: Dict,
  layers: readonly Dict[],
  name: unknown,
  via: readonly Step[],
  expansion: Expansion,
): void {
  const { places } = expansion.corpus;
  const body = withOwnDefaults(template, expansion, via);
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
  if (tooManyJobs(axes, { at, via: chain }, expansion)) return;
  const size = axes.reduce((product, [, values]) => product * values.length, 1);
  const owner = layers.find((layer) => Object.hasOwn(layer, 'defaults'));
  for (let index = 0; index < size && expansion.corpus.budget.left >= 0; index++) {
    const chosen = chooseAxes(axes, index, chain, expansion);
    const params =
      chosen &&
      withDefaults({ ...project, 'template-name': escaped(templateName) }, body, expansion, chain, owner);
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

/** Says so where the axes would make more jobs than anybody can mean, before they are made. */
export function tooManyJobs(
  axes: readonly (readonly [string, readonly unknown[]])[],
  { at, via }: { readonly at: Place | undefined; readonly via: readonly Step[] },
  { corpus, jobs }: Expansion,
): boolean {
  const size = axes.reduce((product, [, values]) => product * values.length, 1);
  if (size + jobs.length <= MOST_JOBS) return false;
  corpus.problems.push({
    severity: 'error',
    code: 'too-many-jobs',
    message: `The template would make ${size} jobs; all files together may make ${MOST_JOBS}.`,
    at,
    via,
    hint: `Its axes are ${axes.map(([key, values]) => `${key} (${values.length})`).join(', ')}.`,
  });
  return true;
}

/** Values of all axes for one combination; the last axis turns fastest. Undefined after a mistake. */
export function chooseAxes(
  axes: readonly (readonly [string, readonly unknown[]])[],
  index: number,
  via: readonly Step[],
  expansion: Expansion,
): Record<string, unknown> | undefined {
  const { settings } = expansion;
  const { places, problems } = expansion.corpus;
  const picks: unknown[] = [];
  let rest = index;
  for (const [, values] of axes.toReversed()) {
    picks.unshift(rest % values.length);
    rest = Math.floor(rest / values.length);
  }
  const chosen: Record<string, unknown> = {};
  // Since JJB 5 what a value brings for another axis wins over that axis, wherever it stands.
  const brought: Record<string, unknown> = {};
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
    if (settings.compat === 6) Object.assign(brought, { ...params, [key]: brought[key] ?? chosen[key] });
  }
  return settings.compat === 6 ? Object.assign(chosen, brought) : chosen;
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
    budget: corpus.budget,
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
  addJob(data, { at, via: chain }, expansion);
}

/** Runs a substitution; a mistake becomes a problem at the text that asked for it. */
export function attempt(
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
