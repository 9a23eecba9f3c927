import type { MergeEntry } from '../../pipelines/action.ts';
import type { MergeFinished } from '../../pipelines/event.ts';
import { Fault } from '../../pipelines/fault.ts';
import { crashpoint } from '../crashpoint.ts';
import { type MergeIdentity, type MergeTools, mergeChange } from './merge.ts';
import { openTreeMerger } from './mergetrees.ts';
import {
  baseRef,
  isBranch,
  isChangeRef,
  isConnection,
  isProject,
  isRevision,
  zuulId,
  zuulRef,
} from './names.ts';
import type { CommitFacts, Repo } from './repo.ts';

/**
 * Builds the speculative future of a stack of changes (zuul-v2.md 3.1).
 *
 * A *lane* is one branch of one project. Every entry of the stack belongs to one lane and changes its state there; after
 * each entry, its id names the state of every lane touched so far: `refs/zuul/<branch>/Z<id>` in each of their projects.
 * Lanes do not influence each other, so they are computed side by side.
 *
 * Asking again gives the same commits, whatever was killed in between:
 * - a state that is published under an entry's ref is taken from there, and never built again from the bottom;
 * - the tip a lane was built on is kept beside it (`refs/stackgate/base/...`), written before the state is, so a second
 *   attempt continues from the old tip although the branch has moved;
 * - a merge of the same commits makes the same commit, because names and dates come from them (merge.ts).
 */
export async function speculate(
  stack: readonly MergeEntry[],
  repoOf: (connection: string, project: string) => Repo,
  identity: MergeIdentity,
  signal: AbortSignal,
): Promise<Speculation> {
  for (const entry of stack) {
    const wrong = whatIsWrong(entry);
    if (wrong !== undefined) return { kind: 'failed', reason: `${nameOf(entry)}: ${wrong}` };
  }
  const lanes = lanesOf(stack, repoOf);
  const groups = [...new Set(lanes.map((lane) => lane.repo))].map((repo): [Repo, Lane[]] => [
    repo,
    lanes.filter((lane) => lane.repo === repo),
  ]);
  const fetched = await Promise.all(groups.map(([repo, own]) => bring(repo, own, stack, signal)));
  crashpoint('merge.fetch.after');
  const missing = fetched.find((reason) => reason !== undefined);
  if (missing !== undefined) return { kind: 'failed', reason: missing };

  const walked = await Promise.all(lanes.map((lane) => walk(lane, identity, signal)));
  const conflicts = walked.filter((conflict) => conflict !== undefined).sort((a, b) => a.index - b.index);
  const conflict = conflicts[0];
  if (conflict !== undefined) {
    const { number, patchset } = conflict.entry;
    return { kind: 'conflict', number, patchset, files: conflict.files };
  }
  crashpoint('merge.refs.before');
  for (const [repo, own] of groups) await publish(repo, own, stack, signal);
  crashpoint('merge.refs.after');

  const last = stack.length - 1;
  const lane = lanes.find((candidate) => candidate.steps.has(last));
  const step = lane?.steps.get(last);
  const tip = step?.state;
  if (tip === undefined) throw new Fault('bug', 'the last change of a stack has no state');
  return {
    kind: 'merged',
    commit: tip.commit,
    tree: tip.tree,
    ...(step?.onto === undefined ? {} : { onto: step.onto.tree }),
    bases: lanes.map(({ repo, branch, base }) => ({ project: repo.project, branch, commit: base ?? '' })),
  };
}

export type Speculation =
  | Omit<Extract<MergeFinished['outcome'], { kind: 'merged' }>, 'url'>
  | Exclude<MergeFinished['outcome'], { kind: 'merged' }>;

/** What happens to one branch of one project. */
interface Lane {
  readonly repo: Repo;
  readonly branch: string;
  /** Its entries by their place in the stack. */
  readonly steps: Map<number, Step>;
  /** Place of its first entry. */
  readonly first: number;
  /** What the entries' ids name here already, by place in the stack. */
  published: Map<number, string>;
  /** The tip it is built on. */
  base: string | undefined;
  facts: ReadonlyMap<string, CommitFacts>;
}

