import { type Change, type ChangeRef, changeKey, isCurrent, isOpen } from '../../pipelines/change.ts';
import { addressesOf, type DependsOn, dependsOnLines, strangeAddresses } from '../../pipelines/dependson.ts';
import type { ReadChange } from './change.ts';
import type { Transport, Wanted } from './transport.ts';

/**
 * Everything that a change stands on and, when asked, everything that stands on it: git parents that are changes, and
 * changes that `Depends-On:` lines name, as far as it goes.
 *
 * Strangers write these lines, so the walk is level by level with a cap, asks Gerrit a few questions a level and
 * not one a change, and a ring is an answer of its own. What a change needs must be known completely or the answer is a
 * failure; of what needs it, changes whose own needs could not all be looked at are left out (they come again by their
 * own events).
 */
export type Network =
  | { readonly kind: 'found'; readonly change: Change; readonly related: readonly Change[] }
  | { readonly kind: 'cycle'; readonly path: readonly string[] }
  | { readonly kind: 'too-many'; readonly limit: number };

export interface NetworkOptions {
  readonly dependents: boolean;
  /** Also every open change of the project; those over the cap are left out. */
  readonly siblings: boolean;
  /** Names of this Gerrit: `Depends-On:` lines may give addresses there. None: only Change-Ids count. */
  readonly hosts: readonly string[];
  readonly limit: number;
  readonly signal: AbortSignal;
}

interface Walk {
  readonly hosts: readonly string[];
  readonly nodes: Map<string, ReadChange>;
  /** Keys of the nodes whose needs are all in `nodes`. */
  readonly explored: Set<string>;
}

export async function readNetwork(
  root: ReadChange,
  ask: Transport,
  options: NetworkOptions,
): Promise<Network> {
  const walk: Walk = {
    hosts: options.hosts,
    nodes: new Map([[changeKey(root.change), root]]),
    explored: new Set(),
  };
  const most = options.limit + 1;
  if (!(await exploreNeeds(walk, [root], ask, most, options.signal)))
    return { kind: 'too-many', limit: options.limit };
  if (options.dependents) await exploreDependents(walk, ask, most, options.signal);
  if (options.siblings) {
    const open = await ask.openOfProject(root.change.project, options.signal);
    await exploreNeeds(walk, add(walk, open), ask, most, options.signal);
  }
  return assemble(root, walk, options.dependents);
}

/** Level by level until nothing new is needed; false when the network outgrew the cap. */
async function exploreNeeds(
  walk: Walk,
  from: readonly ReadChange[],
  ask: Transport,
  most: number,
  signal: AbortSignal,
): Promise<boolean> {
  let level = from;
  while (level.length > 0) {
    const standing = level.filter(({ change }) => change.status !== 'MERGED');
    const lines = standing.flatMap(({ change }) => dependsOnLines(change.message, walk.hosts));
    const parents = standing.flatMap(({ sitsOn }) => sitsOn.flatMap(wantedParent));
    const wanted = [...parents, ...lines.flatMap(wantedNumber)];
    const ids = [...new Set(lines.flatMap((line) => (line.kind === 'id' ? [line.id] : [])))];
    if (wanted.length > most || ids.length > most) return false;
    const [under, named] = await Promise.all([
      wanted.length === 0 ? [] : ask.changes(uniqueWanted(wanted), signal),
      ids.length === 0 ? [] : ask.openWithIds(ids, signal),
    ]);
    for (const { change } of level) walk.explored.add(changeKey(change));
    level = add(walk, [...under, ...named.filter(({ change }) => isOpen(change))]);
    if (walk.nodes.size > most) return false;
  }
  return true;
}

async function exploreDependents(
  walk: Walk,
  ask: Transport,
  most: number,
  signal: AbortSignal,
): Promise<void> {
  let level = [...walk.nodes.values()];
  while (level.length > 0 && walk.nodes.size <= most) {
    const wide = level.filter(({ change }) => isOpen(change) && isCurrent(change));
    const ids = [...new Set(wide.map(({ change }) => change.changeId))];
    const addresses = walk.hosts.length === 0 ? [] : wide.flatMap(({ change }) => addressesOf(change));
    const [above, mentioning] = await Promise.all([
      readSittingOn(wide, ask, signal),
      ids.length === 0 ? [] : ask.openMentioning([...ids, ...addresses], signal),
    ]);
    const revisions = new Set(wide.map(({ change }) => change.revision));
    const names = new Set([...ids.map((id) => id.toLowerCase()), ...wide.map(({ change }) => change.number)]);
    const needs = ({ change }: ReadChange) =>
      isOpen(change) &&
      (change.parents.some((parent) => revisions.has(parent)) ||
        dependsOnLines(change.message, walk.hosts).some((line) =>
          names.has(line.kind === 'id' ? line.id.toLowerCase() : line.number),
        ));
    const before = new Set(walk.nodes.keys());
    const found = add(walk, [...above, ...mentioning].filter(needs));
    if (!(await exploreNeeds(walk, found, ask, most, signal))) return;
    level = [...walk.nodes].filter(([key]) => !before.has(key)).map(([, node]) => node);
  }
}

async function readSittingOn(
  under: readonly ReadChange[],
  ask: Transport,
  signal: AbortSignal,
): Promise<ReadChange[]> {
  const numbers = under.length === 0 ? [] : await ask.sittingOn(under, signal);
  return numbers.length === 0
    ? []
    : await ask.changes(uniqueWanted(numbers.map((number) => ({ number }))), signal);
}

