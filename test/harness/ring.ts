import type { Action, ActionOf } from '../../pipelines/action.ts';
import type { ChangeFetched, Fact, Reported } from '../../pipelines/event.ts';
import type { Row, SiteConfig } from '../../pipelines/ports.ts';
import { step } from '../../pipelines/step.ts';
import { emptyWorld, type World } from '../../pipelines/world.ts';
import {
  account,
  answerFetch,
  answerMerge,
  castVote,
  currentPatchset,
  mustChange,
  revisionOf,
  type SimGerrit,
  type SimPatchset,
  sha,
  simGerrit,
  submit,
} from './gerrit.ts';

/**
 * The whole ring in memory, around the real `step`: a simulated Gerrit, merger, pool and builds that run until the story ends
 * them. Time is a number that the story moves. Nothing here is asynchronous, so a story is a list of sentences.
 */

export interface SimBuild {
  readonly action: ActionOf<'build'>;
  /** Order of the launches, from 0. */
  readonly index: number;
  readonly startedAt: number;
  state: 'running' | 'ended' | 'cancelled';
}

export interface Ring {
  world: World;
  readonly gerrit: SimGerrit;
  now: number;
  readonly builds: SimBuild[];
  /** Everything that left the kernel, in order. */
  readonly actions: Action[];
  readonly facts: { readonly fact: Fact; readonly note: string; readonly config?: SiteConfig }[];
  readonly history: Row[];
  /** Reports as Gerrit stored them. */
  readonly reports: ActionOf<'report'>[];
  readonly mails: ActionOf<'mail'>[];
  readonly merged: string[];
  /** Somebody merged something else into these projects: the next submit there is not asked for. */
  readonly moved: Set<string>;
  /** What was built for each ref: the stack, and how many changes had merged then. */
  readonly trials: Map<string, { readonly stack: readonly string[]; readonly merged: number }>;
  /** Leases that were granted and not given back. */
  readonly leases: Set<string>;
  /** Answers looks at changes. */
  fetch: (action: ActionOf<'fetch'>) => ChangeFetched['outcome'];
  /** Hears of every report after it was posted. */
  heard: (action: ActionOf<'report'>, merged: boolean) => void;
  /** Told how much processor time each step took, ms. */
  time?: (ms: number) => void;
  /** Holds answers of some kind back until `settle`. */
  readonly hold: Set<Action['kind']>;
  readonly held: Action[];
}

export const siteId = '5a1ce0de5a1ce0de';

export function openRing(config: SiteConfig, now = 1_500_000_000_000): Ring {
  const ring: Ring = {
    world: emptyWorld(siteId),
    gerrit: simGerrit(),
    now,
    builds: [],
    actions: [],
    facts: [],
    history: [],
    reports: [],
    mails: [],
    merged: [],
    moved: new Set(),
    trials: new Map(),
    leases: new Set(),
    fetch: (action) => answerFetch(ring.gerrit, action, ring.now),
    heard: () => undefined,
    hold: new Set(),
    held: [],
  };
  deliver(ring, { kind: 'Configured', at: now, digest: config.digest }, config);
  return ring;
}

/** Gives the kernel a fact, and does at once what it asks for, until it asks for nothing more. Answers the note. */
export function deliver(ring: Ring, fact: Fact, config?: SiteConfig): string {
  const from = process.cpuUsage();
  const result = step(ring.world, fact, config);
  const { user, system } = process.cpuUsage(from);
  ring.time?.((user + system) / 1000);
  ring.world = result.world;
  ring.facts.push({ fact, note: result.note, ...(config === undefined ? {} : { config }) });
  ring.history.push(...result.history);
  ring.actions.push(...result.actions);
  for (const action of result.actions) {
    if (ring.hold.has(action.kind)) ring.held.push(action);
    else act(ring, action);
  }
  return result.note;
}

/** Does what was held back. */
export function letGo(ring: Ring, kind: Action['kind']): void {
  ring.hold.delete(kind);
  for (const action of ring.held.splice(0)) {
    if (ring.hold.has(action.kind)) ring.held.push(action);
    else act(ring, action);
  }
}

function act(ring: Ring, action: Action): void {
  const at = ring.now;
  switch (action.kind) {
    case 'fetch':
      deliver(ring, {
        kind: 'ChangeFetched',
        at,
        action: action.id,
        outcome: ring.fetch(action),
      });
      return;
    case 'merge': {
      const stack = action.stack.map(({ number, patchset }) => `${number},${patchset}`);
      ring.trials.set(action.stack.at(-1)?.ref ?? '', { stack, merged: ring.merged.length });
      deliver(ring, {
        kind: 'MergeFinished',
        at,
        action: action.id,
        outcome: answerMerge(ring.gerrit, action.stack),
      });
      return;
    }
    case 'acquire': {
      const lease = `lease-${action.id}`;
      ring.leases.add(lease);
      const outcome = { kind: 'granted' as const, lease, nodes: [`node-${ring.leases.size}`] };
      deliver(ring, { kind: 'NodesAnswered', at, action: action.id, outcome });
      return;
    }
    case 'build': {
      const index = ring.builds.length;
      ring.builds.push({ action, index, startedAt: at, state: 'running' });
      const url = `http://stackgate.example.com/build/${action.uuid}/`;
      deliver(ring, { kind: 'BuildStarted', at, action: action.id, node: 'node', url });
      return;
    }
    case 'cancel': {
      const build = ring.builds.find(({ action: { id } }) => id === action.target);
      if (build?.state === 'running') build.state = 'cancelled';
      return;
    }
    case 'release':
      ring.leases.delete(action.lease);
      return;
    case 'report':
      deliver(ring, { kind: 'Reported', at, action: action.id, outcome: say(ring, action) });
      return;
    case 'mail':
      ring.mails.push(action);
      return;
  }
}

