import { restart, stop, stopBuild } from './cancel.ts';
import { type Change, changeKey } from './change.ts';
import { needsOf } from './depend.ts';
import { enterAgain, finish, leaveUnmerged } from './ending.ts';
import { type Build, type Item, subjectKey } from './item.ts';
import { askMerge, launchJobs, skipAll } from './launch.ts';
import { managerOf, needsIn } from './managers.ts';
import { own } from './own.ts';
import { changeOf } from './params.ts';
import { insideOf, type Pass } from './pass.ts';
import { behind, change, moveBehind, mustItem, mustQueue, queuesOf, remove } from './queue.ts';
import type { Rules } from './rules.ts';
import { unreachable } from './unreachable.ts';
import { jobsOf, verdictOf } from './verdict.ts';
import type { Draft } from './world.ts';

/**
 * The walk: front to back through a queue, carrying the nearest item ahead that does not fail. Everything about gating falls
 * out of this one pass, repeated until it changes nothing: whoever stands on something else than the nearest non-failing item
 * starts over on it, whoever is complete with nothing ahead is reported, and nobody waits for an item that fails.
 *
 * One thing is not Zuul’s: a gate’s success is not known until Gerrit answered. Until then the item stays at the front as
 * `submitting`, those behind go on building on it, and the answer (record/reported.ts) merges it or restarts them.
 */

export function plan(draft: Draft, rules: Rules): void {
  while (draft.dirty.size > 0) {
    const touched = new Set([...draft.dirty].flatMap((id) => draft.tables.queues.get(id)?.pipeline ?? []));
    for (const name of rules.pipelines.keys()) if (touched.has(name)) planPipeline(draft, rules, name);
    for (const id of draft.dirty) if (!draft.tables.queues.has(id)) draft.dirty.delete(id);
  }
}

/** Walks the queues of a pipeline that something happened to, in order, until nothing more does. */
function planPipeline(draft: Draft, rules: Rules, pipeline: string): void {
  const passesOver = rules.quirk('queue-after-emptied-waits');
  for (;;) {
    const queues = queuesOf(draft, pipeline).filter(({ id }) => draft.dirty.has(id));
    if (queues.length === 0) return;
    const all = passesOver ? queuesOf(draft, pipeline) : queues;
    for (let at = 0; at < all.length; at++) {
      const { id } = all[at] ?? { id: '' };
      draft.dirty.delete(id);
      walk(draft, rules, id);
      if (passesOver && !draft.tables.queues.has(id)) at += 1;
    }
  }
}

/** One pass. Whatever it changes that calls for another marks the queue again. */
function walk(draft: Draft, rules: Rules, queueId: string): void {
  const queue = draft.tables.queues.get(queueId);
  const pipeline = rules.pipelines.get(queue?.pipeline ?? '')?.pipeline;
  if (queue === undefined || pipeline === undefined) return;
  let nearest: string | null = null;
  let position = 0;
  const pass: Pass = { rules, pipeline, queue: queueId, inside: undefined };
  const stands = rules.quirk('stands-still-while-reporting');
  for (const id of queue.items) {
    const item = draft.tables.items.get(id);
    if (item === undefined) continue;
    nearest = walkItem(draft, pass, item, position, nearest);
    if (!draft.tables.items.has(id)) continue;
    if (stands && mustItem(draft, id).phase.kind === 'submitting') return;
    position += 1;
  }
}

/** One item of the walk; answers the nearest non-failing item for those behind. */
function walkItem(
  draft: Draft,
  pass: Pass,
  start: Item,
  position: number,
  nearest: string | null,
): string | null {
  const { rules, pipeline } = pass;
  if (start.phase.kind === 'submitting') return start.id;
  const manager = managerOf(pipeline);
  const queue = mustQueue(draft, pass.queue);
  const about = changeOf(draft, start);
  if (isResting(start, about, nearest, queue.window, position)) return start.id;
  const needs = needsIn(draft, rules, pipeline, about, queue, (key) => insideOf(draft, pass).has(key));
  if (needs.kind !== 'met') {
    if (!manager.merges && !rules.quirk('updated-needs-fail')) enterAgain(draft, pass, start);
    else leaveUnmerged(draft, pass, start);
    return nearest;
  }
  const aheadItem = start.ahead === null ? undefined : mustItem(draft, start.ahead);
  const ahead = aheadItem?.live === true ? aheadItem : undefined;
  const { window } = queue;
  const active = window === 0 || position < window;
  const failing: string[] = [];
  let item = start;
  let ready = false;
  if (active !== item.active) item = change(draft, item.id, { active });
  if (manager.merges && needsFailing(draft, pass, about)) {
    failing.push('a needed change is failing');
    item = halt(draft, rules, item);
  } else {
    if (item.set.halted === true) item = restarted(draft, item);
    if (manager.speculates && (ahead?.id ?? null) !== nearest && !isMerged(draft, ahead)) {
      moveBehind(draft, item, nearest, rules.quirk('moves-alone'));
      draft.dirty.add(pass.queue);
      restart(draft, mustItem(draft, item.id), 'rebased');
      item = mustItem(draft, item.id);
    }
    if (active) ready = prepare(draft, rules, item);
    item = mustItem(draft, item.id);
    if (item.set.merge.phase === 'conflict' || item.set.merge.phase === 'failed') {
      failing.push(
        item.set.merge.phase === 'conflict' ? 'it has a merge conflict' : 'it could not be merged',
      );
      ready = false;
    }
  }
  if (ready && launchJobs(draft, rules, item)) draft.dirty.add(pass.queue);
  item = mustItem(draft, item.id);
  let verdict = verdictOf(rules.layout, item);
  if (verdict.failed) {
    failing.push('at least one job failed');
    if (pipeline.failFast || failsFast(rules, item)) item = failFast(draft, rules, item);
    verdict = verdictOf(rules.layout, item);
  }
  if (!item.live) {
    if (behind(draft, item).length === 0) {
      pass.inside?.delete(subjectKey(item.subject));
      stop(draft, item, 'not-needed');
      remove(draft, item.id);
      return nearest;
    }
    setFailing(draft, item, failing);
    return nearest;
  }
  if (ahead === undefined && verdict.complete) {
    return finish(draft, pass, item, failing, nearest);
  }
  setFailing(draft, item, failing);
  return failing.length === 0 ? item.id : nearest;
}

