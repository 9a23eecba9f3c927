import type { PlaceBook } from '../places.ts';
import type { Place } from '../problem.ts';
import { type ExpandedJob, mistakeProblem, type Step } from './expansion.ts';
import { Deferred, type FormatContext, FormatMistake, formatTree } from './format.ts';
import { type Corpus, type JjbSettings, MACRO_LISTS } from './load.ts';
import { type Dict, isDict, isList, pythonText, pythonTruth } from './python.ts';
import { defaultsName, defaultsOf } from './six/contents.ts';

/**
 * Macros are lists of steps with a name. JJB formats the body of a macro only when it is called with parameters, so
 * that a literal brace is `{{` in one case and `{` in the other: the best known trap of JJB, kept because every existing file
 * depends on it. JJB 5 ended it (`compat: 6`): every body is formatted, and knows the job beside the call's parameters.
 */

/** One part of a job: a builder, a publisher and so on. */
export interface Component {
  readonly name: string;
  readonly value: unknown;
  readonly at: Place | undefined;
  /** Macros that led here, innermost first, then how the job came about. */
  readonly via: readonly Step[];
  /** A part of this part, which stands where its value stands. */
  inside(name: string, value: unknown): Component;
}

/** How macros called each other, innermost first. */
interface Trail {
  readonly macro: string;
  readonly node: Dict;
  readonly caller: unknown;
  readonly index: number;
  readonly outer: Trail | undefined;
}

/** Where a list stands that is being inlined. */
interface Home {
  readonly kind: string;
  readonly places: PlaceBook;
  readonly via: readonly Step[];
}

/** Places and chains of a quarter of a million parts are only worked out for those that have a problem. */
class Part implements Component {
  readonly name: string;
  readonly value: unknown;
  readonly #home: Home;
  readonly #node: unknown;
  readonly #index: number | undefined;
  readonly #trail: Trail | undefined;

  constructor(
    name: string,
    value: unknown,
    home: Home,
    where: { node: unknown; index?: number | undefined },
    trail: Trail | undefined,
  ) {
    this.name = name;
    this.value = value;
    this.#home = home;
    this.#node = where.node;
    this.#index = where.index;
    this.#trail = trail;
  }

  get at(): Place | undefined {
    return this.#home.places.of(this.#node, this.#index);
  }

