import { canReadChange, isAllowed } from '../access.ts';
import { userJson } from '../attributes.ts';
import { changeEvent } from '../events.ts';
import type { Account, Change } from '../model.ts';
import { current } from '../model.ts';
import { Refusal, type Site } from '../site.ts';

/** Mutations of a change other than reviews, uploads and submits. Each leaves its message and sends its event. */

function visibleChange(site: Site, account: Account, number: number): Change {
  const change = site.change(number);
  if (!canReadChange(site.state, account, change)) throw new Refusal(404, `no such change ${number}`);
  return change;
}

function stamp(site: Site, account: Account, number: number) {
  return { number, at: site.now(), by: account.username };
}

function said(reason: string | undefined): string {
  return reason === undefined || reason.trim() === '' ? '' : `\n\n${reason.trim()}`;
}

export function abandonChange(site: Site, account: Account, number: number, reason?: string): void {
  const change = visibleChange(site, account, number);
  const where = { project: change.project, ref: `refs/heads/${change.branch}`, change };
  if (!isAllowed(site.state, account, 'abandon', where)) throw new Refusal(403, 'abandon not permitted');
  if (change.status !== 'NEW') throw new Refusal(409, `change is ${change.status.toLowerCase()}`);
  const message = `Abandoned${said(reason)}`;
  site.record({ kind: 'status', status: 'ABANDONED', message, ...stamp(site, account, number) });
  close(site, change, account, 'change-abandoned', 'abandoner', reason);
}

export function restoreChange(site: Site, account: Account, number: number, reason?: string): void {
  const change = visibleChange(site, account, number);
  const where = { project: change.project, ref: `refs/heads/${change.branch}`, change };
  if (!isAllowed(site.state, account, 'abandon', where)) throw new Refusal(403, 'restore not permitted');
  if (change.status !== 'ABANDONED') {
    throw new Refusal(409, `change is ${change.status.toLowerCase()}`);
  }
  const message = `Restored${said(reason)}`;
  site.record({ kind: 'status', status: 'NEW', message, ...stamp(site, account, number) });
  close(site, change, account, 'change-restored', 'restorer', reason);
}

function close(
  site: Site,
  change: Change,
  account: Account,
  type: 'change-abandoned' | 'change-restored',
  role: string,
  reason: string | undefined,
): void {
  site.emitMeta(change, account.username);
  const text = reason?.trim();
  const own = {
    [role]: userJson(site.state, account.username),
    reason: text === '' ? undefined : text,
  };
  site.hub.emit(changeEvent(site.state, site.options.webUrl, type, change, own, current(change)));
}

/** An empty topic clears it. */
export function setTopic(site: Site, account: Account, number: number, topic: string): void {
  const change = visibleChange(site, account, number);
  const oldTopic = change.topic;
  const wanted = topic.trim() === '' ? undefined : topic.trim();
  if (oldTopic === wanted) return;
  const message =
    wanted === undefined
      ? `Topic ${oldTopic ?? ''} removed`
      : oldTopic === undefined
        ? `Topic set to ${wanted}`
        : `Topic changed from ${oldTopic} to ${wanted}`;
  site.record({ kind: 'edited', topic: wanted ?? null, message, ...stamp(site, account, number) });
  site.emitMeta(change, account.username);
  const own = { changer: userJson(site.state, account.username), oldTopic: oldTopic ?? '' };
  site.hub.emit(changeEvent(site.state, site.options.webUrl, 'topic-changed', change, own));
}

export function setHashtags(site: Site, account: Account, number: number, hashtags: readonly string[]): void {
  const change = visibleChange(site, account, number);
  const before = change.hashtags;
  const wanted = [...new Set(hashtags.map((tag) => tag.trim()).filter((tag) => tag !== ''))].sort();
  const added = wanted.filter((tag) => !before.includes(tag));
  const removed = before.filter((tag) => !wanted.includes(tag));
  if (added.length === 0 && removed.length === 0) return;
  site.record({ kind: 'edited', hashtags: wanted, ...stamp(site, account, number) });
  site.emitMeta(change, account.username);
  const some = (tags: readonly string[]) => (tags.length === 0 ? undefined : tags);
  const own = {
    editor: userJson(site.state, account.username),
    added: some(added),
    removed: some(removed),
    hashtags: some(wanted),
  };
  site.hub.emit(changeEvent(site.state, site.options.webUrl, 'hashtags-changed', change, own));
}

export function setFlag(
  site: Site,
  account: Account,
  number: number,
  flag: 'wip' | 'private',
  on: boolean,
): void {
  const change = visibleChange(site, account, number);
  if (change[flag] === on) return;
  const messages = {
    wip: on ? 'Set Work In Progress' : 'Set Ready For Review',
    private: on ? 'Set private' : 'Unset private',
  };
  const entry = { kind: 'edited', message: messages[flag], ...stamp(site, account, number) } as const;
  site.record(flag === 'wip' ? { ...entry, wip: on } : { ...entry, private: on });
  site.emitMeta(change, account.username);
  const type = flag === 'wip' ? 'wip-state-changed' : 'private-state-changed';
  const own = { changer: userJson(site.state, account.username) };
  site.hub.emit(changeEvent(site.state, site.options.webUrl, type, change, own, current(change)));
}

export function addReviewer(site: Site, account: Account, number: number, reviewer: string): void {
  const change = visibleChange(site, account, number);
  const added = [...site.state.accounts.values()].find(
    (a) => a.username === reviewer || a.email === reviewer,
  );
  if (added === undefined) throw new Refusal(400, `could not add ${reviewer}: not found`);
  if (change.reviewers.includes(added.username) || change.owner === added.username) return;
  site.record({ kind: 'edited', reviewer: added.username, ...stamp(site, account, number) });
  site.emitMeta(change, account.username);
  const own = {
    reviewer: userJson(site.state, added.username),
    adder: userJson(site.state, account.username),
  };
  site.hub.emit(changeEvent(site.state, site.options.webUrl, 'reviewer-added', change, own, current(change)));
}

export function deleteChange(site: Site, account: Account, number: number): void {
  const change = visibleChange(site, account, number);
  if (change.status === 'MERGED') throw new Refusal(409, 'delete not permitted');
  const own = { deleter: userJson(site.state, account.username) };
  const event = changeEvent(site.state, site.options.webUrl, 'change-deleted', change, own);
  site.record({ kind: 'deleted', number });
  site.hub.emit(event);
}