/** Most of a long gate stands outside the window, on the one before it, and needs nothing: nothing comes of looking closer. */
function isResting(
  item: Item,
  about: Change | undefined,
  nearest: string | null,
  window: number,
  position: number,
): boolean {
  if (window === 0 || position < window || item.active || item.ahead !== nearest) return false;
  if (!item.live || item.failing.length > 0 || item.set.merge.phase !== 'not-asked') return false;
  if (item.set.halted === true || about === undefined || needsOf(about).length > 0) return false;
  return item.jobs.length > 0 && Object.keys(item.set.builds).length === 0;
}

function setFailing(draft: Draft, item: Item, failing: readonly string[]): void {
  if (failing.length === item.failing.length && failing.every((why, at) => why === item.failing[at])) return;
  change(draft, item.id, { failing });
}

function isMerged(draft: Draft, item: Item | undefined): boolean {
  return item !== undefined && changeOf(draft, item)?.status === 'MERGED';
}

function needsFailing(draft: Draft, pass: Pass, about: Change | undefined): boolean {
  if (about === undefined) return false;
  for (const ref of needsOf(about)) {
    const id = insideOf(draft, pass).get(changeKey(ref));
    const needed = id === undefined ? undefined : draft.tables.items.get(id);
    if (needed !== undefined && needed.failing.length > 0) return true;
  }
  return false;
}

/** Stops the builds but keeps the build set: it is no use to test on what fails, and nobody else builds on this one. */
function halt(draft: Draft, rules: Rules, item: Item): Item {
  const overwrite = rules.quirk('cancelled-overwrites-finished');
  const builds: Record<string, Build> = {};
  let changed = false;
  for (const [job, build] of Object.entries(item.set.builds)) {
    const keep = build.phase === 'done' && (!overwrite || build.result === 'CANCELED');
    if (!keep) changed = true;
    if (build.phase !== 'done') stopBuild(draft, item, build, 'not-needed');
    builds[job] = keep ? build : cancelled(build);
  }
  if (!changed && item.set.halted === true) return item;
  if (!changed && Object.keys(builds).length === 0) return item;
  return change(draft, item.id, { set: { ...item.set, builds, halted: true } });
}

function cancelled(build: Build): Build {
  const { job } = build;
  if (build.phase === 'done') return { ...build, result: 'CANCELED' };
  const { uuid, number, launchedAt, logPath } = build;
  return { phase: 'done', job, result: 'CANCELED', launched: { uuid, number, job, launchedAt, logPath } };
}

function restarted(draft: Draft, item: Item): Item {
  restart(draft, item, 'rebased');
  return mustItem(draft, item.id);
}

/** Ready to launch? Asks for the merge, once per build set. */
function prepare(draft: Draft, rules: Rules, item: Item): boolean {
  switch (item.set.merge.phase) {
    case 'merged':
    case 'not-needed':
      return true;
    case 'asked':
    case 'conflict':
    case 'failed':
      return false;
    case 'not-asked':
      if (item.subject.kind !== 'change') {
        change(draft, item.id, { set: { ...item.set, merge: { phase: 'not-needed' } } });
        return true;
      }
      if (
        item.live ? jobsOf(item).length > 0 || rules.quirk('jobless-items') : rules.quirk('merge-non-live')
      ) {
        askMerge(draft, rules, item);
      }
      return false;
  }
  return unreachable(item.set.merge);
}

function failsFast(rules: Rules, item: Item): boolean {
  return jobsOf(item).some((job) => {
    const build = own(item.set.builds, job);
    const failed = build?.phase === 'done' && build.result !== 'SUCCESS';
    return (
      failed &&
      (own(rules.layout.jobs, job)?.voting ?? true) &&
      own(rules.layout.jobs, job)?.failFast === true
    );
  });
}

/** fail-fast: the verdict stands, so nothing else of the item needs to run. */
function failFast(draft: Draft, rules: Rules, item: Item): Item {
  const builds: Record<string, Build> = { ...item.set.builds };
  let changed = false;
  for (const build of Object.values(item.set.builds)) {
    if (build.phase === 'done') continue;
    stopBuild(draft, item, build, 'not-needed');
    builds[build.job] = cancelled(build);
    changed = true;
  }
  if (changed) change(draft, item.id, { set: { ...item.set, builds } });
  if (!verdictOf(rules.layout, mustItem(draft, item.id)).complete)
    skipAll(draft, rules, item.id, 'another job failed');
  return mustItem(draft, item.id);
}
