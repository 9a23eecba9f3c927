import type { Change } from '../change.ts';
import { changeKey } from '../change.ts';
import { findChange, learn, needsOf } from '../depend.ts';
import { add, subjectOf } from '../enqueue.ts';
import type { ChangeFetched, GerritEvent } from '../event.ts';
import { subjectKey } from '../item.ts';
import type { GerritTrigger, Pipeline } from '../layout.ts';
import { own } from '../own.ts';
import { approvalsSatisfy } from '../require.ts';
import { type Rules, wantedBy } from '../rules.ts';
import { unreachable } from '../unreachable.ts';
import { count, type Draft, drop, type Errand, type InternalEvent, nowOf, put, siteRow } from '../world.ts';
import { askFetch, sendLater, takeErrands } from './fetch.ts';
import { pipelinesOf, removeOutdated } from './gerrit.ts';
import { addRun } from './run.ts';

/** A look at a change came back: the events and requests that waited for it are judged by it, in their order. */
export function onChangeFetched(draft: Draft, rules: Rules, fact: ChangeFetched): string {
  const pending = draft.tables.pending.get(fact.action);
  if (pending?.kind !== 'fetch') return 'stale answer';
  const row = takeErrands(draft, pending.key);
  if (row === undefined) return 'stale answer';
  const { outcome } = fact;
  const notes: string[] = [];
  if (outcome.kind === 'found') {
    for (const change of [...outcome.related, outcome.change]) learn(draft, rules, change);
    touch(draft, [...outcome.related, outcome.change]);
  }
  for (const errand of row.asked) {
    if (outcome.kind === 'found')
      notes.push(...carryOut(draft, rules, errand, outcome.change, outcome.related));
    else notes.push(...without(draft, rules, errand, outcome));
  }
  if (outcome.kind === 'found') notes.push(...passedOver(outcome.change));
  sendLater(draft, rules, row);
  return [...new Set(notes)].join('; ') || 'nothing came of it';
}

/** Said, since its author counts on it. */
function passedOver({ elsewhere = [] }: Change): string[] {
  return elsewhere.map((text) => `passed over: Depends-On ${text} names no change of this Gerrit`);
}

/** Queues with a change that was learned about are walked again: what it needs may have changed. */
function touch(draft: Draft, changes: readonly Change[]): void {
  const numbers = new Set(changes.map((change) => `${change.connection}/${change.number}`));
  for (const item of draft.tables.items.values()) {
    const { subject } = item;
    if (subject.kind !== 'change' || draft.dirty.has(item.queue)) continue;
    if (numbers.has(`${subject.connection}/${subject.number}`)) draft.dirty.add(item.queue);
  }
}

function carryOut(
  draft: Draft,
  rules: Rules,
  errand: Errand,
  change: Change,
  related: readonly Change[],
): string[] {
  switch (errand.kind) {
    case 'GerritEvent':
      return judge(draft, rules, errand, change);
    case 'InternalEvent':
      return judgeInternal(draft, rules, errand);
    case 'Enqueue': {
      const pipeline = rules.pipelines.get(errand.pipeline)?.pipeline;
      if (pipeline === undefined) return [`no pipeline ${errand.pipeline} any more`];
      if (change.project !== errand.project) return [`change ${errand.number} is of ${change.project}`];
      return [add(draft, rules, pipeline, subjectOf(change), { ignoreRequirements: true }).note];
    }
    case 'Run':
      return [addRun(draft, rules, errand, change)];
    case 'Siblings':
      tellSiblings(draft, change, related);
      return [`asked about the open changes of ${change.project}`];
  }
  return unreachable(errand);
}

/** Zuul’s order of effects: for each pipeline first what the event ends, then what it starts. */
function judge(draft: Draft, rules: Rules, event: GerritEvent, change: Change): string[] {
  const notes: string[] = [];
  const wanted = wantedBy(rules, event);
  for (const { pipeline } of rules.pipelines.values()) {
    if (pipeline.source !== event.connection) continue;
    const removed = removeOutdated(draft, pipeline, event);
    if (removed > 0) notes.push(`${removed} out of ${pipeline.name}`);
    const triggers = wanted.filter((each) => each.pipeline === pipeline);
    if (triggers.length === 0) continue;
    if (!triggers.some(({ trigger }) => satisfied(draft, rules, trigger, change))) {
      notes.push(`not in ${pipeline.name}: the votes its trigger requires are not there`);
      continue;
    }
    notes.push(add(draft, rules, pipeline, subjectOf(change)).note);
  }
  return notes.length === 0 ? ['no pipeline wants it'] : notes;
}

function satisfied(
  draft: Draft,
  rules: Rules,
  trigger: Pick<GerritTrigger, 'requireApprovals' | 'rejectApprovals'>,
  change: Change,
): boolean {
  const { requireApprovals, rejectApprovals } = trigger;
  return (
    approvalsSatisfy(requireApprovals, rejectApprovals, change, nowOf(draft), rules.layout.quirks) === true
  );
}

