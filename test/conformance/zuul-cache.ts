import type { ActionOf } from '../../pipelines/action.ts';
import { type Change, type ChangeRef, dependsOnIds } from '../../pipelines/change.ts';
import type { ChangeFetched } from '../../pipelines/event.ts';
import { currentPatchset, describeChange, type SimGerrit } from '../harness/gerrit.ts';

/**
 * What Zuul 2.6 believed about changes. It kept every patchset it ever met and looked again only at the change of an event
 * and at those whose messages name it; everything else stayed as it was when first met. The recorded traces decide by those
 * beliefs, so their ring is answered with them. (Our own hands answer with what Gerrit says now.)
 */

export interface ZuulCache {
  readonly gerrit: SimGerrit;
  readonly known: Map<string, Change>;
}

class Cycle extends Error {}

export function zuulCache(gerrit: SimGerrit): ZuulCache {
  return { gerrit, known: new Map() };
}

/** What every event does: a look at its change, unless that closes a cycle. */
export function refresh(
  cache: ZuulCache,
  ref: Pick<ChangeRef, 'number' | 'patchset'>,
  now: number,
): Set<string> | Cycle {
  const touched = new Set<string>();
  try {
    look(cache, ref, now, true, [], touched);
    return touched;
  } catch (error) {
    if (error instanceof Cycle) return error;
    throw error;
  }
}

function keyOf(ref: Pick<ChangeRef, 'number' | 'patchset'>): string {
  return `${ref.number},${ref.patchset}`;
}

export function fetchThroughCache(
  cache: ZuulCache,
  action: ActionOf<'fetch'>,
  now: number,
): ChangeFetched['outcome'] {
  const live = cache.gerrit.changes.get(action.number);
  if (live === undefined) return { kind: 'absent', reason: `no change ${action.number}` };
  const ref = { number: action.number, patchset: action.patchset ?? currentPatchset(live) };
  const touched = new Set<string>();
  // An event refreshes; a command of a person takes what is known.
  const refresh = action.expect.patchset !== undefined;
  try {
    look(cache, ref, now, refresh, [], touched);
  } catch (error) {
    if (!(error instanceof Cycle)) throw error;
    return { kind: 'cycle', path: error.message.split(' ') };
  }
  const siblings: string[] = [];
  if (action.siblings === true) {
    for (const other of cache.gerrit.changes.values()) {
      if (other.status !== 'NEW' || other.project !== live.project || other === live) continue;
      const sibling = { number: other.number, patchset: currentPatchset(other) };
      look(cache, sibling, now, false, [], touched);
      siblings.push(keyOf(sibling));
    }
  }
  const reached = new Set([keyOf(ref), ...touched, ...siblings]);
  for (const key of reached) {
    const change = cache.known.get(key);
    for (const other of change === undefined ? [] : linksOf(change)) reached.add(keyOf(other));
  }
  reached.delete(keyOf(ref));
  const change = cache.known.get(keyOf(ref));
  if (change === undefined) return { kind: 'absent', reason: 'not known' };
  const related = [...reached].flatMap((key) => cache.known.get(key) ?? []);
  return { kind: 'found', change, related };
}

function needsOf(change: Change): ChangeRef[] {
  return [...(change.gitParent === undefined ? [] : [change.gitParent]), ...change.dependsOn];
}

function linksOf(change: Change): ChangeRef[] {
  return [...needsOf(change), ...change.neededBy];
}

/** Zuul’s _getChange: what is known, or a look at Gerrit. */
function look(
  cache: ZuulCache,
  ref: Pick<ChangeRef, 'number' | 'patchset'>,
  now: number,
  refresh: boolean,
  history: readonly string[],
  touched: Set<string>,
): Change {
  const key = keyOf(ref);
  const before = cache.known.get(key);
  if (before !== undefined && !refresh) return before;
  const fresh = describeChange(cache.gerrit, ref.number, ref.patchset, now);
  touched.add(key);
  if (fresh.status === 'MERGED') {
    // A merged change keeps what it was last known to need.
    const { dependsOn = [], neededBy = [] } = before ?? {};
    const { gitParent: _dropped, ...rest } = fresh;
    const parent = before?.gitParent === undefined ? {} : { gitParent: before.gitParent };
    const merged: Change = { ...rest, ...parent, dependsOn, neededBy };
    cache.known.set(key, merged);
    return merged;
  }
  cache.known.set(
    key,
    before === undefined ? { ...fresh, dependsOn: [], neededBy: [] } : { ...before, ...pick(fresh) },
  );
  try {
    return links(cache, fresh, now, [...history, ref.number], touched);
  } catch (error) {
    cache.known.delete(key);
    throw error;
  }
}

