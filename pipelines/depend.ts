import type { Change, ChangeRef } from './change.ts';
import { changeKey } from './change.ts';
import type { Pipeline } from './layout.ts';
import type { Rules } from './rules.ts';
import { type Draft, put, type WorldTables } from './world.ts';

/** What changes need, and whether Gerrit would submit them: answers from what was fetched, never from a guess. */

const rowKeys = new WeakMap<object, string>();

export function changeRowKey(ref: Pick<ChangeRef, 'connection' | 'number'>): string {
  const known = rowKeys.get(ref);
  if (known !== undefined) return known;
  const key = `${ref.connection}/${ref.number}`;
  rowKeys.set(ref, key);
  return key;
}

export function findChange(
  tables: WorldTables,
  ref: Pick<ChangeRef, 'connection' | 'number' | 'patchset'>,
): Change | undefined {
  return tables.changes.get(changeRowKey(ref))?.patchsets[ref.patchset];
}

/** Writes down how Gerrit describes a change. What belongs to the change as a whole is true of its other patchsets too (`byUs`: we merged it). */
export function learn(draft: Draft, rules: Rules, change: Change, byUs = false): void {
  const key = changeRowKey(change);
  const known = draft.tables.changes.get(key)?.patchsets ?? {};
  const patchsets: Record<string, Change> = {};
  for (const other of Object.values(known)) {
    if (other.fetchedAt > change.fetchedAt) continue;
    if (!byUs && rules.quirk('stale-patchsets')) continue;
    const { status, currentPatchset, approvals, submitRecords, wip } = change;
    patchsets[other.patchset] = { ...other, status, currentPatchset, approvals, submitRecords, wip };
  }
  put(draft, 'changes', key, { patchsets: { ...known, ...patchsets, [change.patchset]: change } });
  draft.prune = true;
}

/** What a change needs, nearest first in Zuul’s order: its git parent, then `Depends-On:` lines as written. */
export function needsOf(change: Change): readonly ChangeRef[] {
  const known = needs.get(change);
  if (known !== undefined) return known;
  const list: ChangeRef[] = [];
  for (const ref of change.gitParent === undefined
    ? change.dependsOn
    : [change.gitParent, ...change.dependsOn]) {
    if (!list.some((other) => changeKey(other) === changeKey(ref))) list.push(ref);
  }
  needs.set(change, list);
  return list;
}
const needs = new WeakMap<Change, readonly ChangeRef[]>();

/** Labels that a pipeline sets itself when it succeeds: Gerrit may still miss them. */
export function ownLabels(pipeline: Pipeline): ReadonlySet<string> {
  return new Set(pipeline.success.flatMap((reporter) => Object.keys(reporter.labels)));
}