/** What an event ends, it ends even if Gerrit says nothing about the change. */
function without(
  draft: Draft,
  rules: Rules,
  errand: Errand,
  outcome: Exclude<ChangeFetched['outcome'], { kind: 'found' }>,
): string[] {
  if (outcome.kind === 'cycle' && rules.quirk('silent-cycles')) return ['dependency cycle'];
  const notes: string[] = [];
  if (errand.kind === 'GerritEvent') {
    for (const { pipeline } of rules.pipelines.values()) {
      const removed = removeOutdated(draft, pipeline, errand);
      if (removed > 0) notes.push(`${removed} out of ${pipeline.name}`);
    }
  }
  switch (outcome.kind) {
    case 'absent':
      return [...notes, `Gerrit shows us no such change: ${outcome.reason}`];
    case 'failed':
      return [...notes, `Gerrit did not answer: ${outcome.reason}`];
    case 'cycle':
      if (errand.kind === 'GerritEvent') sayCycle(draft, rules, errand, outcome.path);
      return [...notes, `dependency cycle: ${outcome.path.join(' → ')}`];
  }
  return unreachable(outcome);
}

/** A change in a cycle can be tested by nobody: its author is told, without a vote. */
function sayCycle(draft: Draft, rules: Rules, event: GerritEvent, path: readonly string[]): void {
  const { connection, project, branch, number, patchset, revision } = event;
  if (project === undefined || branch === undefined || revision === undefined) return;
  if (number === undefined || patchset === undefined) return;
  const site = siteRow(draft.tables).site.slice(0, 6);
  for (const pipeline of pipelinesOf(wantedBy(rules, event))) {
    const message =
      `This change cannot be tested in the ${pipeline.name} pipeline, since it needs itself: ` +
      `${path.join(' → ')}.\n\nTake one of the dependencies out and upload a new patchset.`;
    for (const reporter of pipeline.failure.filter(({ driver }) => driver === 'gerrit')) {
      const id = `report-${site}-${count(draft, 'report')}`;
      const about = {
        pipeline: pipeline.name,
        message,
        labels: {},
        submit: false,
        phase: 'failure' as const,
      };
      draft.actions.push({
        kind: 'report',
        id,
        connection: reporter.connection === '' ? connection : reporter.connection,
        project,
        branch,
        number,
        patchset,
        revision,
        ...about,
      });
      const record = { ...about, at: nowOf(draft), project, change: `${number},${patchset}` };
      put(draft, 'pending', id, { kind: 'report', item: '', record });
    }
  }
}

/** Events of Zuul’s own trigger, made while this step enqueued something. */
export function drainInternal(draft: Draft, rules: Rules): void {
  for (let event = draft.internal.shift(); event !== undefined; event = draft.internal.shift()) {
    judgeInternal(draft, rules, event);
  }
}

function judgeInternal(draft: Draft, rules: Rules, event: InternalEvent): string[] {
  const change = findChange(draft.tables, event);
  const triggers = event.type === 'parent-change-enqueued' ? rules.parentEnqueued : rules.projectMerged;
  if (own(rules.layout.projects, event.project) === undefined) return ['no pipeline wants it'];
  const wanted = triggers.filter(
    ({ trigger }) =>
      event.type !== 'parent-change-enqueued' ||
      trigger.pipelines.length === 0 ||
      trigger.pipelines.includes(event.pipeline ?? ''),
  );
  if (wanted.length === 0) return ['no pipeline wants it'];
  if (change === undefined || needsOf(change).some((ref) => findChange(draft.tables, ref) === undefined)) {
    askFetch(draft, rules, event, event);
    return [`asked about change ${event.number}`];
  }
  return pipelinesOf(wanted).map((pipeline: Pipeline) => {
    const own = wanted.filter((each) => each.pipeline === pipeline);
    if (!own.some(({ trigger }) => satisfied(draft, rules, trigger, change))) {
      return `not in ${pipeline.name}: the votes its trigger requires are not there`;
    }
    return add(draft, rules, pipeline, subjectOf(change)).note;
  });
}

/** project-change-merged: every other open change of the project may want to know. */
function tellSiblings(draft: Draft, merged: Change, related: readonly Change[]): void {
  const key = changeKey(merged);
  for (const other of related) {
    if (other.project !== merged.project || other.status === 'MERGED' || other.status === 'ABANDONED')
      continue;
    if (changeKey(other) === key || other.patchset !== other.currentPatchset) continue;
    draft.internal.push({
      kind: 'InternalEvent',
      type: 'project-change-merged',
      connection: other.connection,
      project: other.project,
      branch: other.branch,
      number: other.number,
      patchset: other.patchset,
    });
  }
}

/** Drops what is known of changes that no item is about, needs or is needed by. */
export function pruneChanges(draft: Draft): void {
  if (!draft.prune) return;
  const used = new Set<string>();
  for (const item of draft.tables.items.values()) {
    if (item.subject.kind !== 'change') continue;
    used.add(subjectKey(item.subject));
    const change = findChange(draft.tables, item.subject);
    if (change === undefined) continue;
    for (const ref of [...needsOf(change), ...change.neededBy]) used.add(changeKey(ref));
  }
  for (const [key, row] of draft.tables.changes) {
    const all = Object.values(row.patchsets);
    const kept = all.filter((change) => used.has(changeKey(change)));
    if (kept.length === all.length) continue;
    if (kept.length === 0) drop(draft, 'changes', key);
    else
      put(draft, 'changes', key, {
        patchsets: Object.fromEntries(kept.map((each) => [each.patchset, each])),
      });
  }
}
