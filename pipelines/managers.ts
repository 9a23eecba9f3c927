import { type Change, type ChangeRef, changeKey, isCurrent } from './change.ts';
import { findChange, needsOf, ownLabels } from './depend.ts';
import type { Subject } from './item.ts';
import type { ManagerKind, Pipeline } from './layout.ts';
import { own } from './own.ts';
import { isInQueue, openQueue, queuesOf } from './queue.ts';
import { canMerge } from './require.ts';
import type { Rules } from './rules.ts';
import { unreachable } from './unreachable.ts';
import { flatten } from './verdict.ts';
import type { Draft, QueueRow } from './world.ts';

/**
 * The four policies. A manager says which queue a subject joins, what must stand ahead of it, and what a report means;
 * the walk (plan.ts) is the same for all.
 */

export interface Manager {
  readonly kind: ManagerKind;
  /** A success must end in a merge; anything else counts against the window and restarts those behind. */
  readonly merges: boolean;
  /** Changes that are needed are put ahead as items of their own right (live), or only to be built on. */
  readonly needsLive: boolean;
  /** Items build on those ahead of them in the queue. */
  readonly speculates: boolean;
}

const managers: Readonly<Record<ManagerKind, Manager>> = {
  independent: { kind: 'independent', merges: false, needsLive: false, speculates: true },
  dependent: { kind: 'dependent', merges: true, needsLive: true, speculates: true },
  serial: { kind: 'serial', merges: false, needsLive: false, speculates: false },
  supercedent: { kind: 'supercedent', merges: false, needsLive: false, speculates: false },
};

export function managerOf(pipeline: Pipeline): Manager {
  return managers[pipeline.manager];
}

/** Why a change may not enter at all; undefined: it may. */
export function notReady(rules: Rules, pipeline: Pipeline, change: Change | undefined): string | undefined {
  if (!managerOf(pipeline).merges) return undefined;
  if (change === undefined) return 'a gate takes changes only';
  const answer = canMerge(change, labelsOf(pipeline));
  return answer === true ? undefined : answer.why;
}

const labels = new WeakMap<Pipeline, ReadonlySet<string>>();
function labelsOf(pipeline: Pipeline): ReadonlySet<string> {
  const known = labels.get(pipeline);
  if (known !== undefined) return known;
  const own = ownLabels(pipeline);
  labels.set(pipeline, own);
  return own;
}

/** The queue a subject joins: the shared one of its project, or one made for it. */
export function queueFor(
  draft: Draft,
  rules: Rules,
  pipeline: Pipeline,
  subject: Subject,
): QueueRow | undefined {
  switch (pipeline.manager) {
    case 'dependent':
      return sharedQueue(draft, rules, pipeline, subject.project);
    case 'serial':
    case 'supercedent': {
      const name = pipeline.manager === 'serial' ? subject.project : lane(subject);
      const existing = queuesOf(draft, pipeline.name).find((queue) => queue.name === name);
      return existing ?? openDynamic(draft, pipeline, subject, name, 1);
    }
    case 'independent':
      return openDynamic(draft, pipeline, subject, queueName(rules, pipeline, subject.project), 0);
  }
  return unreachable(pipeline.manager);
}

/** Where one supersedes another: the same branch or ref of a project. */
function lane(subject: Subject): string {
  if (subject.kind === 'change') return `${subject.project} ${subject.branch}`;
  return subject.kind === 'ref' ? `${subject.project} ${subject.ref}` : subject.project;
}

function openDynamic(
  draft: Draft,
  pipeline: Pipeline,
  subject: Subject,
  name: string,
  window: number,
): QueueRow {
  return openQueue(draft, {
    pipeline: pipeline.name,
    name,
    projects: [subject.project],
    dynamic: true,
    window,
  });
}

/** The row of the layout’s shared queue that has a project; rows are made when first needed. */
export function sharedQueue(
  draft: Draft,
  rules: Rules,
  pipeline: Pipeline,
  project: string,
): QueueRow | undefined {
  const order = queueIndex(pipeline).get(project);
  if (order === undefined) return undefined;
  const existing = draft.tables.queues.get(sharedId(draft, pipeline, order));
  if (existing !== undefined) return existing;
  const shared = pipeline.queues[order];
  if (shared === undefined) return undefined;
  return openQueue(draft, {
    pipeline: pipeline.name,
    name: shared.name,
    projects: shared.projects,
    dynamic: false,
    order,
    window: pipeline.window.size,
  });
}

