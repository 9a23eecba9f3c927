import { canReadChange, isAllowed } from './access.ts';
import type { Json } from './attributes.ts';
import { changeJson, patchSetJson, userJson } from './attributes.ts';
import type { Account, Change, PatchSet, Review, State } from './model.ts';
import { current } from './model.ts';

/** An event on its way to the streams: its fields without the envelope's end, and who may see it. */
export interface GerritEvent {
  readonly type: string;
  readonly fields: Json;
  readonly visibleTo: (account: Account) => boolean;
}

export type ChangeEventType =
  | 'patchset-created'
  | 'comment-added'
  | 'change-merged'
  | 'change-abandoned'
  | 'change-restored'
  | 'change-deleted'
  | 'reviewer-added'
  | 'topic-changed'
  | 'hashtags-changed'
  | 'wip-state-changed'
  | 'private-state-changed';

/** An event about a change: `own` fields first, then patchSet, change, project, refName, changeKey, as Gerrit orders them. */
export function changeEvent(
  state: State,
  webUrl: string,
  type: ChangeEventType,
  change: Change,
  own: Json,
  patchset?: PatchSet,
): GerritEvent {
  return {
    type,
    fields: {
      ...own,
      patchSet: patchset === undefined ? undefined : patchSetJson(state, patchset),
      change: changeJson(state, webUrl, change),
      project: change.project,
      refName: `refs/heads/${change.branch}`,
      changeKey: { id: change.id },
    },
    visibleTo: (account) => canReadChange(state, account, change),
  };
}

export interface RefUpdate {
  readonly ref: string;
  readonly oldRev: string;
  readonly newRev: string;
}

export function refUpdated(
  state: State,
  project: string,
  by: string | undefined,
  update: RefUpdate,
): GerritEvent {
  return {
    type: 'ref-updated',
    fields: {
      submitter: userJson(state, by),
      refUpdate: { oldRev: update.oldRev, newRev: update.newRev, refName: update.ref, project },
    },
    visibleTo: (account) => {
      // The refs of a change are seen by whoever sees the change.
      const number = /^refs\/changes\/\d\d\/(\d+)\//.exec(update.ref)?.[1];
      const change = number === undefined ? undefined : state.changes.get(Number(number));
      return change === undefined
        ? isAllowed(state, account, 'read', { project, ref: update.ref })
        : canReadChange(state, account, change);
    },
  };
}

/**
 * One entry per label of the project with the author's value; `oldValue` only where this post changed it. The values must be
 * read after the review was applied.
 */
export function approvalsJson(state: State, change: Change, review: Review): Json[] {
  const labels = state.projects.get(change.project)?.labels ?? [];
  return labels.map(({ name }) => {
    const vote = change.votes.find(
      (v) => v.label === name && v.by === review.by && v.patchset === review.patchset,
    );
    const changed = review.changed.find((c) => c.label === name);
    return {
      type: name,
      description: name,
      value: String(vote?.value ?? 0),
      oldValue: changed === undefined ? undefined : String(changed.oldValue),
    };
  });
}

export function commentAdded(
  state: State,
  webUrl: string,
  change: Change,
  review: Review,
  comment: string,
): GerritEvent {
  const patchset = change.patchsets.find((p) => p.number === review.patchset) ?? current(change);
  const own = {
    author: userJson(state, review.by),
    approvals: approvalsJson(state, change, review),
    comment,
  };
  return changeEvent(state, webUrl, 'comment-added', change, own, patchset);
}

/** `Patch Set 2: Code-Review+2 -Verified`, comment count and text: the message a review leaves on the change. */
export function reviewText(
  patchset: number,
  changed: readonly { readonly label: string; readonly value: number }[],
  comments: number,
  message: string,
): string {
  const votes = [...changed]
    .sort((a, b) => (a.label < b.label ? -1 : 1))
    .map(({ label, value }) => (value === 0 ? ` -${label}` : ` ${label}${value > 0 ? '+' : ''}${value}`));
  const count = comments === 0 ? '' : `\n\n(${comments} comment${comments === 1 ? '' : 's'})`;
  return `Patch Set ${patchset}:${votes.join('')}${count}${message === '' ? '' : `\n\n${message}`}`;
}