interface Step {
  readonly entry: MergeEntry;
  /** The state it was merged onto, and the state after it. */
  onto: CommitFacts | undefined;
  state: CommitFacts | undefined;
}

function whatIsWrong(entry: MergeEntry): string | undefined {
  if (!isConnection(entry.connection)) return `not a connection name: ${JSON.stringify(entry.connection)}`;
  if (!isProject(entry.project)) return `not a project name: ${JSON.stringify(entry.project)}`;
  if (!isBranch(entry.branch)) return `not a branch name: ${JSON.stringify(entry.branch)}`;
  if (!isChangeRef(entry.refspec)) return `not the ref of a patchset: ${JSON.stringify(entry.refspec)}`;
  if (!isRevision(entry.revision)) return `not a commit id: ${JSON.stringify(entry.revision)}`;
  if (zuulId(entry.ref, entry.branch) === undefined) return `not a ref of ours: ${JSON.stringify(entry.ref)}`;
  return undefined;
}

function nameOf(entry: MergeEntry): string {
  return `change ${entry.number},${entry.patchset}`;
}

function lanesOf(
  stack: readonly MergeEntry[],
  repoOf: (connection: string, project: string) => Repo,
): Lane[] {
  const lanes = new Map<string, Lane>();
  const repos = new Map<string, Repo>();
  stack.forEach((entry, index) => {
    const where = `${entry.connection} ${entry.project}`;
    const repo = repos.get(where) ?? repoOf(entry.connection, entry.project);
    repos.set(where, repo);
    const key = `${where} ${entry.branch}`;
    const lane = lanes.get(key) ?? {
      repo,
      branch: entry.branch,
      steps: new Map<number, Step>(),
      first: index,
      published: new Map<number, string>(),
      base: undefined,
      facts: new Map<string, CommitFacts>(),
    };
    lane.steps.set(index, { entry, onto: undefined, state: undefined });
    lanes.set(key, lane);
  });
  return [...lanes.values()];
}

/** The refs that an entry's id has in a lane. The shape of every `ref` was checked before. */
function refsAt(entry: MergeEntry, lane: Lane): { state: string; base: string } {
  const id = zuulId(entry.ref, entry.branch) ?? '';
  return { state: zuulRef(lane.branch, id), base: baseRef(lane.branch, id) };
}

/** Finds what is published already. */
async function lookUp(repo: Repo, lanes: readonly Lane[], stack: readonly MergeEntry[], signal: AbortSignal) {
  const refs = lanes.flatMap((lane) =>
    stack.slice(lane.first).flatMap((entry) => Object.values(refsAt(entry, lane))),
  );
  const found = await repo.published(refs, signal);
  for (const lane of lanes) {
    for (const [index, entry] of stack.entries()) {
      if (index < lane.first) continue;
      const { state, base } = refsAt(entry, lane);
      const commit = found.get(state);
      if (commit === undefined) continue;
      lane.published.set(index, commit);
      lane.base ??= found.get(base);
    }
  }
}

/** Entries whose state is not published: those that must be merged. */
function open(lane: Lane): MergeEntry[] {
  return [...lane.steps].flatMap(([index, step]) => (lane.published.has(index) ? [] : [step.entry]));
}

/**
 * Makes sure that every commit that is needed is there: branch tips and patchsets of one project in one fetch. Patchsets
 * never change, so those that are there are not asked for again; when nothing is missing Gerrit is not asked at all.
 * Answers what is wrong, if something is.
 */
