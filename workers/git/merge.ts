import type { MergeEntry } from '../../pipelines/action.ts';
import { Fault } from '../../pipelines/fault.ts';
import { GitExit, gitFault, isCorruption } from './command.ts';
import { writeCommit } from './commit.ts';
import { mergeTreeArgs, type TreeMerger } from './mergetrees.ts';
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
  tools: MergeTools,
  state: CommitFacts,
  head: CommitFacts,
  entry: MergeEntry,
): Promise<Merged> {
  try {
    return entry.mode === 'cherry-pick' && head.parents.length < 2
      ? await pick(tools, state, head)
      : await merge(tools, state, head, entry);
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

export interface MergeTools {
  readonly repo: Repo;
  readonly trees: TreeMerger;
  readonly identity: MergeIdentity;
  readonly signal: AbortSignal;
}

export type Merged =
  | { readonly kind: 'merged'; readonly state: CommitFacts }
  | { readonly kind: 'conflict'; readonly files: string[] };

/** Enough for a comment; a change that conflicts in more is not read file by file. */
const mostFiles = 100;
const emptyTree = '4b825dc642cb6eb9a060e54bf8d69288fbee4904';

async function merge(
  tools: MergeTools,
  state: CommitFacts,
  head: CommitFacts,
  entry: MergeEntry,
): Promise<Merged> {
  // A parent and its child: git would say the same.
  if (head.commit === state.commit || state.parents.includes(head.commit)) return { kind: 'merged', state };
  if (head.parents.includes(state.commit)) return { kind: 'merged', state: head };
  const tree = await mergeTree(tools, state.commit, head.commit);
  if (tree.kind === 'conflict') return tree;
  // One contains the other only if the merged tree is that of one of them: else the question need not be asked.
  if (tree.tree === state.tree || tree.tree === head.tree) {
    const base = await mergeBase(tools, state.commit, head.commit);
    if (base === head.commit) return { kind: 'merged', state };
    if (base === state.commit) return { kind: 'merged', state: head };
  }
  const committedOn = laterOf(state, head);
  const stamp = { ...tools.identity, date: `${committedOn} +0000` };
  const made = {
    tree: tree.tree,
    parents: [state.commit, head.commit],
    author: stamp,
    message: `Merge change ${entry.number},${entry.patchset} into ${entry.branch}\n`,
  };
  const commit = await writeCommit(tools.repo.dir, { ...made, committer: stamp });
  return { kind: 'merged', state: { ...made, commit, committedOn } };
}

async function pick(tools: MergeTools, state: CommitFacts, head: CommitFacts): Promise<Merged> {
  if (head.commit === state.commit) return { kind: 'merged', state };
  const tree = await pickTree(tools, state, head);
  // Empty: the change is there already, as this commit or as another one. A pick of a contained change may also conflict
  // with what came after it, so then the history is asked.
  if (tree.kind === 'tree' && tree.tree === state.tree) return { kind: 'merged', state };
  const onTop = head.parents.includes(state.commit);
  if (!onTop && (await mergeBase(tools, state.commit, head.commit)) === head.commit)
    return { kind: 'merged', state };
  if (tree.kind === 'conflict') return tree;
  const committedOn = laterOf(state, head);
  const made = {
    tree: tree.tree,
    parents: [state.commit],
    author: head.author,
    message: head.message.trim() === '' ? '(no message)\n' : head.message,
  };
  const committer = { ...tools.identity, date: `${committedOn} +0000` };
  const commit = await writeCommit(tools.repo.dir, { ...made, committer });
  return { kind: 'merged', state: { ...made, commit, committedOn } };
}

async function pickTree(tools: MergeTools, state: CommitFacts, head: CommitFacts): Promise<Tree> {
  const [parent] = head.parents;
  if (parent === state.commit) return { kind: 'tree', tree: head.tree };
  const stamp = { ...tools.identity, date: '0 +0000' };
  const commit = (tree: string, parents: readonly string[], message: string): Promise<string> =>
    writeCommit(tools.repo.dir, { tree, parents, message, author: stamp, committer: stamp });
  if (parent !== undefined) {
    return mergeTree(tools, await commit(state.tree, [parent], 'ours\n'), head.commit);
  }
  // A first commit of a history: both sides get an empty one below them.
  const root = await commit(emptyTree, [], 'root\n');
  const ours = await commit(state.tree, [root], 'ours\n');
  return mergeTree(tools, ours, await commit(head.tree, [root], 'theirs\n'));
}

async function mergeBase({ repo, signal }: MergeTools, a: string, b: string): Promise<string | undefined> {
  try {
    return (await repo.run(['merge-base', a, b], { signal })).trim();
  } catch (caught) {
    if (caught instanceof GitExit && caught.code === 1) return undefined;
    throw caught;
  }
}

type Tree =
  | { readonly kind: 'tree'; readonly tree: string }
  | { readonly kind: 'conflict'; readonly files: string[] };

/** The exit code alone says whether it is clean: a conflict of folder renames may name no file. */
async function mergeTree({ repo, trees, signal }: MergeTools, ours: string, theirs: string): Promise<Tree> {
  const { code, parts } = await trees.merge(ours, theirs);
  const [tree, ...files] = parts;
  if (code === 0 && tree !== undefined) return { kind: 'tree', tree };
  // git 2.39 also ends with 1 when it cannot read a commit; then it names no tree.
  if (code === 1 && tree !== undefined)
    return { kind: 'conflict', files: [...new Set(files)].slice(0, mostFiles) };
  // For what git says about it.
  await repo.run([...mergeTreeArgs, ours, theirs], { signal });
  throw new Fault('git-failed', `git merge-tree ended with ${code}`, { retry: true });
}

/** Time goes on from parent to child, as git's walks expect; a clock from another century is not passed on. */
function laterOf(state: CommitFacts, head: CommitFacts): number {
  return Math.min(Math.max(state.committedOn, head.committedOn, 0), 2 ** 32 - 1);
}
