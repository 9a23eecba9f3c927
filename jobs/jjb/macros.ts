import type { Place } from '../problem.ts';
import { type ExpandedJob, mistakeProblem, type Step } from './expansion.ts';
import { Deferred, type FormatContext, FormatMistake, formatTree } from './format.ts';
import { type Corpus, type JjbSettings, MACRO_LISTS } from './load.ts';
import { type Dict, isDict, isList, pythonText, pythonTruth } from './python.ts';

/**
 * Macros are lists of steps with a name. JJB formats the body of a macro only when it is called with parameters, so
 * that a literal brace is `{{` in one case and `{` in the other: the best known trap of JJB, kept because every existing file
 * depends on it.
 */

export interface Component {
  readonly name: string;
  readonly value: unknown;
  readonly at: Place | undefined;
  /** Macros that led here, innermost first. */
  readonly via: readonly Step[];
}

const MOST_STEPS = 10_000;
/** Outer places of a component: two for every macro. */
const DEEPEST = 120;

/** One list that is being inlined. */
interface Work {
  readonly out: Component[];
  calls: number;
  stopped: boolean;
}

export interface Inliner {
  /** The components of one list of a job, macros replaced by what they stand for. */
  inline(kind: string, list: unknown, via: readonly Step[]): readonly Component[];
}

export function createInliner(corpus: Corpus, settings: JjbSettings): Inliner {
  const plain = new WeakMap<object, boolean>();
  const { places, problems } = corpus;
  const context = (params: Dict): FormatContext => ({
    params,
    allowEmpty: settings.allowEmptyVariables === true,
    plain,
    budget: corpus.budget,
    copied: places.link,
  });

  function format(value: unknown, params: Dict, at: Place | undefined, via: readonly Step[]): unknown {
    const where = context(params);
    try {
      return formatTree(value, where);
    } catch (caught) {
      if (!(caught instanceof FormatMistake)) throw caught;
      problems.push({ ...mistakeProblem(caught, params), at: places.of(where.node, where.key) ?? at, via });
      return undefined;
    }
  }

  /** JJB takes the first key of a component and is silent about others. */
  function tellNeighbours(name: string, item: Dict, via: readonly Step[]): void {
    const [, neighbour] = Object.keys(item);
    if (neighbour === undefined) return;
    const message = `The key "${neighbour}" stands beside "${name}:" and is ignored.`;
    const hint = `Indent what belongs to "${name}:", or start another item with "- ".`;
    problems.push({
      severity: 'warning',
      code: 'ignored-key',
      message,
      at: places.of(item, neighbour),
      hint,
      via,
    });
  }

  function dispatch(
    kind: string,
    item: unknown,
    at: Place | undefined,
    params: Dict,
    via: readonly Step[],
    work: Work,
  ): void {
    if (work.stopped || ++work.calls > MOST_STEPS || corpus.budget.left < 0) return;
    const name = isDict(item) ? (Object.keys(item)[0] ?? '') : pythonText(item);
    let value: unknown = isDict(item) ? item[name] : {};
    if (isDict(item) && (Object.keys(params).length > 0 || (value instanceof Deferred && value.always))) {
      value = format(value, params, at, via);
      if (value === undefined) return;
    }
    if (isDict(item)) tellNeighbours(name, item, via);
    const macro = corpus.entities.get(kind)?.get(name);
    if (macro === undefined) {
      work.out.push({ name, value, at, via });
      return;
    }
    const list = macro[MACRO_LISTS[kind] ?? ''];
    const step: Step = { what: `${kind} macro ${name}`, at: places.of(macro, 'name') };
    if (!isList(list)) {
      const message = `The ${kind} macro ${JSON.stringify(name)} has no list "${MACRO_LISTS[kind]}:".`;
      problems.push({ severity: 'error', code: 'macro-shape', message, at: step.at, via });
      return;
    }
    if (via.some((outer) => outer.what === step.what) || via.length > DEEPEST) {
      work.stopped = true;
      const message = `The ${kind} macro ${JSON.stringify(name)} calls itself.`;
      problems.push({ severity: 'error', code: 'macro-cycle', message, at, via: [step, ...via] });
      return;
    }
    if (pythonTruth(value) && !isDict(value)) {
      const message = `The parameters of the ${kind} macro ${JSON.stringify(name)} must be a mapping.`;
      problems.push({ severity: 'error', code: 'macro-parameters', message, at, via });
      return;
    }
    const inner = [step, { what: `call of ${name}`, at }, ...via];
    for (const [index, part] of list.entries()) {
      dispatch(kind, part, places.of(list, index), isDict(value) ? value : {}, inner, work);
    }
  }

  return {
    inline(kind, list, via) {
      const work: Work = { out: [], calls: 0, stopped: false };
      if (!isList(list)) return work.out;
      for (const [index, item] of list.entries()) {
        dispatch(kind, item, places.of(list, index) ?? places.of(item), {}, via, work);
      }
      if (work.calls > MOST_STEPS) {
        const message = `More than ${MOST_STEPS} steps come out of the macros of one list.`;
        problems.push({ severity: 'error', code: 'too-many-steps', message, at: places.of(list), via });
      }
      return work.out;
    },
  };
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
    const components = inliner.inline(kind, items, job.via);
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
