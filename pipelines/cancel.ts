import type { StopReason } from './action.ts';
import { noteBuild, noteItem } from './history.ts';
import type { Build, Item } from './item.ts';
import { giveLocks } from './lock.ts';
import { change, remove, withFollowers } from './queue.ts';
import { type Draft, drop, nowOf } from './world.ts';

/** Stops what an item has under way. Its late answers find nobody waiting. */
export function stop(draft: Draft, item: Item, reason: StopReason): void {
  for (const build of Object.values(item.set.builds)) stopBuild(draft, item, build, reason);
  stopMerge(draft, item, reason);
}

function stopMerge(draft: Draft, item: Item, reason: StopReason): void {
  if (item.set.merge.phase !== 'asked') return;
  sendCancel(draft, item.set.merge.action, reason);
}

function sendCancel(draft: Draft, target: string, reason: StopReason): void {
  drop(draft, 'pending', target);
  draft.actions.push({ kind: 'cancel', id: `cancel-${target}`, target, reason });
}

/** Nodes of a build that was sent go back when whoever runs it has let go of them, not before. */
export function stopBuild(draft: Draft, item: Item, build: Build, reason: StopReason): void {
  if (build.phase === 'done') return;
  stopTriggered(draft, build.uuid);
  giveLocks(draft, item.id, build.job);
  noteBuild(draft, item, { ...build, result: 'CANCELED', detail: reason, finishedAt: nowOf(draft) });
  if (build.phase === 'waiting') {
    sendCancel(draft, build.acquire, reason);
    return;
  }
  const target = `build-${build.uuid}`;
  sendCancel(draft, target, reason);
  const { lease, acquire } = build;
  draft.actions.push({ kind: 'release', id: `release-${build.uuid}`, lease, acquire, after: target });
}

/**
 * What a build that is stopped or lost had triggered goes with it, and what that one had triggered: nobody waits for it, and who
 * starts the build again triggers it again. Everybody else who wants such a job has a run of their own.
 */
export function stopTriggered(draft: Draft, uuid: string): void {
  for (const item of draft.tables.items.values())
    if (item.run?.upstream === uuid) removeItem(draft, item.id, 'upstream');
}

/**
 * Starts over: stops an item and all that builds on it, and gives those that had begun a new build set, since their base is
 * no longer what it was.
 */
export function restart(draft: Draft, item: Item, reason: StopReason): void {
  for (const each of withFollowers(draft, item)) {
    if (each.phase.kind === 'submitting') continue;
    stop(draft, each, reason);
    const { merge, builds, generation, ref } = each.set;
    const begun = ref !== undefined || Object.keys(builds).length > 0 || merge.phase !== 'not-asked';
    if (begun) {
      change(draft, each.id, {
        set: { generation: generation + 1, merge: { phase: 'not-asked' }, builds: {}, tries: {} },
      });
    }
  }
}

/** Takes an item out without a report; what was built on it starts over. */
export function takeOut(draft: Draft, id: string, reason: StopReason): void {
  const item = draft.tables.items.get(id);
  if (item === undefined) return;
  restart(draft, item, reason);
  remove(draft, id);
}

/**
 * The same, for good: the history says why. Not what Gerrit is being asked to merge: it may merge yet, and those behind must
 * know. Its answer takes it out soon.
 */
export function removeItem(draft: Draft, id: string, reason: StopReason): boolean {
  const item = draft.tables.items.get(id);
  if (item === undefined || item.phase.kind === 'submitting') return false;
  noteItem(draft, item, 'DEQUEUED', reason);
  takeOut(draft, id, reason);
  return true;
}
