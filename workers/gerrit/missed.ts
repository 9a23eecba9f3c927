import type { Account } from '../../pipelines/change.ts';
import type { GerritEvent } from '../../pipelines/event.ts';
import type { LedgerEvent } from '../../pipelines/ports.ts';
import { naturalKey, toAccount } from './event.ts';
import { compact, type WireChange, type WireMessage, type WirePatchSet } from './schema.ts';

/**
 * What a change's present state proves to have happened, and what of it the ledger does not know. Pure.
 *
 * Patchsets and merges have names and are compared by them. A comment has none: the event carries its own second and, for a
 * patchset-level comment, another text than the stored message. So comments are paired one to one by change, author and
 * time, those with equal texts first; an event proves one message only, however near the next one stands.
 */

/** `Patch Set 3: Code-Review+2 -Verified`, then the end of the line: what a review post leaves, and nothing else does. */
const REVIEW =
  /^Patch Set (\d+):((?: -[A-Za-z][A-Za-z0-9-]*| [A-Za-z][A-Za-z0-9-]*[+-]\d+)*)[ \t\r]*(?:\n|$)/;
const MOVED = /^(?:Patch Set \d+: )?(Abandoned|Restored)\b/;
const MERGED =
  /^(?:Change has been successfully |Change has been |Patch Set \d+: )?(?:cherry[- ]picked|merged|pushed|rebased|submitted)\b/i;
/** Seconds a submit may lie before the patchset that it made itself (rebase and cherry-pick strategies). */
const SUBMIT_MAKES = 2;

