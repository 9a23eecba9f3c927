import type { MergeEntry } from '../../pipelines/action.ts';
import { Fault } from '../../pipelines/fault.ts';
import { GitExit, gitFault, isCorruption } from './command.ts';
import type { CommitFacts, Repo } from './repo.ts';

/**
 * One change onto one commit, without index and work tree: `git merge-tree --write-tree` makes the tree (git's `ort`,
 * renames and criss-cross histories included), `git commit-tree` the commit. Nothing here depends on the clock or on who
 * asks, so the same two commits always give the same third.
 *
 * The modes of Zuul's `merge-mode`:
 * - `merge`: as `git merge` does it. A change that is contained already changes nothing; one that contains the branch is
 *   taken as it is (fast-forward).
 * - `merge-resolve`: Zuul asked for git's `resolve` strategy to get around faults of `recursive` (criss-cross merges,
 *   renames). merge-tree has only `ort`, which has neither; so this is `merge`.
 * - `cherry-pick`: the change without its ancestors. merge-tree of git 2.39 takes no base (`--merge-base` came with 2.40),
 *   so the base is made to be the pick's parent: a commit that nobody sees, with our tree and with that parent. What Gerrit
 *   does with a merge commit in a cherry-picking project, we do as well: merge it.
 */
export async function mergeChange(
  repo: Repo,
  state: CommitFacts,
  head: CommitFacts,
  entry: MergeEntry,
  identity: MergeIdentity,
  signal: AbortSignal,
): Promise<Merged> {
  const git: Git = {
    run: (args, options = {}) => repo.run(args, { signal, ...options }),
    identity: {
      GIT_AUTHOR_NAME: identity.name,
      GIT_AUTHOR_EMAIL: identity.email,
      GIT_COMMITTER_NAME: identity.name,
      GIT_COMMITTER_EMAIL: identity.email,
    },
  };
  try {
    return entry.mode === 'cherry-pick' && head.parents.length < 2
      ? await pick(git, state, head)
      : await merge(git, state, head, entry);
  } catch (caught) {
    if (!(caught instanceof GitExit) || isCorruption(caught)) throw caught;
    const fault = gitFault(caught, `git cannot merge change ${entry.number},${entry.patchset}`);
    if (fault.code === 'disk-full') throw fault;
    throw new Fault('git-failed', fault.message, { retry: false, hint: fault.hint, cause: caught });
  }
}

/** Who makes the merge commits. */
export interface MergeIdentity {
  readonly name: string;
  readonly email: string;
}

export type Merged =
  | { readonly kind: 'merged'; readonly state: CommitFacts }
  | { readonly kind: 'conflict'; readonly files: string[] };

interface Git {
  run(args: readonly string[], options?: { input?: string; env?: Record<string, string> }): Promise<string>;
  readonly identity: Record<string, string>;
}

/** Enough for a comment; a change that conflicts in more is not read file by file. */
const mostFiles = 100;
const emptyTree = '4b825dc642cb6eb9a060e54bf8d69288fbee4904';

async function merge(git: Git, state: CommitFacts, head: CommitFacts, entry: MergeEntry): Promise<Merged> {
  if (head.commit === state.commit) return { kind: 'merged', state };
  const tree = await mergeTree(git, state.commit, head.commit);
  if (tree.kind === 'conflict') return tree;
  // One contains the other only if the merged tree is that of one of them: else the question need not be asked.
  if (tree.tree === state.tree || tree.tree === head.tree) {
    const base = await mergeBase(git, state.commit, head.commit);
    if (base === head.commit) return { kind: 'merged', state };
    if (base === state.commit) return { kind: 'merged', state: head };
  }
  const committedOn = laterOf(state, head);
  const date = `@${committedOn} +0000`;
  const message = `Merge change ${entry.number},${entry.patchset} into ${entry.branch}\n`;
  const parents = [state.commit, head.commit];
  const commit = await commitTree(git, tree.tree, parents, message, {
    ...git.identity,
    GIT_AUTHOR_DATE: date,
    GIT_COMMITTER_DATE: date,
  });
  return {
    kind: 'merged',
    state: { commit, tree: tree.tree, parents, committedOn, author: head.author, message },
  };
}

