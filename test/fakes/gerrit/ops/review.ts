import { z } from 'zod';
import { canReadChange, voteRange } from '../access.ts';
import { commentAdded, reviewText } from '../events.ts';
import type { Account, Change, ChangeKind, InlineComment, Label, Review, Vote } from '../model.ts';
import { current } from '../model.ts';
import { Refusal, type Site } from '../site.ts';

/** `change.commentSizeLimit`: characters of one message or comment. */
const COMMENT_LIMIT = 16_384;
const PATCHSET_LEVEL = '/PATCHSET_LEVEL';

/** What a reviewer posts: the fields of Gerrit's ReviewInput that a CI uses; others are read over. */
export const ReviewInput = z.object({
  message: z.string().nullish(),
  tag: z.string().nullish(),
  /** Gson takes numbers in quotes too. */
  labels: z.record(z.string(), z.coerce.number().int()).nullish(),
  comments: z
    .record(
      z.string(),
      z.array(z.object({ line: z.number().int().optional(), message: z.string().default('') })),
    )
    .nullish(),
  ready: z.boolean().nullish(),
  work_in_progress: z.boolean().nullish(),
});
export type ReviewInput = z.infer<typeof ReviewInput>;

/** The labels that count: unknown labels and values fall away (or are refused, with strict labels), wide votes are refused. */
function acceptedLabels(
  site: Site,
  account: Account,
  change: Change,
  labels: Readonly<Record<string, number>>,
): Record<string, number> {
  const accepted: Record<string, number> = {};
  const known = site.state.projects.get(change.project)?.labels ?? [];
  for (const [name, value] of Object.entries(labels)) {
    const label = known.find((l) => l.name.toLowerCase() === name.toLowerCase());
    if (label === undefined) {
      if (site.options.strictLabels) throw new Refusal(400, `label "${name}" is not a configured label`);
      continue;
    }
    if (value < label.min || value > label.max) {
      if (site.options.strictLabels) throw new Refusal(400, `label "${name}": ${value} is not a valid value`);
      continue;
    }
    const [least, most] = voteRange(site.state, account, label.name, change);
    if (value < least || value > most) {
      throw new Refusal(403, `Applying label "${label.name}": ${value} is restricted`);
    }
    accepted[label.name] = value;
  }
  return accepted;
}

function checkSize(text: string): void {
  if (text.length > COMMENT_LIMIT) {
    const why = `Comment size exceeds limit (${text.length} > ${COMMENT_LIMIT})`;
    throw new Refusal(400, `One or more comments were rejected in validation: ${why}`);
  }
}

function changedVotes(change: Change, patchset: number, by: string, labels: Record<string, number>) {
  return Object.entries(labels).flatMap(([label, value]) => {
    const old = change.votes.find((v) => v.label === label && v.by === by && v.patchset === patchset);
    const oldValue = old?.value ?? 0;
    // A vote that was copied from an older patch set is made anew even with the same value.
    const same = value === oldValue && old?.copied !== true;
    return same ? [] : [{ label, value, oldValue }];
  });
}

/**
 * Posts one review: a message with votes and comments, one comment-added event. Refuses as Gerrit does; a post that says
 * nothing (no text, no vote changed) is accepted and leaves no trace.
 */
