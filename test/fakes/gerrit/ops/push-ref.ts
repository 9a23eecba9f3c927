import { isAllowed } from '../access.ts';
import { userJson } from '../attributes.ts';
import { changeEvent, refUpdated } from '../events.ts';
import { ZERO } from '../git.ts';
import type { Account } from '../model.ts';
import { Refusal, type Site } from '../site.ts';

/** Updates a branch or tag directly. Runs inside `site.exclusive`. */
export async function pushRef(
  site: Site,
  account: Account,
  project: string,
  ref: string,
  oldRev: string,
  newRev: string,
): Promise<void> {
  const repo = site.repo(project);
  const actual = (await repo.resolve(ref)) ?? ZERO;
  if (oldRev !== actual) throw new Refusal(409, 'failed to update ref: lock failure');
  const verb = actual === ZERO ? 'create' : newRev === ZERO ? 'delete' : 'update';
  const refuse = (what: string) => new Refusal(403, `prohibited by Gerrit: not permitted: ${what}`);
  const right = verb === 'create' ? 'create' : 'push';
  if (!isAllowed(site.state, account, right, { project, ref })) throw refuse(verb);
  if (verb === 'update' && !(await repo.isAncestor(actual, newRev))) {
    if (!isAllowed(site.state, account, 'forcePush', { project, ref })) throw refuse('force update');
  }
  await repo.update([{ ref, new: newRev === ZERO ? null : newRev }]);
  site.hub.emit(refUpdated(site.state, project, account.username, { ref, oldRev: actual, newRev }));
  if (verb === 'update' && ref.startsWith('refs/heads/'))
    await closeMerged(site, account, project, ref, actual, newRev);
}

/** Open changes whose commits came into the branch by a direct push are merged by that. */
async function closeMerged(
  site: Site,
  account: Account,
  project: string,
  ref: string,
  oldRev: string,
  newRev: string,
): Promise<void> {
  const listed = await site.repo(project).git(['rev-list', '--reverse', newRev, '--not', oldRev]);
  for (const sha of listed.stdout.toString().split('\n')) {
    for (const { number, patchset } of site.state.revisions.get(`${project} ${sha}`) ?? []) {
      const change = site.state.changes.get(number);
      if (change?.status !== 'NEW' || `refs/heads/${change.branch}` !== ref) continue;
      const message = `Change has been successfully pushed into ${change.branch}.`;
      const stamp = { number, at: site.now(), by: account.username };
      site.record({ kind: 'status', status: 'MERGED', newRev, message, ...stamp });
      site.emitMeta(change, account.username);
      const own = { submitter: userJson(site.state, account.username), newRev };
      const merged = change.patchsets.find((p) => p.number === patchset);
      site.hub.emit(changeEvent(site.state, site.options.webUrl, 'change-merged', change, own, merged));
    }
  }
}
