import type { ActionOf } from '../../pipelines/action.ts';
import type { Change, ChangeRef } from '../../pipelines/change.ts';
import { dependsOnIds } from '../../pipelines/dependson.ts';
import type { ChangeFetched } from '../../pipelines/event.ts';
import { currentPatchset, describeChange, type SimGerrit } from '../harness/gerrit.ts';

/**
 * What Zuul 2.6 believed about changes. It kept every patchset it ever met and looked again only at the change of an event
 * and at those whose messages name it; everything else stayed as it was when first met. The recorded traces decide by those
 * beliefs, so their ring is answered with them. (Our own hands answer with what Gerrit says now.)
 *
 * Beliefs are objects that point at each other, as in Zuul: one that was dropped from the cache lives on, and grows old, where
 * another still points at it.
 */

export interface Belief {
  /** What Gerrit said, links aside. */
  change: Change;
  needs: Belief[];
  neededBy: Belief[];
  /** The one of `needs` that is the git parent. */
  parent: Belief | undefined;
  /** The layout whose project it is of: a project of an older layout is in no queue of a gate. */
  layout: number;
}

export interface ZuulCache {
  readonly gerrit: SimGerrit;
  readonly known: Map<string, Belief>;
  /** Counts reconfigurations. */
  layout: number;
}

class Cycle extends Error {}

export function zuulCache(gerrit: SimGerrit): ZuulCache {
  return { gerrit, known: new Map(), layout: 0 };
}

type Ref = Pick<ChangeRef, 'number' | 'patchset'>;

function keyOf(ref: Ref): string {
  return `${ref.number},${ref.patchset}`;
}

/** What every event does: a look at its change. False: that closes a cycle. */
export function refresh(cache: ZuulCache, ref: Ref, now: number): boolean {
  try {
    look(cache, ref, now, true, [], new Set());
    return true;
  } catch (error) {
    if (error instanceof Cycle) return false;
    throw error;
  }
}

export function fetchThroughCache(
  cache: ZuulCache,
  action: ActionOf<'fetch'>,
  now: number,
): ChangeFetched['outcome'] {
  const live = cache.gerrit.changes.get(action.number);
  if (live === undefined) return { kind: 'absent', reason: `no change ${action.number}` };
  const ref = { number: action.number, patchset: action.patchset ?? currentPatchset(live) };
  const touched = new Set<Belief>();
  // An event refreshes; a command of a person takes what is known.
  const again = action.expect.patchset !== undefined;
  let belief: Belief;
  try {
    belief = look(cache, ref, now, again, [], touched);
  } catch (error) {
    if (!(error instanceof Cycle)) throw error;
    return { kind: 'cycle', path: error.message.split(' ') };
  }
  const reached = new Set<Belief>([belief]);
  if (action.siblings === true) {
    for (const other of cache.gerrit.changes.values()) {
      if (other.status !== 'NEW' || other.project !== live.project || other === live) continue;
      const sibling = { number: other.number, patchset: currentPatchset(other) };
      reached.add(look(cache, sibling, now, false, [], touched));
    }
  }
  for (const each of reached) for (const other of [...each.needs, ...each.neededBy]) reached.add(other);
  for (const each of touched) reached.add(each);
  const related = new Map<string, Change>();
  for (const each of reached) {
    const key = keyOf(each.change);
    if (key !== keyOf(ref) && !related.has(key)) related.set(key, tell(cache, each));
  }
  return { kind: 'found', change: tell(cache, belief), related: [...related.values()] };
}

/** A belief in the words of a fetch. */
function tell(cache: ZuulCache, belief: Belief): Change {
  const { gitParent: _parent, ...rest } = belief.change;
  const { parent, needs, neededBy } = belief;
  return {
    ...rest,
    ...(parent === undefined ? {} : { gitParent: refOf(parent.change) }),
    dependsOn: needs.filter((each) => each !== parent).map((each) => refOf(each.change)),
    neededBy: neededBy.filter((each) => each.layout === cache.layout).map((each) => refOf(each.change)),
  };
}

