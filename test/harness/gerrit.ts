import { createHash } from 'node:crypto';
import type { ActionOf, MergeEntry } from '../../pipelines/action.ts';
import {
  type Account,
  type Change,
  type ChangeRef,
  type ChangeStatus,
  changeKey,
} from '../../pipelines/change.ts';
import { dependsOnLines } from '../../pipelines/dependson.ts';
import type { ChangeFetched, MergeFinished } from '../../pipelines/event.ts';

/** A Gerrit and its repositories in memory: changes, votes, submits and merges with conflicts, without a clock of its own. */

export interface SimPatchset {
  readonly files: readonly string[];
  /** Patchset of another change that this one sits on. */
  readonly parent: readonly [string, string] | undefined;
}

export interface SimVote {
  readonly user: string;
  readonly label: string;
  readonly value: number;
  readonly grantedOn: number;
}

export interface SimChange {
  readonly number: string;
  readonly project: string;
  readonly branch: string;
  readonly changeId: string;
  /** Changes with the same token cannot be merged together. */
  readonly token: string | undefined;
  status: ChangeStatus;
  depends: readonly string[];
  readonly patchsets: SimPatchset[];
  votes: SimVote[];
  /** A submit is accepted and does nothing. */
  failMerge: boolean;
}

export interface SimGerrit {
  readonly connection: string;
  readonly user: string;
  readonly changes: Map<string, SimChange>;
  /** Label → [least, most], in the order of submit records. */
  readonly labels: Readonly<Record<string, readonly [number, number]>>;
  /** Addresses in `Depends-On:` lines count: the last fetch asked for that. */
  addresses: boolean;
}

export function simGerrit(connection = 'gerrit', user = 'jenkins'): SimGerrit {
  const labels = { Approved: [-1, 1], 'Code-Review': [-2, 2], Verified: [-2, 2] } as const;
  return { connection, user, changes: new Map(), labels, addresses: false };
}

export function sha(text: string): string {
  return createHash('sha1').update(text).digest('hex');
}

export function mustChange(gerrit: SimGerrit, number: string): SimChange {
  const change = gerrit.changes.get(number);
  if (change === undefined) throw new Error(`no change ${number}`);
  return change;
}

export function currentPatchset(change: SimChange): string {
  return String(change.patchsets.length);
}

export function revisionOf(number: string, patchset: string): string {
  return sha(`r${number}.${patchset}`);
}

export function refOf(number: string, patchset: string): string {
  return `refs/changes/${number.slice(-2).padStart(2, '0')}/${number}/${patchset}`;
}

export function account(user: string): Account {
  return { name: user, username: user, email: `${user}@example.com` };
}

function messageOf(change: SimChange): string {
  const depends = change.depends.map((id) => `Depends-On: ${id}\n`).join('');
  return `C${change.number}\n\n${depends}Change-Id: ${change.changeId}\n`;
}

function submitRecords(gerrit: SimGerrit, change: SimChange): Change['submitRecords'] {
  if (change.status !== 'NEW') return [{ status: 'CLOSED' }];
  const labels = Object.entries(gerrit.labels).map(([label, [least, most]]) => {
    const values = change.votes.filter((vote) => vote.label === label).map((vote) => vote.value);
    const status = values.includes(least) ? 'REJECT' : values.includes(most) ? 'OK' : 'NEED';
    return { label, status };
  });
  if (labels.every(({ status }) => status === 'OK')) return [{ status: 'OK' }];
  return [{ status: 'NOT_READY', labels }];
}

/** One patchset as a query would describe it. */
export function describeChange(gerrit: SimGerrit, number: string, patchset: string, now: number): Change {
  const change = mustChange(gerrit, number);
  const content = change.patchsets[Number(patchset) - 1];
  if (content === undefined) throw new Error(`no patchset ${number},${patchset}`);
  const { parent, files } = content;
  const parentChange = parent === undefined ? undefined : gerrit.changes.get(parent[0]);
  const gitParent: ChangeRef | undefined =
    parent === undefined || parentChange === undefined || parentChange.status === 'MERGED'
      ? undefined
      : ref(gerrit, parentChange, parent[1]);
  const message = messageOf(change);
  const dependsOn = dependsOnLines(message, gerrit.addresses ? ['review.example.com'] : []).flatMap(
    (depends) =>
      [...gerrit.changes.values()]
        .filter((other) =>
          depends.kind === 'id'
            ? other.changeId === depends.id && other.status === 'NEW'
            : other.number === depends.number && other.status !== 'MERGED',
        )
        .map((other) => ref(gerrit, other, currentPatchset(other))),
  );
  return {
    connection: gerrit.connection,
    project: change.project,
    number,
    patchset,
    branch: change.branch,
    revision: revisionOf(number, patchset),
    ref: refOf(number, patchset),
    currentPatchset: currentPatchset(change),
    changeId: change.changeId,
    subject: `C${number}`,
    message,
    owner: account('owner_jane'),
    url: `https://review.example.com/${number}`,
    status: change.status,
    wip: false,
    private: false,
    files: ['/COMMIT_MSG', ...files],
    parents: [],
    approvals: change.votes
      .filter(({ value }) => value !== 0)
      .map(({ label, value, user, grantedOn }) => ({ label, value, by: account(user), grantedOn })),
    submitRecords: submitRecords(gerrit, change),
    ...(gitParent === undefined ? {} : { gitParent }),
    dependsOn,
    neededBy: neededBy(gerrit, change, patchset),
    fetchedAt: now,
  };
}