/** Posts a report: votes become ours, a submit may merge. */
function say(ring: Ring, action: ActionOf<'report'>): Reported['outcome'] {
  if (action.submit && ring.moved.delete(action.project))
    return { kind: 'moved', reason: `${action.branch} of ${action.project} moved` };
  ring.reports.push(action);
  const change = mustChange(ring.gerrit, action.number);
  if (action.patchset === currentPatchset(change)) {
    for (const [label, value] of Object.entries(action.labels)) {
      castVote(change, { user: ring.gerrit.user, label, value, grantedOn: ring.now });
    }
  }
  const merged = action.submit && submit(ring.gerrit, action.number, action.patchset);
  if (merged) ring.merged.push(`${action.number},${action.patchset}`);
  ring.heard(action, merged);
  if (!action.submit) return { kind: 'posted' };
  return { kind: 'posted', merged };
}

export interface NewChange {
  readonly number: string;
  readonly project?: string;
  readonly branch?: string;
  readonly files?: readonly string[];
  readonly token?: string;
  readonly parent?: readonly [string, string];
  /** Change-Ids. */
  readonly depends?: readonly string[];
  readonly changeId?: string;
  readonly status?: 'NEW' | 'MERGED' | 'ABANDONED';
}

export function changeIdOf(number: string): string {
  return `I${sha(`c${number}`)}`;
}

/** Creates a change; no event. */
export function create(ring: Ring, change: NewChange): void {
  const { number, project = 'org/project', branch = 'master', token, depends = [], status = 'NEW' } = change;
  ring.gerrit.changes.set(number, {
    number,
    project,
    branch,
    token,
    depends,
    status,
    changeId: change.changeId ?? changeIdOf(number),
    patchsets: [contentOf(change)],
    votes: [],
    failMerge: false,
  });
}

function contentOf(content: Pick<NewChange, 'files' | 'parent'>): SimPatchset {
  return { files: content.files ?? ['README'], parent: content.parent };
}

/** Uploads another patchset; no event. */
export function amend(
  ring: Ring,
  number: string,
  content: Pick<NewChange, 'files' | 'depends'> & { parent?: readonly [string, string] | undefined } = {},
): void {
  const change = mustChange(ring.gerrit, number);
  const last = change.patchsets.at(-1);
  const parent = 'parent' in content ? content.parent : last?.parent;
  change.patchsets.push({ files: content.files ?? last?.files ?? ['README'], parent });
  change.votes = [];
  if (content.depends !== undefined) change.depends = content.depends;
}

/** An event about a patchset (the current one), as Gerrit would send it. */
export function event(
  ring: Ring,
  type: string,
  number: string,
  user: string,
  more: Partial<Extract<Fact, { kind: 'GerritEvent' }>> = {},
): string {
  const change = mustChange(ring.gerrit, number);
  const patchset = more.patchset ?? currentPatchset(change);
  return deliver(ring, {
    kind: 'GerritEvent',
    at: ring.now,
    connection: ring.gerrit.connection,
    via: 'stream',
    type,
    project: change.project,
    branch: change.branch,
    number,
    patchset,
    revision: revisionOf(number, patchset),
    account: account(user),
    ...more,
  });
}

/** Creates a change and says so. */
export function push(ring: Ring, change: NewChange): string {
  create(ring, change);
  return event(ring, 'patchset-created', change.number, 'author_phil');
}

export function vote(ring: Ring, number: string, label: string, value: number, user = 'reviewer_john'): void {
  castVote(mustChange(ring.gerrit, number), { user, label, value, grantedOn: ring.now });
}

/** Votes with an event. */
export function approve(ring: Ring, number: string, label = 'Approved', value = 1): string {
  vote(ring, number, 'Code-Review', 2);
  vote(ring, number, label, value);
  return event(ring, 'comment-added', number, 'reviewer_john', {
    comment: '',
    approvals: [{ label, value }],
  });
}

export function comment(ring: Ring, number: string, text: string, user = 'author_phil'): string {
  return event(ring, 'comment-added', number, user, { comment: text, approvals: [] });
}

export function running(ring: Ring): SimBuild[] {
  return ring.builds.filter(({ state }) => state === 'running');
}

export function changesOf(build: SimBuild): string | null {
  return build.action.params.ZUUL_CHANGE_IDS ?? null;
}

/** Ends the first running build that fits. False: there is none. */
export function finish(
  ring: Ring,
  which: { job: string; changes?: string | null; pipeline?: string },
  result: string | null = 'SUCCESS',
): boolean {
  const fits = (whole: boolean) =>
    running(ring).find(
      (each) =>
        (whole ? each.action.job === which.job : new RegExp(`^(?:${which.job})`).test(each.action.job)) &&
        (which.changes === undefined || changesOf(each) === which.changes) &&
        (which.pipeline === undefined || each.action.pipeline === which.pipeline),
    );
  const build = fits(true) ?? fits(false);
  if (build === undefined) return false;
  ring.now += 1000;
  endBuild(ring, build, result);
  return true;
}

export function endBuild(ring: Ring, build: SimBuild, result: string | null): void {
  build.state = 'ended';
  const { id, uuid } = build.action;
  const url = `http://stackgate.example.com/build/${uuid}/`;
  deliver(ring, {
    kind: 'BuildFinished',
    at: ring.now,
    action: id,
    outcome:
      result === null
        ? { kind: 'lost', reason: 'the node went away' }
        : { kind: 'finished', result, url, startedAt: build.startedAt, finishedAt: ring.now },
  });
}
