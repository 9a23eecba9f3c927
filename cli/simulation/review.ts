import { createHash } from 'node:crypto';
import type { FetchAction, ReportAction } from '../../pipelines/action.ts';
import { type Change, type ChangeRef, changeKey, isOpen } from '../../pipelines/change.ts';
import { dependsOnLines, hostOf } from '../../pipelines/dependson.ts';
import type { ChangeFetched, GerritEvent } from '../../pipelines/event.ts';
import { withVotes } from '../../pipelines/suppose.ts';
import { changeOfEvent } from '../described.ts';

/**
 * Gerrit as far as its events tell: changes with patchsets, votes and states, and what they need of each other. Nothing is
 * known of files (events do not name them), of submit rules, or of changes that no event was about.
 */
export interface SimulatedReview {
  /** Takes notice of what an event says. */
  learn(line: string, event: GerritEvent): void;
  fetch(action: FetchAction, now: number): ChangeFetched['outcome'];
  /** Posts a report: votes become ours, a submit merges an open, current patchset. Answers what Gerrit would send. */
  report(action: ReportAction, now: number): { readonly merged: boolean; readonly events: GerritEvent[] };
}

interface Known {
  readonly patchsets: Map<string, Change>;
  current: Change;
}

export function simulatedReview(connection: string, user: string, addresses: boolean): SimulatedReview {
  const changes = new Map<string, Known>();
  /** Who may need a change: numbers by the commit they sit on, and by the Change-Id or number they name. */
  const onCommit = new Map<string, Set<string>>();
  const onName = new Map<string, Set<string>>();
  const byCommit = new Map<string, Change>();
  const byId = new Map<string, Set<string>>();
  const us = { username: user, name: user };
  /** Old Gerrits say `master` in ref-updated where later ones say `refs/heads/master`: we say it as the record does. */
  let prefix = 'refs/heads/';

  function learn(line: string, event: GerritEvent): void {
    if (event.ref !== undefined && !event.ref.startsWith('refs/')) prefix = '';
    const said = changeOfEvent(line, connection, event.at);
    if (said === undefined) return;
    const known = changes.get(said.number);
    const merged = known?.current.status === 'MERGED' || event.type === 'change-merged';
    const status = merged ? 'MERGED' : (STATES[event.type] ?? said.status);
    const isNew = known === undefined || Number(said.patchset) > Number(known.current.patchset);
    const votes = isNew ? [] : known.current.approvals;
    const currentPatchset = isNew ? said.patchset : known.current.patchset;
    const change: Change = { ...said, status, currentPatchset, approvals: votes };
    keep(event.type === 'comment-added' ? voted(change, event) : change);
  }

  function voted(change: Change, { account = {}, approvals = [], createdOn, at }: GerritEvent): Change {
    return withVotes(change, account, approvals, createdOn === undefined ? at : createdOn * 1000);
  }

  function keep(change: Change): void {
    const { number, patchset, currentPatchset, status, approvals } = change;
    const known = changes.get(number) ?? { patchsets: new Map<string, Change>(), current: change };
    known.patchsets.set(patchset, change);
    for (const [other, old] of known.patchsets)
      known.patchsets.set(other, { ...old, currentPatchset, status, approvals });
    known.current = known.patchsets.get(currentPatchset) ?? change;
    changes.set(number, known);
    byCommit.set(change.revision, change);
    note(byId, change.changeId, number);
    for (const parent of change.parents.slice(0, 1)) note(onCommit, parent, number);
    for (const name of namesIn(change)) note(onName, name, number);
  }

  /** Change-Ids and numbers. */
  function namesIn({ message, url }: Change): string[] {
    return dependsOnLines(message, addresses ? hostOf(url) : []).map((depends) =>
      depends.kind === 'id' ? depends.id : depends.number,
    );
  }

  const ref = ({ project, number, patchset }: Change): ChangeRef => ({
    connection,
    project,
    number,
    patchset,
  });
  const currents = (numbers: Iterable<string>) =>
    [...numbers].flatMap((number) => changes.get(number)?.current ?? []);

  /** As a query would describe it now. */
  function describe(number: string, patchset: string | undefined, now: number): Change | undefined {
    const known = changes.get(number);
    const change = patchset === undefined ? known?.current : known?.patchsets.get(patchset);
    if (change === undefined) return undefined;
    const below = byCommit.get(change.parents[0] ?? '');
    const parent = below === undefined ? undefined : changes.get(below.number)?.current;
    const dependsOn = namesIn(change)
      .flatMap((name) => currents(byId.get(name) ?? [name]))
      .filter((other) => isOpen(other) && other.number !== number);
    const above = currents([
      ...(onCommit.get(change.revision) ?? []),
      ...(onName.get(change.changeId) ?? []),
      ...(onName.get(number) ?? []),
    ]);
    const neededBy = [...new Set(above)].filter(
      (other) =>
        isOpen(other) &&
        other.number !== number &&
        (other.parents[0] === change.revision ||
          namesIn(other).some((name) => name === change.changeId || name === number)),
    );
    return {
      ...change,
      ...(below === undefined || parent?.status === 'MERGED' ? {} : { gitParent: ref(below) }),
      dependsOn: dependsOn.map(ref),
      neededBy: neededBy.map(ref),
      fetchedAt: now,
    };
  }

  function fetch(action: FetchAction, now: number): ChangeFetched['outcome'] {
    const change = describe(action.number, action.patchset, now);
    if (change === undefined) return { kind: 'absent', reason: `no event told of change ${action.number}` };
    const found = new Map<string, Change>();
    const visit = (each: Change, path: readonly string[]): string[] | undefined => {
      const here = [...path, each.number];
      if (path.includes(each.number)) return here;
      for (const { number, patchset } of needsOf(each)) {
        const other = describe(number, patchset, now);
        if (other === undefined) continue;
        const cycle = visit(other, here);
        if (cycle !== undefined) return cycle;
        found.set(changeKey(other), other);
      }
      return undefined;
    };
    const path = visit(change, []);
    if (path !== undefined) return { kind: 'cycle', path };
    if (action.dependents) addDependents(change, found, visit, now);
    if (action.siblings === true)
      for (const { current } of changes.values())
        if (current.project === change.project && isOpen(current)) {
          const sibling = describe(current.number, undefined, now);
          if (sibling !== undefined) found.set(changeKey(sibling), sibling);
        }
    found.delete(changeKey(change));
    return { kind: 'found', change, related: [...found.values()] };
  }

  function addDependents(
    change: Change,
    found: Map<string, Change>,
    visit: (change: Change, path: readonly string[]) => unknown,
    now: number,
  ): void {
    const waiting = [...change.neededBy];
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const other = describe(next.number, next.patchset, now);
      if (other === undefined || found.has(changeKey(other))) continue;
      found.set(changeKey(other), other);
      visit(other, []);
      waiting.push(...other.neededBy);
    }
  }

  function report(action: ReportAction, now: number): { merged: boolean; events: GerritEvent[] } {
    const { number, patchset } = action;
    const known = changes.get(number);
    const shown = known?.patchsets.get(patchset);
    if (known === undefined || shown === undefined) return { merged: false, events: [] };
    const votes = Object.entries(action.labels).map(([label, value]) => ({ label, value }));
    const isCurrent = known.current.patchset === patchset;
    if (isCurrent) keep(withVotes(known.current, us, votes, now));
    const about = (type: string): GerritEvent => ({
      kind: 'GerritEvent',
      at: now,
      via: 'stream',
      type,
      connection,
      project: shown.project,
      account: us,
    });
    const { branch, revision } = shown;
    const same = { branch, number, patchset, revision };
    const said = { ...about('comment-added'), ...same, comment: action.message, approvals: votes };
    const merged = action.submit && isCurrent && isOpen(known.current);
    if (!merged) return { merged, events: votes.length === 0 ? [] : [said] };
    keep({ ...known.current, status: 'MERGED' });
    const moved = {
      ref: `${prefix}${branch}`,
      oldRev: sha(`before ${revision}`),
      newRev: sha(`merge of ${revision}`),
    };
    return {
      merged,
      events: [
        { ...about('ref-updated'), ...moved },
        { ...about('change-merged'), ...same },
      ],
    };
  }

  return { learn, fetch, report };
}

const STATES: Readonly<Record<string, Change['status']>> = {
  'change-abandoned': 'ABANDONED',
  'change-restored': 'NEW',
};

function needsOf({ gitParent, dependsOn }: Change): readonly ChangeRef[] {
  return gitParent === undefined ? dependsOn : [gitParent, ...dependsOn];
}

function note(index: Map<string, Set<string>>, key: string, number: string): void {
  if (key === '') return;
  const numbers = index.get(key) ?? new Set();
  numbers.add(number);
  index.set(key, numbers);
}

export function sha(text: string): string {
  return createHash('sha1').update(text).digest('hex');
}
