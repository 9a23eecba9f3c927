import type { Build, Item } from './item.ts';
import type { JobTree, Layout } from './layout.ts';
import { own } from './own.ts';

/** What the builds of an item say together. Answers are kept per build set, since a gate asks for them in every pass. */

/** Every job of a tree, parents before children; a job in two places comes twice. */
export function flatten(trees: readonly JobTree[], into: string[] = []): string[] {
  for (const tree of trees) {
    if (tree.job !== '') into.push(tree.job);
    flatten(tree.children, into);
  }
  return into;
}

const jobsOfTree = new WeakMap<readonly JobTree[], readonly string[]>();

/** The jobs that an item is judged by, once each, in report order. */
export function jobsOf(item: Pick<Item, 'jobs' | 'live'>): readonly string[] {
  if (!item.live) return [];
  const known = jobsOfTree.get(item.jobs);
  if (known !== undefined) return known;
  const jobs = [...new Set(flatten(item.jobs))];
  jobsOfTree.set(item.jobs, jobs);
  return jobs;
}

export function resultOf(build: Build | undefined): string | undefined {
  return build?.phase === 'done' ? build.result : undefined;
}

export interface Verdict {
  /** A voting job has a result other than SUCCESS. */
  readonly failed: boolean;
  /** Every job has a result. */
  readonly complete: boolean;
  /** Every voting job has the result SUCCESS. */
  readonly succeeded: boolean;
}

interface Judged {
  readonly layout: Layout;
  readonly jobs: readonly JobTree[];
  readonly verdict: Verdict;
}

const verdicts = new WeakMap<Item['set'], Judged>();

export function verdictOf(layout: Layout, item: Item): Verdict {
  const known = verdicts.get(item.set);
  if (known !== undefined && known.layout === layout && known.jobs === item.jobs) return known.verdict;
  let failed = false;
  let complete = true;
  let succeeded = true;
  for (const job of jobsOf(item)) {
    const result = resultOf(own(item.set.builds, job));
    if (result === undefined) complete = false;
    if (!isVoting(layout, job)) continue;
    if (result !== 'SUCCESS') succeeded = false;
    if (result !== undefined && result !== 'SUCCESS') failed = true;
  }
  const verdict = { failed, complete, succeeded };
  verdicts.set(item.set, { layout, jobs: item.jobs, verdict });
  return verdict;
}

export function isVoting(layout: Layout, job: string): boolean {
  return own(layout.jobs, job)?.voting ?? true;
}

/** The jobs under `job` wherever it stands: they cannot run once it failed. */
export function below(trees: readonly JobTree[], job: string): string[] {
  const found: string[] = [];
  for (const tree of trees) {
    if (tree.job === job) flatten(tree.children, found);
    found.push(...below(tree.children, job));
  }
  return found;
}

/**
 * Jobs that may start now, in tree order: a child after its parent’s SUCCESS. `take` is asked last and may refuse (a mutex
 * that somebody holds).
 */
export function startable(
  trees: readonly JobTree[],
  builds: Readonly<Record<string, Build>>,
  take: (job: string) => boolean,
  started: Set<string> = new Set(),
): Set<string> {
  for (const tree of trees) {
    if (tree.job === '') continue;
    const build = own(builds, tree.job);
    if (build === undefined && !started.has(tree.job) && take(tree.job)) started.add(tree.job);
    if (resultOf(build) === 'SUCCESS') startable(tree.children, builds, take, started);
  }
  return started;
}
