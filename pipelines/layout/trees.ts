import type { JobTree } from '../layout.ts';
import { readJobName } from './jobs.ts';
import { type At, child, error, isMapping, type Reading, warn } from './reading.ts';

/** Job trees as written, before templates are filled in: a name, and the jobs that wait for it. */
export interface RawJob {
  readonly at: At;
  readonly name: string;
  readonly children: readonly RawJob[];
}

/**
 * What stands under a pipeline of a project or template: a list of names and of mappings `parent: [children]`. Lists in
 * lists and a single name are taken, too, as Zuul does. `path` is where Zuul's validator would put a problem.
 */
export function readTree(reading: Reading, at: At, path: string): RawJob[] {
  if (!isMapping(at.value)) return readJobs(reading, at, path);
  const jobs = readJobs(reading, at, path);
  if (reading.dialect === 'stackgate') return jobs;
  warn(
    reading,
    at,
    'tree-mapping',
    'Zuul 2.6 drops the children of a mapping that is not in a list.',
    'Put "- " before the parents.',
  );
  if (!reading.quirks.includes('top-mapping-loses-children')) return jobs;
  return jobs.map((job) => ({ ...job, children: [] }));
}

function readJobs(reading: Reading, at: At, path: string): RawJob[] {
  const { value } = at;
  if (Array.isArray(value)) return value.flatMap((_, index) => readJobs(reading, child(at, index), path));
  if (isMapping(value)) {
    return Object.keys(value).map((name) => {
      const under = child(at, name);
      return { at: under, name, children: readJobs(reading, under, path) };
    });
  }
  const name = readJobName(reading, at, path);
  if (name === undefined) return [];
  // Python 2 took texts beyond ASCII for another type and passed over them.
  if (reading.quirks.includes('non-ascii-jobs-vanish') && /[^\0-\x7f]/.test(name)) return [];
  return [{ at, name, children: [] }];
}

interface Grown {
  readonly job: string;
  readonly children: Grown[];
}

/** More positions than any layout has; templates of templates of aliases could make billions. */
const MOST_POSITIONS = 500_000;

/** Positions in the whole layout so far. */
export interface Total {
  positions: number;
}

/** What has grown of one project so far. */
export interface Growth {
  readonly total: Total;
  positions: number;
  /** Where each job is named first. */
  readonly mentions: Map<string, At>;
  /** Names of the siblings where they are many. */
  readonly crowds: Map<readonly Grown[], Map<string, Grown>>;
}

export function noGrowth(total: Total): Growth {
  return { total, positions: 0, mentions: new Map(), crowds: new Map() };
}

type Fill = (job: RawJob) => string | undefined;

/** One pipeline of one project: raw trees are merged into it in order, the same parent only once. */
export function growTree(
  reading: Reading,
  growth: Growth,
): { readonly trees: readonly JobTree[]; add(jobs: readonly RawJob[], fill: Fill): void } {
  const trees: Grown[] = [];
  const add = (level: Grown[], jobs: readonly RawJob[], fill: Fill): void => {
    for (const raw of jobs) {
      growth.positions += 1;
      growth.total.positions += 1;
      if (growth.total.positions > MOST_POSITIONS) {
        if (growth.total.positions === MOST_POSITIONS + 1) {
          error(
            reading,
            raw.at,
            'too-large',
            `The layout has more than ${MOST_POSITIONS} positions of jobs.`,
          );
        }
        return;
      }
      const name = fill(raw);
      if (name === undefined) continue;
      if (!growth.mentions.has(name)) growth.mentions.set(name, raw.at);
      const known = sibling(growth, level, name);
      const tree = known ?? { job: name, children: [] };
      if (known === undefined) {
        level.push(tree);
        growth.crowds.get(level)?.set(name, tree);
      }
      if (raw.children.length > 0) add(tree.children, raw.children, fill);
    }
  };
  return { trees, add: (jobs, fill) => add(trees, jobs, fill) };
}

/** Siblings are few, nearly always; a crowd is looked up by name. */
const CROWD = 24;

function sibling(growth: Growth, level: Grown[], name: string): Grown | undefined {
  if (level.length < CROWD) return level.find((each) => each.job === name);
  const crowd = growth.crowds.get(level) ?? new Map(level.map((each) => [each.job, each]));
  growth.crowds.set(level, crowd);
  return crowd.get(name);
}

/** The jobs of the trees, once each. */
export function jobsOf(trees: readonly JobTree[], jobs = new Set<string>()): Set<string> {
  for (const { job, children } of trees) {
    jobs.add(job);
    if (children.length > 0) jobsOf(children, jobs);
  }
  return jobs;
}