async function pick(git: Git, state: CommitFacts, head: CommitFacts): Promise<Merged> {
  if (head.commit === state.commit) return { kind: 'merged', state };
  const tree = await pickTree(git, state, head);
  // Empty: the change is there already, as this commit or as another one. A pick of a contained change may also conflict
  // with what came after it, so then the history is asked.
  if (tree.kind === 'tree' && tree.tree === state.tree) return { kind: 'merged', state };
  if ((await mergeBase(git, state.commit, head.commit)) === head.commit) return { kind: 'merged', state };
  if (tree.kind === 'conflict') return tree;
  const committedOn = laterOf(state, head);
  const message = head.message.trim() === '' ? '(no message)\n' : head.message;
  const commit = await commitTree(git, tree.tree, [state.commit], message, {
    ...git.identity,
    GIT_AUTHOR_NAME: usableName(head.author.name),
    GIT_AUTHOR_EMAIL: head.author.email,
    GIT_AUTHOR_DATE: `@${head.author.date}`,
    GIT_COMMITTER_DATE: `@${committedOn} +0000`,
  });
  return {
    kind: 'merged',
    state: { commit, tree: tree.tree, parents: [state.commit], committedOn, author: head.author, message },
  };
}

async function pickTree(git: Git, state: CommitFacts, head: CommitFacts): Promise<Tree> {
  const [parent] = head.parents;
  if (parent === state.commit) return { kind: 'tree', tree: head.tree };
  const env = { ...git.identity, GIT_AUTHOR_DATE: '@0 +0000', GIT_COMMITTER_DATE: '@0 +0000' };
  if (parent !== undefined) {
    const joined = await commitTree(git, state.tree, [parent], 'ours\n', env);
    return mergeTree(git, joined, head.commit);
  }
  // A first commit of a history: both sides get an empty one below them.
  const root = await commitTree(git, emptyTree, [], 'root\n', env);
  const ours = await commitTree(git, state.tree, [root], 'ours\n', env);
  return mergeTree(git, ours, await commitTree(git, head.tree, [root], 'theirs\n', env));
}

async function mergeBase(git: Git, a: string, b: string): Promise<string | undefined> {
  try {
    return (await git.run(['merge-base', a, b])).trim();
  } catch (caught) {
    if (caught instanceof GitExit && caught.code === 1) return undefined;
    throw caught;
  }
}

type Tree =
  | { readonly kind: 'tree'; readonly tree: string }
  | { readonly kind: 'conflict'; readonly files: string[] };

/** The exit code alone says whether it is clean: a conflict of folder renames may name no file. */
async function mergeTree(git: Git, ours: string, theirs: string): Promise<Tree> {
  try {
    const out = await git.run([
      'merge-tree',
      '--write-tree',
      '-z',
      '--name-only',
      '--no-messages',
      ours,
      theirs,
    ]);
    return { kind: 'tree', tree: out.split('\0')[0]?.trim() ?? '' };
  } catch (caught) {
    if (!(caught instanceof GitExit) || caught.code !== 1) throw caught;
    const files = caught.stdout.split('\0').slice(1);
    return { kind: 'conflict', files: [...new Set(files)].filter((file) => file !== '').slice(0, mostFiles) };
  }
}

async function commitTree(
  git: Git,
  tree: string,
  parents: readonly string[],
  message: string,
  env: Record<string, string>,
): Promise<string> {
  const args = ['commit-tree', tree, ...parents.flatMap((parent) => ['-p', parent]), '-F', '-'];
  return (await git.run(args, { input: message, env })).trim();
}

/** Time goes on from parent to child, as git's walks expect; a clock from another century is not passed on. */
function laterOf(state: CommitFacts, head: CommitFacts): number {
  return Math.min(Math.max(state.committedOn, head.committedOn, 0), 2 ** 32 - 1);
}

/** git refuses a name of nothing but blanks and punctuation. */
function usableName(name: string): string {
  // oxlint-disable-next-line no-control-regex -- what git calls crud
  return name.replace(/[\u0000-\u0020.,:;<>"\\']/g, '') === '' ? 'unknown' : name;
}
