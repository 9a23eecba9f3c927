import { restart, stop, takeOut } from './cancel.ts';
import { add } from './enqueue.ts';
import { noteItem } from './history.ts';
import { type Item, subjectKey } from './item.ts';
import { skipAll } from './launch.ts';
import { managerOf } from './managers.ts';
import { dependsMessage, type Ending } from './message.ts';
import type { Pass } from './pass.ts';
import { behind, change, changeQueue, mustItem, mustQueue, remove } from './queue.ts';
import { reportEnd } from './report.ts';
import { jobsOf, verdictOf } from './verdict.ts';
import { narrow } from './window.ts';
import { type Draft, put } from './world.ts';

/** How an item leaves its queue: judged, merged or not, or overtaken by what it needs. Every live item says its end once. */

/** Nothing ahead and every job has a result. */
export function finish(
  draft: Draft,
  pass: Pass,
  item: Item,
  failing: readonly string[],
  nearest: string | null,
): string | null {
  const { rules, pipeline } = pass;
  const manager = managerOf(pipeline);
  const verdict = verdictOf(rules.layout, item);
  const jobless = jobsOf(item).length === 0;
  const conflict = item.set.merge.phase === 'conflict' || item.set.merge.phase === 'failed';
  if (jobless) {
    leave(draft, pass, item, 'NO_JOBS', rules.quirk('jobless-items') && manager.merges);
    return nearest;
  }
  if (!verdict.succeeded || conflict) {
    const phase = conflict ? 'merge-failure' : 'failure';
    const result = conflict ? 'MERGER_FAILURE' : 'FAILURE';
    reportFinal(draft, pass, item, { phase, needs: false }, result);
    leave(draft, pass, item, result, manager.merges);
    return nearest;
  }
  const reports = reportFinal(draft, pass, item, { phase: 'success', needs: false }, 'SUCCESS');
  if (!manager.merges) {
    leave(draft, pass, item, 'SUCCESS', false);
    return nearest;
  }
  if (reports.length === 0) {
    // Nobody was asked to merge it, so it did not.
    leave(draft, pass, item, 'SUCCESS', true);
    return nearest;
  }
  change(draft, item.id, { failing, phase: { kind: 'submitting', reports, merged: false } });
  return item.id;
}

/** Reports an ending and keeps count of failures; answers the reports that Gerrit must answer. */
function reportFinal(draft: Draft, pass: Pass, item: Item, ending: Ending, result: string): string[] {
  const { rules, pipeline } = pass;
  const row = draft.tables.pipelines.get(pipeline.name) ?? { failures: 0, disabled: false };
  const failures = result === 'SUCCESS' ? 0 : result === 'FAILURE' ? row.failures + 1 : row.failures;
  const most = pipeline.disableAfterConsecutiveFailures;
  const disabled = row.disabled || (most !== undefined && failures >= most);
  if (failures !== row.failures || disabled !== row.disabled) {
    put(draft, 'pipelines', pipeline.name, { failures, disabled });
  }
  const lost = row.disabled && ending.phase === 'merge-failure' && rules.quirk('disabled-forgets-conflicts');
  return lost ? [] : reportEnd(draft, rules, pipeline, item, ending, row.disabled);
}

/** Takes a finished item out; `unmerged`: those behind counted on it and must start over. */
function leave(draft: Draft, pass: Pass, item: Item, result: string, unmerged: boolean): void {
  noteItem(draft, item, result);
  pass.inside?.delete(subjectKey(item.subject));
  const followers = managerOf(pass.pipeline).merges ? behind(draft, item) : [];
  if (unmerged) shrink(draft, pass);
  for (const follower of followers) restart(draft, mustItem(draft, follower.id), 'rebased');
  stop(draft, mustItem(draft, item.id), 'not-needed');
  remove(draft, item.id);
}

function shrink(draft: Draft, pass: Pick<Pass, 'pipeline' | 'queue'>): void {
  const { window } = mustQueue(draft, pass.queue);
  changeQueue(draft, pass.queue, { window: narrow(window, pass.pipeline.window) });
}

/** What it needs has changed: it starts over on that. */
export function enterAgain(draft: Draft, pass: Pass, start: Item): void {
  const { rules, pipeline } = pass;
  const { subject, enqueuedAt, run, jobs } = start;
  pass.inside?.delete(subjectKey(subject));
  takeOut(draft, start.id, 'rebased');
  if (!start.live) return;
  const added = add(draft, rules, pipeline, subject, {
    enqueuedAt,
    quiet: true,
    ignoreRequirements: true,
    ...(run === undefined ? {} : { run, jobs }),
  });
  if (!added.ok) noteItem(draft, start, 'DEQUEUED', added.note);
}

/** What it needs will not merge: it leaves at once, wherever it stands. */
export function leaveUnmerged(draft: Draft, pass: Pass, start: Item): void {
  const { rules, pipeline } = pass;
  pass.inside?.delete(subjectKey(start.subject));
  restart(draft, start, 'dequeued');
  if (start.live) {
    skipAll(draft, rules, start.id, 'a change that it needs did not merge');
    const item = mustItem(draft, start.id);
    if (jobsOf(item).length > 0) reportFinal(draft, pass, item, { phase: 'failure', needs: true }, 'FAILURE');
    noteItem(draft, item, 'FAILURE', dependsMessage.trim());
    if (managerOf(pipeline).merges) shrink(draft, pass);
  }
  remove(draft, start.id);
}