export function postReview(
  site: Site,
  account: Account,
  number: number,
  patchsetNumber: number,
  input: ReviewInput,
): void {
  const change = site.state.changes.get(number);
  const patchset = change?.patchsets.find((p) => p.number === patchsetNumber);
  if (change === undefined || patchset === undefined || !canReadChange(site.state, account, change)) {
    throw new Refusal(404, `no such change ${number}`);
  }
  const labels = acceptedLabels(site, account, change, input.labels ?? {});
  const message = (input.message ?? '').trim();
  checkSize(message);
  const comments: InlineComment[] = Object.entries(input.comments ?? {}).flatMap(([file, inFile]) =>
    inFile.map(({ line, message: text }) => ({
      patchset: patchsetNumber,
      file,
      by: account.username,
      message: text.trim(),
      ...(line === undefined ? {} : { line }),
    })),
  );
  for (const comment of comments) checkSize(comment.message);

  const changed = changedVotes(change, patchsetNumber, account.username, labels);
  checkClosed(change, changed);
  if (input.ready === true) setWip(site, change, account, false);
  if (input.work_in_progress === true) setWip(site, change, account, true);
  if (changed.length === 0 && message === '' && comments.length === 0) return;

  const review: Review = {
    number,
    patchset: patchsetNumber,
    at: site.now(),
    by: account.username,
    message,
    text: reviewText(patchsetNumber, changed, comments.length, message),
    labels,
    changed,
    comments,
    copied: changed.flatMap(({ label, value }) => {
      const vote = { patchset: patchsetNumber, label, value, by: account.username, at: site.now() };
      return forwardedVotes(site.state.projects.get(change.project)?.labels ?? [], change, vote);
    }),
    ...(input.tag === null || input.tag === undefined || input.tag === '' ? {} : { tag: input.tag }),
  };
  site.record({ kind: 'review', review });
  site.emitMeta(change, account.username);
  site.hub.emit(
    commentAdded(site.state, site.options.webUrl, change, review, eventComment(site, review, message)),
  );
}

/** With a patch-set-level comment the event carries that text and loses the vote prefix. */
function eventComment(site: Site, review: Review, message: string): string {
  const texts = review.comments.filter((c) => c.file === PATCHSET_LEVEL).map((c) => c.message);
  if (texts.length === 0 || !site.options.publishPatchSetLevelComment) return review.text;
  const body = [...(message === '' ? [] : [message]), ...texts].join('\n');
  return `Patch Set ${review.patchset}:\n\n${body}`;
}

function checkClosed(change: Change, changed: readonly { label: string; value: number; oldValue: number }[]) {
  if (change.status === 'NEW' || changed.length === 0) return;
  if (change.status === 'ABANDONED') throw new Refusal(409, 'change is closed');
  const reduced = changed.filter((c) => c.value < c.oldValue).map((c) => c.label);
  if (reduced.length > 0) {
    const names = [...new Set(reduced)].sort().join(', ');
    throw new Refusal(409, `Cannot reduce vote on labels for closed change: ${names}`);
  }
}

function setWip(site: Site, change: Change, account: Account, wip: boolean): void {
  if (change.wip === wip) return;
  site.record({ kind: 'edited', number: change.number, at: site.now(), by: account.username, wip });
}

function isCopied(label: Label | undefined, value: number, kind: ChangeKind): boolean {
  return (
    label?.copy.some(
      (rule) =>
        rule === kind ||
        rule === 'ANY' ||
        (rule === 'MIN' && value === label.min) ||
        (rule === 'MAX' && value === label.max),
    ) ?? false
  );
}

/** Which votes of the newest patch set one more would inherit, by the copy condition of each label. */
export function inheritedVotes(labels: readonly Label[], change: Change, kind: ChangeKind): Vote[] {
  const last = current(change).number;
  return change.votes
    .filter((vote) => vote.patchset === last)
    .filter((vote) =>
      isCopied(
        labels.find((l) => l.name === vote.label),
        vote.value,
        kind,
      ),
    )
    .map((vote) => ({ ...vote, patchset: last + 1, copied: true }));
}

/** A vote on an outdated patch set goes on to newer ones as if it had been there before them, until one voted anew or the copy
 * condition stops it. */
function forwardedVotes(labels: readonly Label[], change: Change, vote: Vote): Vote[] {
  const forwarded: Vote[] = [];
  for (const { number, kind } of change.patchsets.filter((p) => p.number > vote.patchset)) {
    const own = change.votes.find((v) => v.patchset === number && v.label === vote.label && v.by === vote.by);
    if (own !== undefined && own.copied !== true) break;
    const label = labels.find((l) => l.name === vote.label);
    if (!isCopied(label, vote.value, kind)) {
      // What was copied here before came from the vote that is replaced now.
      if (own === undefined) break;
      forwarded.push({ ...own, value: 0 });
    } else {
      forwarded.push({ ...vote, patchset: number, copied: true });
    }
  }
  return forwarded;
}
