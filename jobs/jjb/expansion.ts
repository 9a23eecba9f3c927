import { didYouMean, type Place, type Problem } from '../problem.ts';
import type { FormatMistake } from './format.ts';
import type { Corpus, JjbSettings } from './load.ts';
import { type Dict, pythonText } from './python.ts';

/** What every step of an expansion shares: the corpus, the jobs made so far, defaults and descriptions. */

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
export const MOST_JOBS = 100_000;

export interface Expansion {
  readonly corpus: Corpus;
  readonly settings: JjbSettings;
  readonly plain: WeakMap<object, boolean>;
  readonly jobs: ExpandedJob[];
  /** Templates with their defaults, which are the same for every project. */
  readonly bodies: Map<Dict, Dict | undefined>;
}

export function entities(expansion: Pick<Expansion, 'corpus'>, kind: string): ReadonlyMap<string, Dict> {
  return expansion.corpus.entities.get(kind) ?? new Map<string, Dict>();
}

/** The defaults a definition names, or `global`; `override` wins where the defaults know its key. Undefined: no such defaults. */
export function withDefaults(
  data: Dict,
  override: Dict,
  expansion: Expansion,
  via: readonly Step[],
  /** Where `data` was written, if it was put together. */
  owner: Dict = data,
): Dict | undefined {
  const name = pythonText(data['defaults'] ?? 'global');
  const all = entities(expansion, 'defaults');
  const defaults = all.get(name);
  if (defaults === undefined) {
    if (name === 'global') return { ...data };
    unknownDefaults(name, owner, via, expansion);
    return undefined;
  }
  const result: Record<string, unknown> = { ...defaults };
  for (const key in defaults) {
    if (Object.hasOwn(override, key)) result[key] = override[key];
  }
  return Object.assign(result, data);
}

export function unknownDefaults(
  name: string,
  owner: Dict,
  via: readonly Step[],
  expansion: Pick<Expansion, 'corpus'>,
): void {
  const { places, problems } = expansion.corpus;
  const near = didYouMean(name, entities(expansion, 'defaults').keys());
  problems.push({
    severity: 'error',
    code: 'unknown-defaults',
    message: `There are no defaults ${JSON.stringify(name)}.`,
    at: places.of(owner, 'defaults') ?? via[0]?.at,
    via,
    hint: near === undefined ? undefined : `Did you mean ${JSON.stringify(near)}?`,
  });
}

export function addJob(data: Dict, origin: Pick<ExpandedJob, 'at' | 'via'>, expansion: Expansion): void {
  const { corpus, settings, jobs } = expansion;
  const base = pythonText(data['name']);
  const name = 'folder' in data ? `${pythonText(data['folder'])}/${base}` : base;
  const job: Record<string, unknown> = { ...data, name };
  const fallback = settings.keepDescriptions === true ? null : '';
  const description = Object.hasOwn(data, 'description') ? data['description'] : fallback;
  if (typeof description === 'string') job['description'] = description + MANAGED;
  else if (description !== null) return descriptionMistake(data, origin, corpus);
  corpus.places.link(job, data);
  jobs.push({ name, data: job, ...origin });
}

/** A definition with its defaults, places included. */
export function withOwnDefaults(data: Dict, expansion: Expansion, via: readonly Step[]): Dict | undefined {
  const { bodies, corpus } = expansion;
  if (bodies.has(data)) return bodies.get(data);
  const body = withDefaults(data, {}, expansion, via);
  bodies.set(data, body);
  const defaults = entities(expansion, 'defaults').get(pythonText(data['defaults'] ?? 'global'));
  if (body !== undefined) corpus.places.merge(body, defaults === undefined ? [data] : [defaults, data]);
  return body;
}

function descriptionMistake(data: Dict, origin: Pick<ExpandedJob, 'at' | 'via'>, corpus: Corpus): void {
  const at = corpus.places.of(data, 'description') ?? origin.at;
  const message = 'The description of a job must be text.';
  corpus.problems.push({ severity: 'error', code: 'jjb-shape', message, at, via: origin.via });
}

/** The description as people wrote it. */
export function plainDescription(description: unknown): string | undefined {
  const text = typeof description === 'string' ? description.replace(MANAGED, '').trim() : '';
  return text === '' ? undefined : text;
}

/** Of several jobs with one name the last one stays, where that is allowed. */
export function unique(expansion: Expansion): readonly ExpandedJob[] {
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

export function mistakeProblem(mistake: FormatMistake, params: Dict): Problem {
  const { code, message, parameter } = mistake;
  const hint = code === 'too-large' ? undefined : formatHint(parameter, params);
  return { severity: 'error', code, message, hint };
}

function formatHint(parameter: string | undefined, params: Dict): string {
  const literal = 'A brace that is meant literally is written twice: {{ and }}.';
  if (parameter === undefined || !/^[\w-]+$/.test(parameter)) return literal;
  const near = didYouMean(parameter, Object.keys(params));
  if (near !== undefined) return `Did you mean {${near}}?`;
  return `Set ${parameter} in the project, give it a default ({${parameter}|text}), or write {{${parameter}}} for the literal text.`;
}
