import { isAllowed } from '../access.ts';
import { changeUrl, subjectOf, userJson } from '../attributes.ts';
import { changeEvent, refUpdated } from '../events.ts';
import { type Repo, ZERO } from '../git.ts';
import type { Account, Change, ChangeKind, PatchSet } from '../model.ts';
import { current } from '../model.ts';
import type { Commit } from '../objects.ts';
import { patchSetRef, Refusal, type Site } from '../site.ts';
import type { UploadOptions } from '../specs.ts';
import { addReviewer, setFlag, setHashtags, setTopic } from './edit.ts';
import { inheritedVotes, postReview } from './review.ts';

export interface Uploaded {
  readonly change: Change;
  readonly patchset: PatchSet;
  readonly isNew: boolean;
}

const CHANGE_ID = /^Change-Id: (I[0-9a-f]{40})$/;

/** The Change-Id of the footer; refusals as Gerrit words them. */
export function changeIdOf(commit: Commit, sha: string): string {
  const refuse = (text: string) => new Refusal(409, `commit ${sha.slice(0, 7)}: ${text}`);
  const paragraphs = commit.message.trimEnd().split(/\n\s*\n/);
  const footer = paragraphs.length > 1 ? (paragraphs.at(-1) ?? '') : '';
  const lines = footer.split('\n').filter((line) => /^Change-Id:/i.test(line));
  if (lines.length > 1) throw refuse('multiple Change-Id lines in message footer');
  const [line] = lines;
  if (line === undefined) {
    throw refuse(
      /^Change-Id:/im.test(commit.message)
        ? 'Change-Id must be in message footer'
        : 'missing Change-Id in message footer',
    );
  }
  const id = CHANGE_ID.exec(line.trimEnd())?.[1];
  if (id === undefined) throw refuse('invalid Change-Id line format in message footer');
  return id;
}

async function kindOf(repo: Repo, before: PatchSet, sha: string, commit: Commit): Promise<ChangeKind> {
  const sameMessage = before.message === commit.message;
  const sameParents = before.parents.join() === commit.parents.join();
  if (sameParents && before.tree === commit.tree) return sameMessage ? 'NO_CHANGE' : 'NO_CODE_CHANGE';
  const [parent] = commit.parents;
  if (sameParents || !sameMessage || parent === undefined) return 'REWORK';
  if (before.parents.length !== 1 || commit.parents.length !== 1) return 'REWORK';
  const replayed = await repo.replay(before.revision, parent);
  return replayed === (await repo.commit(sha)).tree ? 'TRIVIAL_REBASE' : 'REWORK';
}

function uploadText(number: number, kind: ChangeKind, message: string | undefined): string {
  const told: Record<ChangeKind, string> = {
    REWORK: '.',
    TRIVIAL_REBASE: `: Patch Set ${number - 1} was rebased.`,
    NO_CODE_CHANGE: ': Commit message was updated.',
    NO_CHANGE: `: New patch set was added with same tree, parent tree, and commit message as Patch Set ${number - 1}.`,
  };
  const said = message === undefined || message === '' ? '' : `\n\n${message}`;
  return `Uploaded patch set ${number}${number === 1 ? '.' : told[kind]}${said}`;
}

/** Makes the patch set and its ref; the caller records it. */
export async function makePatchSet(
  site: Site,
  account: Account,
  project: string,
  number: number,
  sha: string,
  before: PatchSet | undefined,
): Promise<PatchSet> {
  const repo = site.repo(project);
  const commit = await repo.commit(sha);
  const patchset = (before?.number ?? 0) + 1;
  const ref = patchSetRef(number, patchset);
  const made: PatchSet = {
    number: patchset,
    revision: sha,
    tree: commit.tree,
    parents: commit.parents,
    ref,
    uploader: account.username,
    author: commit.author,
    createdOn: site.now(),
    kind: before === undefined ? 'REWORK' : await kindOf(repo, before, sha, commit),
    message: commit.message,
    files: await repo.stat(sha, commit.parents[0]),
  };
  await repo.update([{ ref, new: sha }]);
  return made;
}

/** Commits that the push brings, oldest first. */
async function newCommits(repo: Repo, tip: string): Promise<string[]> {
  const listed = await repo.git(['rev-list', '--reverse', '--topo-order', tip, '--not', '--branches']);
  if (listed.code !== 0) throw new Refusal(400, listed.stderr.trim());
  return listed.stdout
    .toString()
    .split('\n')
    .filter((sha) => sha !== '');
}

function checkPerson(site: Site, account: Account, branch: string, project: string, sha: string, c: Commit) {
  const where = { project, ref: `refs/heads/${branch}` };
  if (c.committer.email === account.email) return;
  if (isAllowed(site.state, account, 'forgeCommitter', where)) return;
  throw new Refusal(
    403,
    `commit ${sha.slice(0, 7)}: email address ${c.committer.email} is not registered in your account, and you lack 'forge committer' permission.`,
  );
}

interface Planned {
  readonly sha: string;
  readonly id: string;
  readonly change: Change | undefined;
}