/** Everything this row proves to have happened at or after `from` (ms), oldest first. */
export function provenEvents(row: WireChange, connection: string, from: number, at: number): GerritEvent[] {
  const { number, project } = row;
  if (number === undefined || project === undefined) return [];
  // Gerrit's clock counts whole seconds: what stands as 12 may have happened at 12.999.
  const recent = (seconds: number | undefined): seconds is number =>
    seconds !== undefined && seconds * 1000 + 999 >= from;
  const base = compact({
    kind: 'GerritEvent' as const,
    at,
    connection,
    via: 'reconcile' as const,
    project,
    branch: row.branch?.replace(/^refs\/heads\//, ''),
    number,
  });
  const current = row.currentPatchSet;
  const patchsets = row.patchSets ?? (current === undefined ? [] : [current]);
  const mergedOn = row.status === 'MERGED' ? mergeTime(row) : undefined;
  const about = (patchset: WirePatchSet | undefined) =>
    compact({ patchset: patchset?.number, revision: patchset?.revision });
  const events: GerritEvent[] = [];
  for (const patchset of patchsets) {
    if (patchset.number === undefined || !recent(patchset.createdOn)) continue;
    if (
      mergedOn !== undefined &&
      patchset === last(patchsets) &&
      patchset.createdOn > mergedOn - SUBMIT_MAKES
    )
      if (patchset.number !== '1') continue;
    const account = toAccount(patchset.uploader);
    events.push({
      ...base,
      ...about(patchset),
      type: 'patchset-created',
      account,
      createdOn: patchset.createdOn,
    });
  }
  for (const message of row.comments ?? []) {
    if (!recent(message.timestamp)) continue;
    const told = { account: toAccount(message.reviewer), createdOn: message.timestamp };
    const moved = MOVED.exec(message.message ?? '')?.[1];
    if (moved !== undefined) {
      const type = moved === 'Abandoned' ? 'change-abandoned' : 'change-restored';
      events.push({ ...base, ...about(current), ...told, type });
      continue;
    }
    const review = readReview(message, row);
    if (review === undefined) continue;
    const patchset = patchsets.find((candidate) => candidate.number === review.patchset);
    events.push({ ...base, ...about(patchset), ...review, ...told, type: 'comment-added' });
  }
  if (recent(mergedOn)) {
    const account = toAccount(submitRecord(row)?.by);
    events.push({ ...base, ...about(current), type: 'change-merged', account, createdOn: mergedOn });
  }
  return events.sort((a, b) => (a.createdOn ?? 0) - (b.createdOn ?? 0));
}

/**
 * The votes as the event would have told them: labels in the header changed in this post, the author's other votes on
 * the current patchset stand as they are. What a changed vote was before is not stored; 0 stands for it.
 */
function readReview(
  message: WireMessage,
  row: WireChange,
): Required<Pick<GerritEvent, 'patchset' | 'comment' | 'approvals'>> | undefined {
  const text = message.message;
  const header = REVIEW.exec(text ?? '');
  const patchset = header?.[1];
  if (header === null || patchset === undefined || text === undefined) return undefined;
  const changed = (header[2] ?? '').split(' ').filter((word) => word !== '');
  const approvals: NonNullable<GerritEvent['approvals']> = changed.map((word) => {
    if (word.startsWith('-')) return { label: word.slice(1), value: 0 };
    const sign = Math.max(word.lastIndexOf('+'), word.lastIndexOf('-'));
    return { label: word.slice(0, sign), value: Number(word.slice(sign)), oldValue: 0 };
  });
  const author = toAccount(message.reviewer);
  const standing = row.currentPatchSet?.number === patchset ? (row.currentPatchSet.approvals ?? []) : [];
  for (const { type: label, value, by } of standing) {
    if (label === undefined || label === 'SUBM' || value === undefined || !samePerson(toAccount(by), author))
      continue;
    if (!approvals.some((vote) => vote.label === label)) approvals.push({ label, value });
  }
  return { patchset, comment: text, approvals };
}

function mergeTime(row: WireChange): number | undefined {
  const told = row.comments
    ?.filter(({ message }) => MERGED.test(message ?? ''))
    .map(({ timestamp }) => timestamp);
  return submitRecord(row)?.grantedOn ?? last(told ?? []) ?? row.lastUpdated;
}

/** Gerrit notes who submitted as a vote named SUBM. */
function submitRecord(row: WireChange): NonNullable<WirePatchSet['approvals']>[number] | undefined {
  return row.currentPatchSet?.approvals?.find(({ type }) => type === 'SUBM');
}

/** Those of `proven` that no event of the ledger accounts for. */
export function missingFrom(ledger: readonly LedgerEvent[], proven: readonly GerritEvent[]): GerritEvent[] {
  const keys = new Set(ledger.map(({ key }) => key));
  const named = proven.filter((event) => isNamed(event) && !keys.has(naturalKey(event)));
  const told = withoutTwins(proven.filter((event) => !isNamed(event)));
  const free = new Set(ledger.map(({ fact }) => fact).filter((fact) => !isNamed(fact)));
  let open = told;
  for (const near of [sameWords, sameMoment]) {
    open = open.filter((event) => {
      const twin = [...free].find((fact) => near(fact, event));
      if (twin !== undefined) free.delete(twin);
      return twin === undefined;
    });
  }
  return [...named, ...open].sort((a, b) => (a.createdOn ?? 0) - (b.createdOn ?? 0));
}

/** Equal words of one person in one second are one event, as they are one fact when the stream brings them. */
function withoutTwins(events: readonly GerritEvent[]): GerritEvent[] {
  return [...new Map(events.map((event) => [naturalKey({ ...event, approvals: [] }), event])).values()];
}

/** True when a key alone tells such events apart. */
function isNamed(event: GerritEvent): boolean {
  return event.type === 'patchset-created' || event.type === 'change-merged';
}

/**
 * Seconds by which an event may be younger than what it tells. Usually none; a busy Gerrit takes its time. Pairing is one to
 * one, so it may be generous; a single event is judged strictly, because people repeat themselves ("recheck").
 */
const AT_ONCE = 5;
const SOON = 30;
const AT_LAST = 300;

/** The same happening, told by the stream (`heard`) and by a query (`read`). */
export function sameHappening(heard: GerritEvent, read: GerritEvent): boolean {
  return isNear(heard, read, AT_ONCE) && (equalWords(heard, read) || isCounted(read));
}

function sameWords(heard: GerritEvent, read: GerritEvent): boolean {
  return isNear(heard, read, AT_LAST) && equalWords(heard, read);
}

function sameMoment(heard: GerritEvent, read: GerritEvent): boolean {
  return isNear(heard, read, SOON) && isCounted(read);
}

function equalWords(heard: GerritEvent, read: GerritEvent): boolean {
  return (heard.comment ?? '').trim() === (read.comment ?? '').trim();
}

/**
 * A patchset-level comment: the event tells its words, the stored message only counts it, as `(1 comment)`. Nothing else makes
 * the two differ, and one author's other words of the same minute must not pass for it.
 */
function isCounted(read: GerritEvent): boolean {
  return /\n\(\d+ comments?\)/.test(read.comment ?? '');
}

function isNear(heard: GerritEvent, read: GerritEvent, most: number): boolean {
  if (heard.type !== read.type || heard.number !== read.number) return false;
  if (heard.patchset !== undefined && read.patchset !== undefined && heard.patchset !== read.patchset)
    return false;
  if (!samePerson(heard.account, read.account)) return false;
  const apart = (heard.createdOn ?? Math.round(heard.at / 1000)) - (read.createdOn ?? 0);
  // Gerrits before 2.11 do not say when; then our own clock must do.
  return heard.createdOn === undefined ? Math.abs(apart) <= AT_LAST : apart >= -2 && apart <= most;
}

function samePerson(a: Account | undefined, b: Account | undefined): boolean {
  if (a?.username !== undefined && b?.username !== undefined) return a.username === b.username;
  if (a?.email !== undefined && b?.email !== undefined) return a.email === b.email;
  if (a?.name !== undefined && b?.name !== undefined) return a.name === b.name;
  return true;
}

function last<T>(items: readonly T[]): T | undefined {
  return items[items.length - 1];
}
