import { randomBytes } from 'node:crypto';
import type { Account } from './model.ts';
import { current } from './model.ts';
import { uploadForReview } from './ops/upload.ts';
import { Refusal, type Site } from './site.ts';
import type { PushSpec } from './specs.ts';

/** The fast path of `git push HEAD:refs/for/<branch>`: the commit is made in the server's repository, all else is the same. */

export interface Pushed {
  readonly number: number;
  readonly patchset: number;
  readonly revision: string;
  readonly changeId: string;
  readonly ref: string;
}

export function newChangeId(): string {
  return `I${randomBytes(20).toString('hex')}`;
}

/** Adds the Change-Id as the commit-msg hook does: into the last paragraph when that is a footer, else as one of its own. */
export function withChangeId(message: string, id: string): string {
  const text = message.trimEnd();
  if (/^Change-Id: I[0-9a-f]{40}$/m.test(text)) return `${text}\n`;
  const last = text.split(/\n\s*\n/);
  const isFooter = last.length > 1 && (last.at(-1) ?? '').split('\n').every((l) => /^[\w-]+: \S/.test(l));
  return `${text}${isFooter ? '\n' : '\n\n'}Change-Id: ${id}\n`;
}

export async function pushChange(site: Site, project: string, spec: PushSpec): Promise<Pushed> {
  return site.exclusive(async () => {
    const account = site.account(spec.user ?? 'admin');
    const amended = spec.change === undefined ? undefined : site.change(spec.change);
    const branch = spec.branch ?? amended?.branch ?? site.state.projects.get(project)?.head ?? 'master';
    const repo = site.repo(project);
    const onto = await parentOf(site, project, branch, spec);
    const before = amended === undefined ? undefined : current(amended);
    const moved = spec.rebase === true || spec.parentChange !== undefined || spec.parent !== undefined;
    const parent = before === undefined || moved ? onto : before.parents[0];
    if (parent === undefined) throw new Refusal(409, `branch ${branch} not found`);

    const id = amended?.id ?? spec.changeId ?? newChangeId();
    const number = (before?.number ?? 0) + 1;
    const usual =
      before === undefined ? { [`${id}.txt`]: `${id}\n` } : { [`${id}.txt`]: `${id} ${number}\n` };
    const files = spec.files ?? (moved && before !== undefined ? {} : usual);
    let base = before === undefined ? (await repo.commit(parent)).tree : before.tree;
    if (before !== undefined && moved) {
      const replayed = await repo.replay(before.revision, parent);
      if (replayed === undefined) throw new Refusal(409, 'The change could not be rebased due to a conflict');
      base = replayed;
    }
    const tree = await repo.edit(base, files);
    const person = { name: account.name, email: account.email };
    const message = withChangeId(spec.commitMessage ?? before?.message ?? `Change of ${id.slice(0, 9)}`, id);
    const sha = repo.create(
      { tree, parents: [parent], author: before?.author ?? person, committer: person, message },
      site.now(),
    );
    const [uploaded] = await uploadForReview(site, account, project, branch, sha, spec, [sha]);
    if (uploaded === undefined) throw new Refusal(409, 'no new changes');
    const { change, patchset } = uploaded;
    return {
      number: change.number,
      patchset: patchset.number,
      revision: sha,
      changeId: change.id,
      ref: patchset.ref,
    };
  });
}

/** The Rebase button: the current patch set on the tip of its branch, or of the open change it sits on. */
export async function rebaseChange(site: Site, account: Account, number: number): Promise<void> {
  const change = site.change(number);
  if (change.status !== 'NEW') throw new Refusal(409, `change is ${change.status.toLowerCase()}`);
  const [parent] = current(change).parents;
  const below = (site.state.revisions.get(`${change.project} ${parent}`) ?? [])
    .map((place) => site.state.changes.get(place.number))
    .find((other) => other?.status === 'NEW' && other.branch === change.branch);
  const tip = await site.repo(change.project).resolve(`refs/heads/${change.branch}`);
  const onto = below === undefined ? tip : current(below).revision;
  if (onto === parent) throw new Refusal(409, 'Change is already up to date.');
  await pushChange(site, change.project, {
    user: account.username,
    change: number,
    rebase: true,
    ...(onto === undefined ? {} : { parent: onto }),
  });
}

async function parentOf(
  site: Site,
  project: string,
  branch: string,
  spec: PushSpec,
): Promise<string | undefined> {
  if (spec.parent !== undefined) return spec.parent;
  if (spec.parentChange !== undefined) return current(site.change(spec.parentChange)).revision;
  return site.repo(project).resolve(`refs/heads/${branch}`);
}