async function bring(
  repo: Repo,
  lanes: readonly Lane[],
  stack: readonly MergeEntry[],
  signal: AbortSignal,
): Promise<string | undefined> {
  await repo.ensure(signal);
  const names = [
    ...lanes.map((lane) => `refs/heads/${lane.branch}`),
    ...lanes.flatMap((lane) => [...lane.steps.values()].map(({ entry }) => entry.revision)),
  ];
  const [local] = await Promise.all([repo.resolve(names, signal), lookUp(repo, lanes, stack, signal)]);
  let tips: ReadonlyMap<string, string> = local;
  const entries = lanes.flatMap(open);
  const absent = entries.filter((entry) => !local.has(entry.revision));
  if (absent.length > 0 || lanes.some((lane) => lane.base === undefined && open(lane).length > 0)) {
    const outcome = await repo.fetch([...new Set(absent.map((entry) => entry.refspec))], signal);
    if (outcome.kind === 'absent') {
      const entry = entries.find((candidate) => candidate.refspec === outcome.ref);
      const who = entry === undefined ? '' : `${nameOf(entry)}: `;
      return `${who}Gerrit has no ${outcome.ref} in ${repo.project}.`;
    }
    for (const entry of absent) {
      const is = outcome.commits.get(entry.refspec);
      if (is !== entry.revision) {
        return `${nameOf(entry)}: ${entry.refspec} of ${repo.project} is ${is ?? 'no commit'}, expected ${entry.revision}.`;
      }
    }
    tips = outcome.commits;
  }
  for (const lane of lanes) {
    lane.base ??= tips.get(`refs/heads/${lane.branch}`);
    if (lane.base === undefined) return `${repo.project} has no branch ${lane.branch}.`;
  }
  const ids = [
    ...entries.map((entry) => entry.revision),
    ...lanes.flatMap((lane) => [...lane.published.values(), ...(lane.base === undefined ? [] : [lane.base])]),
  ];
  const facts = await repo.describe([...new Set(ids)], signal);
  for (const lane of lanes) lane.facts = facts;
  return undefined;
}

/** Merges what is not published, in order. Answers the conflict that stopped it, if one did. */
async function walk(lane: Lane, identity: MergeIdentity, signal: AbortSignal): Promise<Conflict | undefined> {
  const { repo } = lane;
  const trees = openTreeMerger(repo.dir, signal);
  try {
    return await walkWith(lane, { repo, trees, identity, signal });
  } finally {
    trees.close();
  }
}

interface Conflict {
  readonly index: number;
  readonly entry: MergeEntry;
  readonly files: string[];
}

async function walkWith(lane: Lane, tools: MergeTools): Promise<Conflict | undefined> {
  const factsOf = (commit: string | undefined): CommitFacts => {
    const facts = commit === undefined ? undefined : lane.facts.get(commit);
    if (facts === undefined) throw new Fault('bug', `nothing is known of commit ${commit ?? '(none)'}`);
    return facts;
  };
  let state = factsOf(lane.base);
  for (const [index, step] of lane.steps) {
    const known = lane.published.get(index);
    step.onto = state;
    if (known === undefined) {
      const merged = await mergeChange(tools, state, factsOf(step.entry.revision), step.entry);
      if (merged.kind === 'conflict') return { index, entry: step.entry, files: merged.files };
      state = merged.state;
      crashpoint('merge.change.after');
    } else {
      state = factsOf(known);
    }
    step.state = state;
  }
  return undefined;
}

/** Writes what is not there yet: first the tips that states were built on, then the states. */
async function publish(
  repo: Repo,
  lanes: readonly Lane[],
  stack: readonly MergeEntry[],
  signal: AbortSignal,
) {
  const bases = new Map<string, string>();
  const states = new Map<string, string>();
  for (const lane of lanes) {
    let state: CommitFacts | undefined;
    for (const [index, entry] of stack.entries()) {
      if (index < lane.first) continue;
      state = lane.steps.get(index)?.state ?? state;
      if (lane.published.has(index) || state === undefined || lane.base === undefined) continue;
      const refs = refsAt(entry, lane);
      bases.set(refs.base, lane.base);
      states.set(refs.state, state.commit);
    }
  }
  await repo.publish([bases, states], signal);
}
