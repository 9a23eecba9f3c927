import { restart } from '../cancel.ts';
import { isCurrent } from '../change.ts';
import { learn } from '../depend.ts';
import type { Reported } from '../event.ts';
import { noteItem, noteReport } from '../history.ts';
import type { Item } from '../item.ts';
import { forget } from '../launch.ts';
import type { Pipeline } from '../layout.ts';
import { changeOf } from '../params.ts';
import { behind, change, changeQueue, mustItem, mustQueue, remove } from '../queue.ts';
import type { Rules } from '../rules.ts';
import { narrow, widen } from '../window.ts';
import type { Draft } from '../world.ts';
import { askFetch } from './fetch.ts';

/** A report was said, or refused for good. For a gate’s success the answer decides whether it merged. */
export function onReported(draft: Draft, rules: Rules, fact: Reported): string {
  const pending = draft.tables.pending.get(fact.action);
  if (pending?.kind !== 'report') return 'stale answer';
  forget(draft, fact.action);
  const { outcome } = fact;
  const detail = detailOf(outcome);
  noteReport(draft, fact.action, pending.record, results[outcome.kind], detail);
  const item = draft.tables.items.get(pending.item);
  const said = outcome.kind === 'posted' ? 'reported' : `report ${outcome.kind}: ${outcome.reason}`;
  if (item?.phase.kind !== 'submitting' || !item.phase.reports.includes(fact.action)) return said;
  if (outcome.kind === 'moved') {
    // Not on what its branch holds now: it keeps its place, and it and all that stands on it are tested again.
    change(draft, item.id, { phase: { kind: 'testing' } });
    restart(draft, mustItem(draft, item.id), 'rebased');
    draft.dirty.add(item.queue);
    return `tested again: ${outcome.reason}`;
  }
  const reports = item.phase.reports.filter((id) => id !== fact.action);
  const merged = item.phase.merged || (outcome.kind === 'posted' && outcome.merged === true);
  if (reports.length > 0) {
    change(draft, item.id, { phase: { kind: 'submitting', reports, merged } });
    return said;
  }
  const pipeline = rules.pipelines.get(item.pipeline)?.pipeline;
  if (pipeline !== undefined) conclude(draft, rules, pipeline, item, merged, detail);
  if (!merged) return `${said}, but not merged${detail === undefined ? '' : `: ${detail}`}`;
  const alarm = outcome.kind === 'posted' ? outcome.alarm : undefined;
  return alarm === undefined ? 'merged' : `merged, ALARM: ${alarm}`;
}

const results = { posted: 'POSTED', refused: 'REFUSED', moved: 'MOVED' } as const;

function detailOf(outcome: Reported['outcome']): string | undefined {
  return outcome.kind === 'posted' ? (outcome.alarm ?? outcome.note) : outcome.reason;
}

function conclude(
  draft: Draft,
  rules: Rules,
  pipeline: Pipeline,
  item: Item,
  merged: boolean,
  detail: string | undefined,
): void {
  const { window, id } = mustQueue(draft, item.queue);
  if (merged) {
    const about = changeOf(draft, item);
    if (about !== undefined) learn(draft, rules, { ...about, status: 'MERGED' }, true);
    changeQueue(draft, id, { window: widen(window, pipeline.window) });
    noteItem(draft, item, 'SUCCESS', detail);
    if (rules.projectMerged.length > 0 && about !== undefined && isCurrent(about)) {
      const { number, patchset } = about;
      askFetch(draft, rules, about, { kind: 'Siblings', number, patchset });
    }
  } else {
    changeQueue(draft, id, { window: narrow(window, pipeline.window) });
    noteItem(draft, item, 'MERGE_FAILURE', detail);
    for (const follower of behind(draft, item)) restart(draft, mustItem(draft, follower.id), 'rebased');
  }
  remove(draft, item.id);
}
