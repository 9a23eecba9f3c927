import { removeItem } from './cancel.ts';
import { type Change, changeKey, isCurrent, isOpen } from './change.ts';
import { findChange } from './depend.ts';
import { emptySet, type Item, type ItemRun, type Subject, subjectKey, subjectName } from './item.ts';
import type { JobTree, Pipeline } from './layout.ts';
import { managerOf, needsIn, notReady, queueFor, sharedQueue } from './managers.ts';
import { jobApplies } from './match.ts';
import { own } from './own.ts';
import { append, dropItem, isInQueue, itemsAbout, itemsOf, mustItem, queuesOf } from './queue.ts';
import { reportStart } from './report.ts';
import { meets, trusts } from './require.ts';
import type { Rules } from './rules.ts';
import { flatten } from './verdict.ts';
import { count, type Draft, drop, nowOf, type QueueRow } from './world.ts';

/** Adding to a pipeline, in Zuul’s order of questions (zuul-v2.md 2.2). Every no is said in words. */

export interface AddOptions {
  /** No start report. */
  readonly quiet?: boolean;
  readonly enqueuedAt?: number;
  /** A person or a promotion asked: `require` and `reject` are not. */
  readonly ignoreRequirements?: boolean;
  readonly live?: boolean;
  /** Join this queue rather than the one the manager would choose. */
  readonly queue?: QueueRow;
  readonly run?: ItemRun;
  /** Instead of the jobs of the project. */
  readonly jobs?: readonly JobTree[];
  /** Who needs it, and who needs them: a name that comes twice closes a cycle. */
  readonly path?: readonly string[];
}

export interface Added {
  /** It is in the pipeline now (or was already). */
  readonly ok: boolean;
  readonly note: string;
}

export function subjectOf(change: Change): Subject {
  const { connection, project, number, patchset, branch } = change;
  return { kind: 'change', connection, project, number, patchset, branch };
}

export function add(
  draft: Draft,
  rules: Rules,
  pipeline: Pipeline,
  subject: Subject,
  options: AddOptions = {},
): Added {
  const live = options.live ?? true;
  const change = subject.kind === 'change' ? findChange(draft.tables, subject) : undefined;
  const no = (why: string): Added => ({ ok: false, note: `not in ${pipeline.name}: ${why}` });
  if (live && options.run === undefined && isLiveIn(draft, pipeline, subject)) {
    return { ok: true, note: `duplicate of a live item in ${pipeline.name}` };
  }
  const path = [...(options.path ?? []), subjectName(subject) ?? subjectKey(subject)];
  if (options.path?.includes(path.at(-1) ?? '') ?? false) return no(`dependency cycle: ${path.join(' → ')}`);
  const unready = notReady(rules, pipeline, change);
  if (unready !== undefined) return no(unready);
  if (!(options.ignoreRequirements ?? false) && change !== undefined) {
    const answer = meets(pipeline, change, nowOf(draft), rules.layout.quirks);
    if (answer !== true) return no(answer.why);
  }
  // What is only built on runs too, in the builds of those behind it.
  if (!live && change !== undefined && pipeline.trust !== undefined) {
    const answer = trusts(pipeline.trust, change, nowOf(draft));
    if (answer !== true) return no(answer.why);
  }
  const jobs = live ? (options.jobs ?? jobsFor(rules, pipeline, subject, change)) : [];
  if (live && flatten(jobs).length === 0 && !rules.quirk('jobless-items'))
    return no('none of its jobs applies');
  const queue = options.queue ?? queueFor(draft, rules, pipeline, subject);
  if (queue === undefined) return no(`${subject.project} has no queue there`);
  const ahead = addAhead(draft, rules, pipeline, change, queue, { ...options, path });
  if (ahead !== undefined) {
    dropIfEmpty(draft, queue);
    return no(ahead);
  }
  const current = draft.tables.queues.get(queue.id) ?? queue;
  if (isInQueue(draft, current, subjectKey(subject))) {
    return { ok: true, note: `duplicate of an item in its queue in ${pipeline.name}` };
  }
  supersedeLane(draft, pipeline, current);
  const item = place(draft, pipeline, subject, current, jobs, live, options);
  const disabled = draft.tables.pipelines.get(pipeline.name)?.disabled ?? false;
  if (!(options.quiet ?? false) && !disabled) reportStart(draft, rules, pipeline, item);
  if (change !== undefined) {
    if (managerOf(pipeline).merges) addBehind(draft, rules, pipeline, change, options);
    tellParentEnqueued(draft, rules, pipeline, change);
    supersedeOthers(draft, rules, pipeline, subject);
  }
  return { ok: true, note: `enqueued in ${pipeline.name}` };
}

function isLiveIn(draft: Draft, pipeline: Pipeline, subject: Subject): boolean {
  return itemsAbout(draft, subjectKey(subject)).some((item) => item.live && item.pipeline === pipeline.name);
}

function place(
  draft: Draft,
  pipeline: Pipeline,
  subject: Subject,
  queue: QueueRow,
  jobs: readonly JobTree[],
  live: boolean,
  options: AddOptions,
): Item {
  const serial = count(draft, 'item');
  return append(
    draft,
    {
      id: `i${serial}`,
      serial,
      pipeline: pipeline.name,
      subject,
      live,
      enqueuedAt: options.enqueuedAt ?? nowOf(draft),
      active: true,
      jobs,
      set: emptySet,
      failing: [],
      phase: { kind: 'testing' },
      ...(options.run === undefined ? {} : { run: options.run }),
    },
    queue.id,
    !managerOf(pipeline).speculates,
  );
}