/** Everything but the links, which are only known when all of them were followed. */
function pick(fresh: Change): Omit<Change, 'gitParent' | 'dependsOn' | 'neededBy'> {
  const { gitParent: _a, dependsOn: _b, neededBy: _c, ...rest } = fresh;
  return rest;
}

function links(
  cache: ZuulCache,
  fresh: Change,
  now: number,
  history: readonly string[],
  touched: Set<string>,
): Change {
  const { gerrit } = cache;
  const follow = (number: string, patchset: string): Change => {
    if (history.includes(number)) throw new Cycle([...history, number].join(' '));
    const dep = look(cache, { number, patchset }, now, false, history, touched);
    walk(cache, dep, history);
    return dep;
  };
  const parent = gerrit.changes.get(fresh.number)?.patchsets[Number(fresh.patchset) - 1]?.parent;
  const sits = parent === undefined ? undefined : follow(parent[0], parent[1]);
  const gitParent = sits === undefined || sits.status === 'MERGED' ? undefined : refOf(sits);
  const dependsOn: ChangeRef[] = [];
  for (const id of dependsOnIds(fresh.message)) {
    for (const other of gerrit.changes.values()) {
      if (other.changeId !== id) continue;
      const dep = follow(other.number, currentPatchset(other));
      if (dep.status === 'NEW') dependsOn.push(refOf(dep));
    }
  }
  const key = keyOf(fresh);
  const withNeeds: Change = {
    ...pick(fresh),
    ...(gitParent === undefined ? {} : { gitParent }),
    dependsOn,
    neededBy: [],
  };
  cache.known.set(key, withNeeds);
  const neededBy: ChangeRef[] = [];
  const add = (dep: Change) => {
    if (dep.status !== 'MERGED' && dep.patchset === dep.currentPatchset) neededBy.push(refOf(dep));
  };
  for (const other of gerrit.changes.values()) {
    if (other.status !== 'NEW' || other.patchsets.at(-1)?.parent?.[0] !== fresh.number) continue;
    add(look(cache, { number: other.number, patchset: currentPatchset(other) }, now, false, [], touched));
  }
  for (const other of gerrit.changes.values()) {
    if (!other.depends.includes(fresh.changeId)) continue;
    add(look(cache, { number: other.number, patchset: currentPatchset(other) }, now, true, [], touched));
  }
  const change = { ...withNeeds, neededBy };
  cache.known.set(key, change);
  return change;
}

/** A cycle that closes through changes that are known already. */
function walk(cache: ZuulCache, change: Change, history: readonly string[]): void {
  if (history.includes(change.number)) throw new Cycle([...history, change.number].join(' '));
  const here = [...history, change.number];
  for (const ref of needsOf(change)) {
    const dep = cache.known.get(keyOf(ref));
    if (dep !== undefined) walk(cache, dep, here);
  }
}

function refOf(change: Change): ChangeRef {
  const { connection, project, number, patchset } = change;
  return { connection, project, number, patchset };
}

/** After a gate’s report Zuul asked whether the change is merged, and learned its submit records too. */
export function afterReport(
  cache: ZuulCache,
  ref: Pick<ChangeRef, 'number' | 'patchset'>,
  now: number,
): void {
  const known = cache.known.get(keyOf(ref));
  if (known === undefined) return;
  const fresh = describeChange(cache.gerrit, ref.number, ref.patchset, now);
  const status = fresh.status === 'MERGED' ? fresh.status : known.status;
  cache.known.set(keyOf(ref), { ...known, status, submitRecords: fresh.submitRecords });
}

/** A reconfiguration forgot what no item is about or touches. */
export function keepOnly(cache: ZuulCache, items: readonly Pick<ChangeRef, 'number' | 'patchset'>[]): void {
  const kept = new Set<string>();
  const related = (change: Change, seen: Set<string>): void => {
    for (const ref of needsOf(change)) kept.add(keyOf(ref));
    for (const ref of change.neededBy) {
      const key = keyOf(ref);
      kept.add(key);
      const other = cache.known.get(key);
      if (other === undefined || seen.has(key)) continue;
      seen.add(key);
      related(other, seen);
    }
  };
  for (const ref of items) {
    kept.add(keyOf(ref));
    const change = cache.known.get(keyOf(ref));
    if (change !== undefined) related(change, new Set());
  }
  for (const key of cache.known.keys()) if (!kept.has(key)) cache.known.delete(key);
}
