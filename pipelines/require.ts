import type { Account, Approval, Change, SubmitRecord } from './change.ts';
import { isCurrent, isOpen } from './change.ts';
import type { ApprovalRule, Pipeline, Trust } from './layout.ts';
import { no, type Reason } from './match.ts';
import { search } from './pattern.ts';
import type { Quirk } from './quirks.ts';

/** Labels are compared as Zuul does: any case, spaces as dashes. */
export function labelKey(label: string): string {
  return label.toLowerCase().replaceAll(' ', '-');
}

/**
 * `require: approval` and `reject: approval` (zuul-v2.md 1.2): every required entry needs one vote that satisfies all its keys;
 * one vote that satisfies any rejecting entry is enough to refuse. `now` in ms.
 */
export function approvalsSatisfy(
  require: readonly ApprovalRule[],
  reject: readonly ApprovalRule[],
  change: Pick<Change, 'approvals'>,
  now: number,
  quirks: readonly string[],
): true | Reason {
  const { approvals } = change;
  const missing = require.find((rule) => !approvals.some((approval) => satisfies(rule, approval, now)));
  if (missing !== undefined) return no(`it lacks an approval with ${describeApproval(missing)}`);
  for (const rule of reject) {
    const found = approvals.find((approval) => satisfies(rule, approval, now));
    if (found !== undefined) return no(`${describeVote(found)} is rejected: ${describeApproval(rule)}`);
  }
  if (reject.length > 0 && approvals.length === 0 && has(quirks, 'reject-without-approvals')) {
    return no('it has no approvals at all, and the pipeline has a reject section');
  }
  return true;
}

function has(quirks: readonly string[], quirk: Quirk): boolean {
  return quirks.includes(quirk);
}

function satisfies(rule: ApprovalRule, approval: Approval, now: number): boolean {
  const { username, email, olderThan, newerThan, labels } = rule;
  if (username !== undefined && !search(username, approval.by.username ?? '')) return false;
  if (email !== undefined && !search(email, approval.by.email ?? '')) return false;
  if (newerThan !== undefined && approval.grantedOn < now - newerThan * 1000) return false;
  if (olderThan !== undefined && approval.grantedOn >= now - olderThan * 1000) return false;
  const label = labelKey(approval.label);
  return Object.entries(labels).every(([name, values]) => name === label && values.includes(approval.value));
}

/** The requirement in words: `Verified 1 or 2 by jenkins, older than 3600 s`. */
export function describeApproval(rule: ApprovalRule): string {
  const parts = [
    ...Object.entries(rule.labels).map(([label, values]) => `${label} ${values.map(signed).join(' or ')}`),
    rule.username === undefined ? undefined : `a username that matches ${rule.username}`,
    rule.email === undefined ? undefined : `an e-mail address that matches ${rule.email}`,
    rule.olderThan === undefined ? undefined : `an age over ${rule.olderThan} s`,
    rule.newerThan === undefined ? undefined : `an age of ${rule.newerThan} s or less`,
  ].filter((part) => part !== undefined);
  return parts.length === 0 ? 'anything' : parts.join(', ');
}

export function describeVote(approval: Approval): string {
  const by = approval.by.username ?? approval.by.email ?? approval.by.name ?? 'somebody';
  return `${approval.label} ${signed(approval.value)} by ${by}`;
}

export function signed(value: number): string {
  return value > 0 ? `+${value}` : `${value}`;
}

/** `require`, `reject` and `trust` of a pipeline, for a change. */
export function meets(
  pipeline: Pick<Pipeline, 'require' | 'reject' | 'trust'>,
  change: Change,
  now: number,
  quirks: readonly string[],
): true | Reason {
  const { open, currentPatchset, status, approvals } = pipeline.require;
  if (open === true && !isOpen(change))
    return no(`it is ${change.status}, and the pipeline requires open changes`);
  if (open === false && isOpen(change) && !has(quirks, 'require-false-is-nothing')) {
    return no('it is open, and the pipeline requires closed changes');
  }
  if (currentPatchset === true && !isCurrent(change)) {
    return no(`patchset ${change.patchset} is not the current one (${change.currentPatchset})`);
  }
  if (status.length > 0 && !status.includes(change.status)) {
    return no(`its status is ${change.status}, and the pipeline requires ${status.join(' or ')}`);
  }
  const approved = approvalsSatisfy(approvals, pipeline.reject.approvals, change, now, quirks);
  if (approved !== true || pipeline.trust === undefined) return approved;
  return trusts(pipeline.trust, change, now);
}

/**
 * May the code of this patchset run at all? If its owner and its uploader are both on the list, or somebody else who may
 * has approved this very patchset: what runs here runs with our network and our hardware.
 */
export function trusts(trust: Trust, change: Change, now: number): true | Reason {
  const people = [change.owner, change.uploader ?? change.owner];
  const stranger = people.find((person) => !isListed(trust, person));
  if (stranger === undefined) return true;
  const byOthers = change.approvals.filter(
    (approval) => !people.some((person) => isSame(person, approval.by)),
  );
  if (byOthers.some((approval) => trust.approvals.some((rule) => satisfies(rule, approval, now))))
    return true;
  const who = stranger.username ?? stranger.email ?? stranger.name ?? 'somebody without a name';
  const wanted = trust.approvals.map(describeApproval).join(', or ');
  return no(
    `${who} is not trusted here${wanted === '' ? '' : `, and nobody else has approved it with ${wanted}`}`,
  );
}

function isSame(a: Account, b: Account): boolean {
  return (
    (a.username !== undefined && a.username === b.username) || (a.email !== undefined && a.email === b.email)
  );
}

function isListed(trust: Trust, person: Account): boolean {
  const { username, email } = person;
  return (
    (username !== undefined && trust.usernames.some((pattern) => search(pattern, username))) ||
    (email !== undefined && trust.emails.some((pattern) => search(pattern, email)))
  );
}

/**
 * Would Gerrit submit it, but for the labels that the pipeline itself will set (zuul-v2.md 2.4)? `allowNeeds` are those labels,
 * in Gerrit's spelling.
 */
export function canMerge(
  change: { readonly submitRecords: readonly SubmitRecord[] },
  allowNeeds: ReadonlySet<string>,
): true | Reason {
  for (const record of change.submitRecords) {
    if (record.status === 'OK') return true;
    if (record.status !== 'NOT_READY') return no(`Gerrit says it cannot be submitted: ${record.status}`);
    for (const { label, status } of record.labels ?? []) {
      if (status === 'OK' || status === 'MAY') continue;
      if ((status === 'NEED' || status === 'REJECT') && allowNeeds.has(label)) continue;
      return no(`${label} ${LABEL_STATUS[status] ?? `is ${status}`}`);
    }
  }
  return true;
}

const LABEL_STATUS: Readonly<Record<string, string>> = {
  NEED: 'is missing',
  REJECT: 'is blocked by a vote',
  IMPOSSIBLE: 'can be given by nobody who may vote',
};