async function plan(site: Site, account: Account, project: string, branch: string, commits: string[]) {
  const repo = site.repo(project);
  const planned: Planned[] = [];
  for (const sha of commits) {
    const known = (site.state.revisions.get(`${project} ${sha}`) ?? []).some(
      ({ number }) => site.state.changes.get(number)?.branch === branch,
    );
    if (known) continue;
    const commit = await repo.commit(sha);
    checkPerson(site, account, branch, project, sha, commit);
    const id = changeIdOf(commit, sha);
    if (planned.some((other) => other.id === id)) {
      throw new Refusal(
        409,
        'same Change-Id in multiple changes.\nSquash the commits with the same Change-Id or ensure Change-Ids are unique for each commit',
      );
    }
    const change = [...site.state.changes.values()].find(
      (c) => c.id === id && c.project === project && c.branch === branch,
    );
    if (change !== undefined && change.status !== 'NEW') {
      throw new Refusal(409, `change ${changeUrl(site.options.webUrl, change)} closed`);
    }
    planned.push({ sha, id, change });
  }
  if (planned.length === 0) throw new Refusal(409, 'no new changes');
  return planned;
}

/**
 * Takes commits for review: `tip` and its ancestors that no branch has, or exactly `commits` when the caller knows them. All
 * are checked before the first becomes a change. Runs inside `site.exclusive`.
 */
export async function uploadForReview(
  site: Site,
  account: Account,
  project: string,
  branch: string,
  tip: string,
  options: UploadOptions,
  commits?: readonly string[],
): Promise<Uploaded[]> {
  const repo = site.repo(project);
  const where = { project, ref: `refs/for/refs/heads/${branch}` };
  if (!isAllowed(site.state, account, 'push', where)) {
    throw new Refusal(403, `prohibited by Gerrit: not permitted: create change on refs/heads/${branch}`);
  }
  if ((await repo.resolve(`refs/heads/${branch}`)) === undefined) {
    throw new Refusal(409, `branch ${branch} not found`);
  }
  const planned = await plan(
    site,
    account,
    project,
    branch,
    commits === undefined ? await newCommits(repo, tip) : [...commits],
  );
  const uploaded: Uploaded[] = [];
  for (const each of planned) uploaded.push(await upload(site, account, project, branch, each, options));
  return uploaded;
}

async function upload(
  site: Site,
  account: Account,
  project: string,
  branch: string,
  planned: Planned,
  options: UploadOptions,
): Promise<Uploaded> {
  const before = planned.change;
  const number = before?.number ?? site.state.last + 1;
  const patchset = await makePatchSet(
    site,
    account,
    project,
    number,
    planned.sha,
    before === undefined ? undefined : current(before),
  );
  const at = patchset.createdOn;
  if (before === undefined) {
    site.record({
      kind: 'created',
      number,
      at,
      project,
      branch,
      id: planned.id,
      owner: account.username,
      patchset,
      ...(options.topic === undefined ? {} : { topic: options.topic }),
      ...(options.hashtags === undefined ? {} : { hashtags: options.hashtags }),
      ...(options.wip === undefined ? {} : { wip: options.wip }),
      ...(options.private === undefined ? {} : { private: options.private }),
    });
  } else {
    const labels = site.state.projects.get(project)?.labels ?? [];
    const copied = inheritedVotes(labels, before, patchset.kind);
    const message = uploadText(patchset.number, patchset.kind, options.message);
    site.record({ kind: 'patchset', number, at, by: account.username, patchset, copied, message });
  }
  const change = site.change(number);
  const later = site.hub.collect(() => {
    follow(site, account, change, patchset, options, before === undefined);
  });
  announce(site, account, change, patchset);
  for (const event of later) site.hub.emit(event);
  return { change, patchset, isNew: before === undefined };
}

function announce(site: Site, account: Account, change: Change, patchset: PatchSet): void {
  const { state, hub } = site;
  const { ref, revision } = patchset;
  hub.emit(refUpdated(state, change.project, account.username, { ref, oldRev: ZERO, newRev: revision }));
  site.emitMeta(change, account.username);
  const own = { uploader: userJson(state, account.username) };
  hub.emit(changeEvent(state, site.options.webUrl, 'patchset-created', change, own, patchset));
}

/** What the push options ask for beyond the patch set, each with its own event. */
function follow(
  site: Site,
  account: Account,
  change: Change,
  patchset: PatchSet,
  options: UploadOptions,
  isNew: boolean,
): void {
  if (!isNew) {
    if (options.topic !== undefined) setTopic(site, account, change.number, options.topic);
    if (options.hashtags !== undefined) {
      setHashtags(site, account, change.number, [...change.hashtags, ...options.hashtags]);
    }
    if (options.wip !== undefined) setFlag(site, account, change.number, 'wip', options.wip);
    if (options.private !== undefined) setFlag(site, account, change.number, 'private', options.private);
  }
  for (const reviewer of options.reviewers ?? []) addReviewer(site, account, change.number, reviewer);
  if (options.labels !== undefined && Object.keys(options.labels).length > 0) {
    postReview(site, account, change.number, patchset.number, { labels: options.labels });
  }
}

/** `remote: ` lines after a push for review. */
export function uploadReport(webUrl: string, uploaded: readonly Uploaded[]): string[] {
  return uploaded.map(({ change, patchset, isNew }) => {
    const flags = [change.private ? ' [PRIVATE]' : '', change.wip ? ' [WIP]' : '', isNew ? ' [NEW]' : ''];
    return `  ${changeUrl(webUrl, change)} ${subjectOf(patchset.message)}${flags.join('')}`;
  });
}