/** Zuul’s _getChange: what is known, or a look at Gerrit. */
function look(
  cache: ZuulCache,
  ref: Ref,
  now: number,
  again: boolean,
  history: readonly string[],
  touched: Set<Belief>,
): Belief {
  const key = keyOf(ref);
  const before = cache.known.get(key);
  if (before !== undefined && !again) return before;
  const change = describeChange(cache.gerrit, ref.number, ref.patchset, now);
  const belief = before ?? { change, needs: [], neededBy: [], parent: undefined, layout: cache.layout };
  cache.known.set(key, belief);
  belief.change = change;
  belief.layout = cache.layout;
  touched.add(belief);
  // A merged change keeps what it was last known to need.
  if (change.status === 'MERGED') return belief;
  try {
    followLinks(cache, belief, now, [...history, ref.number], touched);
  } catch (error) {
    cache.known.delete(key);
    throw error;
  }
  return belief;
}

function followLinks(
  cache: ZuulCache,
  belief: Belief,
  now: number,
  history: readonly string[],
  touched: Set<Belief>,
): void {
  const { gerrit } = cache;
  const { change } = belief;
  const follow = (number: string, patchset: string): Belief => {
    if (history.includes(number)) throw new Cycle([...history, number].join(' '));
    const dep = look(cache, { number, patchset }, now, false, history, touched);
    walk(dep, history);
    return dep;
  };
  const needs: Belief[] = [];
  const sits = gerrit.changes.get(change.number)?.patchsets[Number(change.patchset) - 1]?.parent;
  const below = sits === undefined ? undefined : follow(sits[0], sits[1]);
  const parent = below?.change.status === 'MERGED' ? undefined : below;
  if (parent !== undefined) needs.push(parent);
  for (const id of dependsOnIds(change.message)) {
    for (const other of gerrit.changes.values()) {
      if (other.changeId !== id) continue;
      const dep = follow(other.number, currentPatchset(other));
      if (dep.change.status === 'NEW' && !needs.includes(dep)) needs.push(dep);
    }
  }
  belief.needs = needs;
  belief.parent = parent;
  const neededBy: Belief[] = [];
  const others = [...gerrit.changes.values()];
  const byGit = others.filter((other) => {
    return other.status === 'NEW' && other.patchsets.at(-1)?.parent?.[0] === change.number;
  });
  const byMessage = others.filter((other) => other.depends.includes(change.changeId));
  for (const [list, again] of [
    [byGit, false],
    [byMessage, true],
  ] as const) {
    for (const other of list) {
      const ref = { number: other.number, patchset: currentPatchset(other) };
      const dep = look(cache, ref, now, again, [], touched);
      const { status, patchset, currentPatchset: current } = dep.change;
      if (status !== 'MERGED' && patchset === current) neededBy.push(dep);
    }
  }
  belief.neededBy = neededBy;
}

/** A cycle that closes through changes that are known already. */
function walk(belief: Belief, history: readonly string[]): void {
  const { number } = belief.change;
  if (history.includes(number)) throw new Cycle([...history, number].join(' '));
  for (const dep of belief.needs) walk(dep, [...history, number]);
}

function refOf(change: Change): ChangeRef {
  const { connection, project, number, patchset } = change;
  return { connection, project, number, patchset };
}

/** After a gate’s report Zuul asked whether the change is merged, and learned its submit records too. */
export function afterReport(cache: ZuulCache, ref: Ref, now: number): void {
  const belief = cache.known.get(keyOf(ref));
  if (belief === undefined) return;
  const fresh = describeChange(cache.gerrit, ref.number, ref.patchset, now);
  const status = fresh.status === 'MERGED' ? fresh.status : belief.change.status;
  belief.change = { ...belief.change, status, submitRecords: fresh.submitRecords };
}

/** A reconfiguration forgot what no item is about or touches. */
export function keepOnly(cache: ZuulCache, items: readonly Ref[]): void {
  cache.layout += 1;
  const kept = new Set<Belief>();
  const related = (belief: Belief, seen: Set<Belief>): void => {
    for (const each of belief.needs) kept.add(each);
    for (const each of belief.neededBy) {
      kept.add(each);
      if (seen.has(each)) continue;
      seen.add(each);
      related(each, seen);
    }
  };
  for (const ref of items) {
    const belief = cache.known.get(keyOf(ref));
    if (belief === undefined) continue;
    kept.add(belief);
    belief.layout = cache.layout;
    related(belief, new Set());
  }
  for (const [key, belief] of cache.known) if (!kept.has(belief)) cache.known.delete(key);
}