/** The jobs of a project that apply to a subject, with their order kept. */
export function jobsFor(
  rules: Rules,
  pipeline: Pipeline,
  subject: Subject,
  change: Change | undefined,
): readonly JobTree[] {
  const trees = own(rules.layout.projects, subject.project)?.pipelines[pipeline.name] ?? [];
  const about = {
    project: subject.project,
    change: subject.kind === 'change' ? { branch: subject.branch, files: change?.files ?? [] } : undefined,
    ref: subject.kind === 'ref' ? subject.ref : undefined,
  };
  const blocks = rules.quirk('filtered-parent-blocks');
  const walk = (nodes: readonly JobTree[]): JobTree[] =>
    nodes.flatMap((node): JobTree[] => {
      const rule = own(rules.layout.jobs, node.job);
      const children = walk(node.children);
      if (rule === undefined || jobApplies(rule, about) === true) return [{ job: node.job, children }];
      // A parent that is not wanted for this change holds nobody up. (Name '': those under it never start.)
      if (!blocks) return children;
      return children.length === 0 ? [] : [{ job: '', children }];
    });
  return walk(trees);
}

/** Puts what a change needs ahead of it. Answers why that failed. */
function addAhead(
  draft: Draft,
  rules: Rules,
  pipeline: Pipeline,
  change: Change | undefined,
  queue: QueueRow,
  options: AddOptions,
): string | undefined {
  const row = draft.tables.queues.get(queue.id) ?? queue;
  const needs = needsIn(draft, rules, pipeline, change, row);
  if (needs.kind === 'refused') return needs.why;
  if (needs.kind === 'met') return undefined;
  const { needsLive } = managerOf(pipeline);
  for (const needed of needs.changes) {
    const answer = add(draft, rules, pipeline, subjectOf(needed), {
      quiet: needsLive ? (options.quiet ?? false) : true,
      ignoreRequirements: needsLive ? (options.ignoreRequirements ?? false) : true,
      live: needsLive,
      queue: row,
      ...(options.path === undefined ? {} : { path: options.path }),
    });
    if (!answer.ok) return `it needs ${needed.number},${needed.patchset}: ${answer.note}`;
  }
  return undefined;
}

/** A gate pulls in, behind a change, the changes that need it and are ready. */
function addBehind(
  draft: Draft,
  rules: Rules,
  pipeline: Pipeline,
  change: Change,
  options: AddOptions,
): void {
  const own = sharedQueue(draft, rules, pipeline, change.project);
  const ready = change.neededBy
    .map((ref) => findChange(draft.tables, ref))
    .filter(
      (other): other is Change =>
        other !== undefined &&
        isCurrent(other) &&
        isOpen(other) &&
        sharedQueue(draft, rules, pipeline, other.project)?.id === own?.id &&
        notReady(rules, pipeline, other) === undefined,
    );
  for (const other of ready) {
    const { quiet, ignoreRequirements } = options;
    add(draft, rules, pipeline, subjectOf(other), {
      ...(quiet === undefined ? {} : { quiet }),
      ...(ignoreRequirements === undefined ? {} : { ignoreRequirements }),
    });
  }
}

function tellParentEnqueued(draft: Draft, rules: Rules, pipeline: Pipeline, change: Change): void {
  if (rules.parentEnqueued.length === 0) return;
  for (const ref of change.neededBy) {
    const other = findChange(draft.tables, ref);
    if (other === undefined || other.status === 'MERGED') continue;
    draft.internal.push({
      kind: 'InternalEvent',
      type: 'parent-change-enqueued',
      pipeline: pipeline.name,
      connection: other.connection,
      project: other.project,
      branch: other.branch,
      number: other.number,
      patchset: other.patchset,
    });
  }
}

/** supercedent: only the newest waits; what runs already runs on. */
function supersedeLane(draft: Draft, pipeline: Pipeline, queue: QueueRow): void {
  if (pipeline.manager !== 'supercedent') return;
  for (const id of queue.items.slice(1)) removeItem(draft, id, 'superseded');
}

/** `supercedes`: a change that enters the gate needs no check any more. */
function supersedeOthers(draft: Draft, rules: Rules, pipeline: Pipeline, subject: Subject): void {
  const key = subjectKey(subject);
  for (const name of pipeline.supercedes) {
    if (name === pipeline.name || !rules.pipelines.has(name)) continue;
    for (const item of itemsOf(draft, name)) {
      if (item.live && subjectKey(item.subject) === key) removeItem(draft, item.id, 'superseded');
    }
  }
}

/** A queue that was opened for nothing. */
function dropIfEmpty(draft: Draft, queue: QueueRow): void {
  const row = draft.tables.queues.get(queue.id);
  if (row === undefined || !row.dynamic) return;
  if (row.items.some((id) => mustItem(draft, id).live)) return;
  for (const id of row.items) dropItem(draft, mustItem(draft, id));
  drop(draft, 'queues', row.id);
  draft.dirty.delete(row.id);
}

/** Older patchsets of a change that are live in a pipeline. */
export function olderItems(
  draft: Draft,
  pipeline: string,
  of: { connection: string; number: string; patchset: string },
): Item[] {
  const found: Item[] = [];
  for (const queue of queuesOf(draft, pipeline)) {
    for (const id of queue.items) {
      const { live, subject } = mustItem(draft, id);
      if (!live || subject.kind !== 'change') continue;
      if (subject.connection !== of.connection || subject.number !== of.number) continue;
      if (Number(subject.patchset) < Number(of.patchset)) found.push(mustItem(draft, id));
    }
  }
  return found;
}

/** Live items of exactly this patchset. */
export function itemsFor(draft: Draft, pipeline: string, of: Parameters<typeof changeKey>[0]): Item[] {
  const key = changeKey(of);
  return itemsOf(draft, pipeline).filter((item) => item.live && subjectKey(item.subject) === key);
}