  get via(): readonly Step[] {
    return chainOf(this.#trail, this.#home);
  }

  inside(name: string, value: unknown): Component {
    return new Part(name, value, this.#home, { node: value }, this.#trail);
  }
}

function chainOf(trail: Trail | undefined, { kind, places, via }: Home): readonly Step[] {
  const steps: Step[] = [];
  for (let step = trail; step !== undefined; step = step.outer) {
    steps.push(
      { what: `${kind} macro ${step.macro}`, at: places.of(step.node, 'name') },
      { what: `call of ${step.macro}`, at: places.of(step.caller, step.index) },
    );
  }
  return [...steps, ...via];
}

const MOST_STEPS = 10_000;
const DEEPEST = 60;

/** One list that is being inlined. */
interface Work {
  readonly home: Home;
  readonly job: Dict;
  readonly out: Component[];
  calls: number;
  stopped: boolean;
}

export interface Inliner {
  /** The components of one list of a job, macros replaced by what they stand for. */
  inline(kind: string, list: unknown, job: Pick<ExpandedJob, 'data' | 'via'>): readonly Component[];
}

export function createInliner(corpus: Corpus, settings: JjbSettings): Inliner {
  const plain = new WeakMap<object, boolean>();
  const { places, problems } = corpus;
  const six = settings.compat === 6;
  const context = (params: Dict): FormatContext => ({
    params,
    allowEmpty: settings.allowEmptyVariables === true,
    plain,
    budget: corpus.budget,
    copied: places.link,
  });

  function format(part: Component, params: Dict): unknown {
    const where = context(params);
    try {
      return formatTree(part.value, where);
    } catch (caught) {
      if (!(caught instanceof FormatMistake)) throw caught;
      const at = places.of(where.node, where.key) ?? part.at;
      problems.push({ ...mistakeProblem(caught, params), at, via: part.via });
      return undefined;
    }
  }

  /** Since JJB 5 the whole item, its name included. */
  function formatItem(
    list: readonly unknown[],
    index: number,
    params: Dict,
    trail: Trail,
    { home }: Work,
  ): unknown {
    return format(new Part('', list[index], home, { node: list, index }, trail), params);
  }

  /** Since JJB 5: defaults, what stands beside the macro's list, the call, and the job, which wins. */
  function paramsOf(macro: Dict, given: Dict, part: Component, { home, job }: Work): Dict {
    const defaults = defaultsOf(defaultsName(macro), { corpus }, { owner: macro, via: part.via });
    const { name: _name, defaults: _defaults, [MACRO_LISTS[home.kind] ?? '']: _list, ...own } = macro;
    return { ...defaults?.params, ...own, ...given, ...job };
  }

  /** Since JJB 5 the list may be a template of its own. */
  function bodyOf(macro: Dict, part: Component, work: Work): unknown {
    const body = macro[MACRO_LISTS[work.home.kind] ?? ''];
    if (!six || !(body instanceof Deferred)) return six ? (body ?? []) : body;
    const params = paramsOf(macro, isDict(part.value) ? part.value : {}, part, work);
    return format(part.inside(part.name, body), params);
  }

  /** JJB takes the first key of a component and is silent about others. */
  function tellNeighbours(part: Component, item: Dict): void {
    const [, neighbour] = Object.keys(item);
    if (neighbour === undefined) return;
    const message = `The key "${neighbour}" stands beside "${part.name}:" and is ignored.`;
    const hint = `Indent what belongs to "${part.name}:", or start another item with "- ".`;
    const at = places.of(item, neighbour);
    problems.push({ severity: 'warning', code: 'ignored-key', message, at, hint, via: part.via });
  }

  function wrong(code: string, message: string, part: Component): void {
    problems.push({ severity: 'error', code, message, at: part.at, via: part.via });
  }

  function dispatch(
    list: readonly unknown[],
    index: number,
    params: Dict,
    trail: Trail | undefined,
    work: Work,
  ): void {
    if (work.stopped || ++work.calls > MOST_STEPS || corpus.budget.left < 0) return;
    const { kind } = work.home;
    const item = six && trail !== undefined ? formatItem(list, index, params, trail, work) : list[index];
    if (item === undefined) return;
    const name = isDict(item) ? (Object.keys(item)[0] ?? '') : pythonText(item);
    const written = isDict(item) ? item[name] : {};
    let part = new Part(name, written, work.home, { node: list, index }, trail);
    if (isDict(item)) tellNeighbours(part, item);
    if (
      !six &&
      isDict(item) &&
      (Object.keys(params).length > 0 || (written instanceof Deferred && written.always))
    ) {
      const value = format(part, params);
      if (value === undefined) return;
      part = new Part(name, value, work.home, { node: list, index }, trail);
    }
    const macro = corpus.entities.get(kind)?.get(name);
    if (macro === undefined) work.out.push(part);
    else call(macro, part, { macro: name, node: macro, caller: list, index, outer: trail }, work);
  }

  function call(macro: Dict, part: Component, trail: Trail, work: Work): void {
    const { kind } = work.home;
    const { name, value } = part;
    const body = bodyOf(macro, part, work);
    const title = `${kind} macro ${JSON.stringify(name)}`;
    if (!isList(body)) {
      const at = places.of(macro, 'name');
      const message = `The ${title} has no list "${MACRO_LISTS[kind]}:".`;
      problems.push({ severity: 'error', code: 'macro-shape', message, at, via: part.via });
    } else if (isCircle(trail)) {
      work.stopped = true;
      wrong('macro-cycle', `The ${title} calls itself.`, part);
    } else if (pythonTruth(value) && !isDict(value)) {
      wrong('macro-parameters', `The parameters of the ${title} must be a mapping.`, part);
    } else {
      const given = isDict(value) ? value : {};
      const params = six ? paramsOf(macro, given, part, work) : given;
      for (let index = 0; index < body.length; index++) dispatch(body, index, params, trail, work);
    }
  }

  return {
    inline(kind, list, { data, via }) {
      const work: Work = { home: { kind, places, via }, job: data, out: [], calls: 0, stopped: false };
      if (!isList(list)) return work.out;
      for (let index = 0; index < list.length; index++) dispatch(list, index, {}, undefined, work);
      if (work.calls > MOST_STEPS) {
        const message = `More than ${MOST_STEPS} steps come out of the macros of one list.`;
        problems.push({ severity: 'error', code: 'too-many-steps', message, at: places.of(list), via });
      }
      return work.out;
    },
  };
}

function isCircle(trail: Trail): boolean {
  let depth = 0;
  for (let step = trail.outer; step !== undefined; step = step.outer) {
    if (step.macro === trail.macro || ++depth > DEEPEST) return true;
  }
  return false;
}

export interface InlinedJob {
  /** The job with its macros replaced, in JJB's form: every component is a mapping of one key. */
  readonly data: Dict;
  /** The same components by the list they stand in, with their places. */
  readonly parts: Readonly<Record<string, readonly Component[]>>;
}

export function inlineJob(job: ExpandedJob, inliner: Inliner): InlinedJob {
  const data: Record<string, unknown> = { ...job.data };
  const parts: Record<string, readonly Component[]> = {};
  for (const [list, kind] of LISTS) {
    const items = job.data[list];
    if (!isList(items)) continue;
    const components = inliner.inline(kind, items, job);
    parts[list] = components;
    data[list] = components.map(({ name, value }) => ({ [name]: value }));
  }
  return { data, parts };
}

const LISTS: readonly (readonly [string, string])[] = [
  ...Object.entries(MACRO_LISTS).map(([kind, list]) => [list, kind] as const),
  ['prebuilders', 'builder'],
  ['postbuilders', 'builder'],
];