const indexes = new WeakMap<Pipeline, ReadonlyMap<string, number>>();

function queueIndex(pipeline: Pipeline): ReadonlyMap<string, number> {
  const known = indexes.get(pipeline);
  if (known !== undefined) return known;
  const index = new Map<string, number>();
  pipeline.queues.forEach((queue, order) => {
    for (const project of queue.projects) index.set(project, order);
  });
  indexes.set(pipeline, index);
  return index;
}

function sharedId(draft: Draft, pipeline: Pipeline, order: number): string {
  for (const queue of draft.tables.queues.values()) {
    if (queue.pipeline === pipeline.name && queue.order === order && !queue.dynamic) return queue.id;
  }
  return '';
}

/** Zuul names the queue of one project after a `queue-name` among its jobs, or after the project. */
export function queueName(rules: Rules, pipeline: Pipeline, project: string): string {
  const trees = own(rules.layout.projects, project)?.pipelines[pipeline.name] ?? [];
  for (const job of flatten(trees)) {
    const name = own(rules.layout.jobs, job)?.queueName;
    if (name !== undefined) return name;
  }
  return project;
}

/** What must stand ahead of a change before it may be in a queue. */
export type Needs =
  | { readonly kind: 'met' }
  | { readonly kind: 'missing'; readonly changes: readonly Change[] }
  | { readonly kind: 'refused'; readonly why: string };

const met: Needs = { kind: 'met' };

export function needsIn(
  draft: Draft,
  rules: Rules,
  pipeline: Pipeline,
  change: Change | undefined,
  queue: QueueRow,
  /** Is this change in the queue? */
  inside: (key: string) => boolean = (key) => isInQueue(draft, queue, key),
): Needs {
  if (change === undefined || pipeline.ignoreDependencies) return met;
  const needs = needsOf(change);
  if (needs.length === 0) return met;
  switch (pipeline.manager) {
    case 'independent':
      return looseNeeds(draft, needs, inside);
    case 'dependent':
      return strictNeeds(draft, rules, pipeline, needs, queue, inside);
    case 'serial':
    case 'supercedent':
      return met;
  }
  return unreachable(pipeline.manager);
}

function looseNeeds(draft: Draft, needs: readonly ChangeRef[], inside: (key: string) => boolean): Needs {
  const missing: Change[] = [];
  for (const ref of needs) {
    const change = findChange(draft.tables, ref);
    if (change?.status === 'MERGED' || inside(changeKey(ref))) continue;
    if (change === undefined) return { kind: 'refused', why: unknown(ref) };
    missing.push(change);
  }
  return missing.length === 0 ? met : { kind: 'missing', changes: missing };
}

function strictNeeds(
  draft: Draft,
  rules: Rules,
  pipeline: Pipeline,
  needs: readonly ChangeRef[],
  queue: QueueRow,
  inside: (key: string) => boolean,
): Needs {
  const missing: Change[] = [];
  for (const ref of needs) {
    const change = findChange(draft.tables, ref);
    if (change?.status === 'MERGED') continue;
    const name = `${ref.number},${ref.patchset}`;
    if (!queue.projects.includes(ref.project)) {
      return { kind: 'refused', why: `it needs ${name} of ${ref.project}, which is not in its queue` };
    }
    if (change === undefined) return { kind: 'refused', why: unknown(ref) };
    if (!isCurrent(change)) {
      return { kind: 'refused', why: `it needs ${name}, which is not the current patchset` };
    }
    if (inside(changeKey(ref))) continue;
    const why = notReady(rules, pipeline, change);
    if (why !== undefined) return { kind: 'refused', why: `it needs ${name}: ${why}` };
    missing.push(change);
  }
  return missing.length === 0 ? met : { kind: 'missing', changes: missing };
}

function unknown(ref: ChangeRef): string {
  return `it needs ${ref.number},${ref.patchset}, of which nothing is known`;
}
