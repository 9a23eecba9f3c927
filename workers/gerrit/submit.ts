import type { ReportAction } from '../../pipelines/action.ts';
import type { Reported } from '../../pipelines/event.ts';
import { asFault } from '../../pipelines/fault.ts';
import type { Branches, Tip } from '../git/branches.ts';

/**
 * The checks around a submit. What was tested is a tree: the change merged onto what stood ahead of it. If the branch does
 * not hold exactly what the change was merged onto, somebody else merged meanwhile, and nobody has tested the two together;
 * if it does not hold the tested tree afterwards, the server merged in another way than we did. The first is cured by testing
 * again, the second is told to a person. Trees are compared, not commits: Gerrit makes merge commits of its own.
 */
export type Tested = NonNullable<ReportAction['tested']>;

/** What must be so before: `moved` says what is not. Branches that cannot be compared stand. */
export async function standOf(
  action: ReportAction,
  branches: Branches | undefined,
  signal: AbortSignal,
): Promise<
  { readonly kind: 'stands'; readonly tip?: Tip } | Extract<Reported['outcome'], { kind: 'moved' }>
> {
  const onto = action.tested?.onto;
  if (branches === undefined || onto === undefined) return { kind: 'stands' };
  const tip = await branches.tip(action.project, action.branch, signal);
  if (tip?.tree === onto) return { kind: 'stands', tip };
  const holds = tip === undefined ? 'is gone' : `is at ${tip.commit}`;
  const reason = `${action.branch} of ${action.project} ${holds}, which is not what ${action.number},${action.patchset} was tested on`;
  return { kind: 'moved', reason };
}

/** What must be so afterwards; a sentence when it is not. `before` is the tip just before the submit. */
export async function differenceAfter(
  action: ReportAction,
  before: string | undefined,
  branches: Branches | undefined,
  signal: AbortSignal,
): Promise<string | undefined> {
  const tree = action.tested?.tree;
  if (branches === undefined || before === undefined || tree === undefined) return undefined;
  const { project, branch, number, patchset } = action;
  const name = `${number},${patchset}`;
  try {
    const trees = await branches.treesSince(project, branch, before, signal);
    // A change that adds nothing leaves the branch as it was.
    if (trees.includes(tree) || (trees.length === 0 && tree === action.tested?.onto)) return undefined;
    return `${branch} of ${project} never held the tree ${tree} that was tested for ${name}: look at what Gerrit merged after ${before}`;
  } catch (caught) {
    const fault = asFault(caught);
    if (fault.retry || fault.code === 'stopped') throw fault;
    return `what Gerrit merged for ${name} could not be compared with what was tested: ${fault.message}`;
  }
}
