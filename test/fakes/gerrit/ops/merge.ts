import { changeUrl, subjectOf } from '../attributes.ts';
import type { Repo } from '../git.ts';
import type { Account, Change, SubmitType } from '../model.ts';
import { current } from '../model.ts';
import { Refusal, type Site } from '../site.ts';

/** Where a branch comes to when changes go in, by each submit type. */

export interface Problem {
  readonly change: number;
  readonly text: string;
}

export function failed(count: number, problems: readonly Problem[]): Refusal {
  const lines = problems.map(({ change, text }) => `Change ${change}: ${text}`);
  const changes = `${count} change${count === 1 ? '' : 's'}`;
  return new Refusal(409, `Failed to submit ${changes} due to the following problems:\n${lines.join('\n')}`);
}

export function submitTypeOf(site: Site, change: Change): SubmitType {
  return site.state.projects.get(change.project)?.submitType ?? 'MERGE_IF_NECESSARY';
}

export interface Merged {
  readonly tip: string;
  /** New commits of changes that a rebase or cherry-pick made. */
  readonly rewritten: ReadonlyMap<number, string>;
}

const CONFLICT =
  'Change could not be merged due to a path conflict. Please rebase the change locally and upload the rebased commit for review.';
const NOT_FAST_FORWARD =
  'Project policy requires all submissions to be a fast-forward. Please rebase the change locally and upload again for review.';

/** Where the branch comes to, when these changes of one branch go in. Nothing is written but objects. */
export async function mergeBranch(
  site: Site,
  account: Account,
  repo: Repo,
  start: string,
  changes: readonly Change[],
): Promise<Merged> {
  const [first] = changes;
  if (first === undefined) return { tip: start, rewritten: new Map() };
  const type = submitTypeOf(site, first);
  if (type === 'CHERRY_PICK' || type === 'REBASE_IF_NECESSARY' || type === 'REBASE_ALWAYS') {
    return rewriteBranch(site, account, repo, start, changes, type);
  }
  let tip = start;
  for (const change of await topmost(repo, changes)) {
    const { revision } = current(change);
    if (await repo.isAncestor(revision, tip)) continue;
    const forward = await repo.isAncestor(tip, revision);
    if (forward && type !== 'MERGE_ALWAYS') {
      tip = revision;
      continue;
    }
    if (type === 'FAST_FORWARD_ONLY') {
      throw failed(changes.length, [{ change: change.number, text: NOT_FAST_FORWARD }]);
    }
    const tree = await repo.merge(tip, revision);
    if (tree === undefined) throw failed(changes.length, [{ change: change.number, text: CONFLICT }]);
    const into = change.branch === 'master' ? '' : ` into ${change.branch}`;
    const message = `Merge "${subjectOf(current(change).message)}"${into}\n`;
    const person = { name: account.name, email: account.email };
    tip = repo.create(
      { tree, parents: [tip, revision], author: person, committer: GERRIT, message },
      site.now(),
    );
  }
  return { tip, rewritten: new Map() };
}

const GERRIT = { name: 'Gerrit Code Review', email: 'gerrit@localhost' };

/** The changes that no other of them builds on. */
async function topmost(repo: Repo, changes: readonly Change[]): Promise<Change[]> {
  const tops: Change[] = [];
  for (const change of changes) {
    let covered = false;
    for (const other of changes) {
      if (other === change || covered) continue;
      covered = await repo.isAncestor(current(change).revision, current(other).revision);
    }
    if (!covered) tops.push(change);
  }
  return tops;
}

async function rewriteBranch(
  site: Site,
  account: Account,
  repo: Repo,
  start: string,
  changes: readonly Change[],
  type: 'CHERRY_PICK' | 'REBASE_IF_NECESSARY' | 'REBASE_ALWAYS',
): Promise<Merged> {
  let tip = start;
  const rewritten = new Map<number, string>();
  for (const change of changes) {
    const patchset = current(change);
    if (await repo.isAncestor(patchset.revision, tip)) continue;
    if (type === 'REBASE_IF_NECESSARY' && patchset.parents[0] === tip) {
      tip = patchset.revision;
      continue;
    }
    const tree = await repo.replay(patchset.revision, tip);
    if (tree === undefined) throw failed(changes.length, [{ change: change.number, text: CONFLICT }]);
    // Nothing left to bring in: it is merged without a commit (or a crash came between branch and journal).
    if (tree === (await repo.commit(tip)).tree) continue;
    const message =
      type === 'REBASE_IF_NECESSARY' ? patchset.message : withFooters(site, change, patchset.message);
    const commit = {
      tree,
      parents: [tip],
      author: patchset.author,
      committer: { name: account.name, email: account.email },
      message,
    };
    tip = repo.create(commit, site.now());
    rewritten.set(change.number, tip);
  }
  return { tip, rewritten };
}

function withFooters(site: Site, change: Change, message: string): string {
  const reviewers = change.votes
    .filter((v) => v.patchset === current(change).number && v.value > 0)
    .map(({ label, by }) => {
      const name =
        label === 'Code-Review' ? 'Reviewed-by' : label === 'Verified' ? 'Tested-by' : `${label}-by`;
      const account = site.state.accounts.get(by);
      return `${name}: ${account?.name ?? by} <${account?.email ?? ''}>`;
    });
  const footers = [`Reviewed-on: ${changeUrl(site.options.webUrl, change)}`, ...new Set(reviewers)];
  return `${message.trimEnd()}\n${footers.join('\n')}\n`;
}