function add(walk: Walk, found: readonly ReadChange[]): ReadChange[] {
  const fresh: ReadChange[] = [];
  for (const node of found) {
    const key = changeKey(node.change);
    if (walk.nodes.has(key)) continue;
    walk.nodes.set(key, node);
    fresh.push(node);
  }
  return fresh;
}

function wantedParent({ number, ref }: ReadChange['sitsOn'][number]): Wanted[] {
  const patchset = /\/(\d+)$/.exec(ref ?? '')?.[1];
  return number === undefined || patchset === undefined ? [] : [{ number, patchset }];
}

function wantedNumber(line: DependsOn): Wanted[] {
  return line.kind === 'number' ? [{ number: line.number }] : [];
}

function uniqueWanted(wanted: readonly Wanted[]): Wanted[] {
  return [...new Map(wanted.map((wish) => [`${wish.number},${wish.patchset ?? ''}`, wish])).values()];
}

function assemble(root: ReadChange, walk: Walk, dependents: boolean): Network {
  const linked = new Map<string, Change>();
  for (const [key, node] of walk.nodes) linked.set(key, linkNeeds(node, walk));
  const path = findCycle(changeKey(root.change), linked);
  if (path !== undefined) return { kind: 'cycle', path };
  dropHalfKnown(linked, walk);
  const all = [...linked.values()].filter(
    (change) => change.status !== 'MERGED' || change.number === root.change.number,
  );
  const whole = dependents ? all.map((change) => ({ ...change, neededBy: neededBy(change, all) })) : all;
  const rootKey = changeKey(root.change);
  const change = whole.find((candidate) => changeKey(candidate) === rootKey) ?? root.change;
  return { kind: 'found', change, related: whole.filter((candidate) => changeKey(candidate) !== rootKey) };
}

function linkNeeds(node: ReadChange, walk: Walk): Change {
  const { change } = node;
  const parents = node.sitsOn
    .flatMap(wantedParent)
    .flatMap(
      ({ number, patchset = '' }) =>
        walk.nodes.get(changeKey({ connection: change.connection, number, patchset })) ?? [],
    )
    .map((parent) => parent.change)
    .filter(({ status }) => status !== 'MERGED');
  // One commit may be a patchset of two changes (pushed for two branches); the one for our branch is meant.
  const parent = parents.find(({ branch }) => branch === change.branch) ?? parents[0];
  const current = [...walk.nodes.values()]
    .map(({ change: other }) => other)
    .filter(isCurrent)
    .sort((a, b) => Number(a.number) - Number(b.number));
  // A closed change of a Change-Id was one of several and is passed over; one that is named by its number is meant.
  const dependsOn = dependsOnLines(change.message, walk.hosts).flatMap((line) =>
    current
      .filter((other) =>
        line.kind === 'id'
          ? isOpen(other) && other.changeId.toLowerCase() === line.id.toLowerCase()
          : other.status !== 'MERGED' && other.number === line.number,
      )
      .map(toRef),
  );
  const elsewhere = strangeAddresses(change.message, walk.hosts);
  return {
    ...change,
    ...(parent === undefined ? {} : { gitParent: toRef(parent) }),
    dependsOn,
    ...(elsewhere.length === 0 ? {} : { elsewhere }),
  };
}

function needsOf(change: Change): ChangeRef[] {
  return change.gitParent === undefined ? change.dependsOn : [change.gitParent, ...change.dependsOn];
}

/** The way from the change round to itself, or to a ring further down: nothing of it could ever merge first. */
function findCycle(rootKey: string, linked: ReadonlyMap<string, Change>): string[] | undefined {
  const finished = new Set<string>();
  const path: Change[] = [];
  const visit = (change: Change): string[] | undefined => {
    const start = path.findIndex(({ number }) => number === change.number);
    if (start >= 0) return [...path.slice(start), change].map(changeKey);
    if (finished.has(changeKey(change))) return undefined;
    path.push(change);
    for (const need of needsOf(change)) {
      const next = linked.get(changeKey(need));
      const found = next === undefined ? undefined : visit(next);
      if (found !== undefined) return found;
    }
    path.pop();
    finished.add(changeKey(change));
    return undefined;
  };
  const root = linked.get(rootKey);
  return root === undefined ? undefined : visit(root);
}

/** Removes changes whose needs were not all looked at, and then whoever needs those. */
function dropHalfKnown(linked: Map<string, Change>, walk: Walk): void {
  const dropped = new Set([...linked.keys()].filter((key) => !walk.explored.has(key)));
  for (let before = -1; before !== dropped.size; ) {
    before = dropped.size;
    for (const [key, change] of linked)
      if (needsOf(change).some((need) => dropped.has(changeKey(need)))) dropped.add(key);
  }
  for (const key of dropped) linked.delete(key);
}

function neededBy(change: Change, all: readonly Change[]): ChangeRef[] {
  const key = changeKey(change);
  const able = all.filter((other) => isOpen(other) && isCurrent(other));
  const byGit = able.filter(({ gitParent }) => gitParent !== undefined && changeKey(gitParent) === key);
  const byLine = able.filter(
    (other) => !byGit.includes(other) && other.dependsOn.some((need) => changeKey(need) === key),
  );
  return [...byGit, ...byLine].map(toRef);
}

function toRef({ connection, project, number, patchset }: Change): ChangeRef {
  return { connection, project, number, patchset };
}