function ref(gerrit: SimGerrit, change: SimChange, patchset: string): ChangeRef {
  const { project, number } = change;
  return { connection: gerrit.connection, project, number, patchset };
}

/** Open changes whose current patchset sits on this change, then those whose message names it. */
function neededBy(gerrit: SimGerrit, change: SimChange, _patchset: string): ChangeRef[] {
  const open = [...gerrit.changes.values()].filter((other) => other.status === 'NEW' && other !== change);
  const byGit = open.filter((other) => other.patchsets.at(-1)?.parent?.[0] === change.number);
  const address = `https://review.example.com/${change.number}`;
  const byMessage = open.filter(
    ({ depends }) => depends.includes(change.changeId) || (gerrit.addresses && depends.includes(address)),
  );
  return [...new Set([...byGit, ...byMessage])].map((other) => ref(gerrit, other, currentPatchset(other)));
}

/** Answers a fetch: the change and everything that it needs or that needs it, near and far. */
export function answerFetch(
  gerrit: SimGerrit,
  action: ActionOf<'fetch'>,
  now: number,
): ChangeFetched['outcome'] {
  const known = gerrit.changes.get(action.number);
  gerrit.addresses = action.addresses ?? false;
  if (known === undefined) return { kind: 'absent', reason: `no change ${action.number}` };
  const change = describeChange(gerrit, action.number, action.patchset ?? currentPatchset(known), now);
  const path = cycle(gerrit, change, now, []);
  if (path !== undefined) return { kind: 'cycle', path };
  const found = new Map<string, Change>();
  const visit = (each: Change): void => {
    const next = [
      ...(each.gitParent === undefined ? [] : [each.gitParent]),
      ...each.dependsOn,
      ...(action.dependents ? each.neededBy : []),
    ];
    for (const { number, patchset } of next) {
      const other = describeChange(gerrit, number, patchset, now);
      if (found.has(changeKey(other)) || changeKey(other) === changeKey(change)) continue;
      found.set(changeKey(other), other);
      visit(other);
    }
  };
  visit(change);
  if (action.siblings === true) {
    for (const other of gerrit.changes.values()) {
      if (other.status !== 'NEW' || other.project !== known.project || other === known) continue;
      const described = describeChange(gerrit, other.number, currentPatchset(other), now);
      if (!found.has(changeKey(described))) found.set(changeKey(described), described);
    }
  }
  return { kind: 'found', change, related: [...found.values()] };
}

function cycle(
  gerrit: SimGerrit,
  change: Change,
  now: number,
  path: readonly string[],
): string[] | undefined {
  const here = [...path, change.number];
  if (path.includes(change.number)) return here;
  for (const { number, patchset } of [...(change.gitParent ? [change.gitParent] : []), ...change.dependsOn]) {
    const found = cycle(gerrit, describeChange(gerrit, number, patchset, now), now, here);
    if (found !== undefined) return found;
  }
  return undefined;
}

export function castVote(change: SimChange, vote: SimVote): void {
  const others = change.votes.filter(({ user, label }) => user !== vote.user || label !== vote.label);
  change.votes = vote.value === 0 ? others : [...others, vote];
}

/** Submits as Gerrit would: only an open, current patchset whose parent is in. True when it merged. */
export function submit(gerrit: SimGerrit, number: string, patchset: string): boolean {
  const change = mustChange(gerrit, number);
  if (change.failMerge || change.status !== 'NEW' || patchset !== currentPatchset(change)) return false;
  const parent = change.patchsets.at(-1)?.parent;
  if (parent !== undefined && gerrit.changes.get(parent[0])?.status !== 'MERGED') return false;
  change.status = 'MERGED';
  return true;
}

/** Merges a stack: changes with one token on one branch do not go together, unless one sits on the other. */
export function answerMerge(gerrit: SimGerrit, stack: readonly MergeEntry[]): MergeFinished['outcome'] {
  const done: MergeEntry[] = [];
  for (const entry of stack) {
    const { token } = mustChange(gerrit, entry.number);
    const ancestors = ancestorsOf(gerrit, entry.number, entry.patchset);
    const rivals = [...gerrit.changes.values()].filter(
      (other) =>
        token !== undefined &&
        other.token === token &&
        other.number !== entry.number &&
        other.project === entry.project &&
        other.branch === entry.branch &&
        !ancestors.has(other.number) &&
        (other.status === 'MERGED' || done.some(({ number }) => number === other.number)),
    );
    if (rivals.length > 0) {
      return { kind: 'conflict', number: entry.number, patchset: entry.patchset, files: ['README'] };
    }
    done.push(entry);
  }
  const names = stack.map(({ number, patchset }) => `${number},${patchset}`).join(' ');
  const places = new Map(stack.map(({ project, branch }) => [`${project} ${branch}`, { project, branch }]));
  const bases = [...places.values()].map((place) => ({ ...place, commit: sha(`tip ${place.project}`) }));
  return { kind: 'merged', commit: sha(names), url: 'http://zm/p', bases, tree: sha(`tree ${names}`) };
}

function ancestorsOf(gerrit: SimGerrit, number: string, patchset: string): Set<string> {
  const found = new Set<string>();
  for (let parent = gerrit.changes.get(number)?.patchsets[Number(patchset) - 1]?.parent; parent; ) {
    if (found.has(parent[0])) break;
    found.add(parent[0]);
    parent = gerrit.changes.get(parent[0])?.patchsets[Number(parent[1]) - 1]?.parent;
  }
  return found;
}
