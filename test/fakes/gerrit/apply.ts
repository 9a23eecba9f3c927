import type { Change, Entry, PatchSet, State, Touch, Vote } from './model.ts';
import { current } from './model.ts';

/** How an entry changes the state. */

export function emptyState(firstChange: number): State {
  return {
    accounts: new Map(),
    projects: new Map(),
    rules: [],
    changes: new Map(),
    revisions: new Map(),
    children: new Map(),
    reviews: [],
    commands: [],
    last: firstChange - 1,
  };
}

function index(state: State, project: string, number: number, patchset: PatchSet): void {
  const place = { number, patchset: patchset.number };
  const add = (map: State['revisions'], sha: string) => {
    const key = `${project} ${sha}`;
    map.set(key, [...(map.get(key) ?? []), place]);
  };
  add(state.revisions, patchset.revision);
  for (const parent of patchset.parents) add(state.children, parent);
}

function setVotes(change: Change, votes: readonly Vote[]): void {
  for (const vote of votes) {
    change.votes = change.votes.filter(
      (v) => !(v.patchset === vote.patchset && v.label === vote.label && v.by === vote.by),
    );
    if (vote.value !== 0) change.votes.push(vote);
  }
}

function touch(change: Change, entry: Touch): void {
  change.updatedOn = entry.at;
  if (entry.message === undefined) return;
  change.messages.push({
    at: entry.at,
    by: entry.by,
    text: entry.message,
    patchset: current(change).number,
    ...(entry.tag === undefined ? {} : { tag: entry.tag }),
  });
}

function changeOf(state: State, number: number): Change {
  const change = state.changes.get(number);
  if (change === undefined) throw new Error(`no change ${number}`);
  return change;
}

function addReviewer(change: Change, username: string): void {
  if (!change.reviewers.includes(username) && username !== change.owner) change.reviewers.push(username);
}

/** Applies one entry. Total and deterministic: an entry that was recorded once can always be applied again. */
export function apply(state: State, entry: Entry): void {
  switch (entry.kind) {
    case 'account':
      state.accounts.set(entry.account.username, entry.account);
      return;
    case 'project':
      state.projects.set(entry.project.name, entry.project);
      return;
    case 'rule':
      state.rules.push(entry.rule);
      return;
    case 'revoke':
      state.rules = state.rules.filter(
        (r) => !(r.permission === entry.permission && r.group === entry.group),
      );
      return;
    case 'command':
      state.commands.push(entry.command);
      return;
    case 'created': {
      const { patchset } = entry;
      state.last = Math.max(state.last, entry.number);
      state.changes.set(entry.number, {
        number: entry.number,
        project: entry.project,
        branch: entry.branch,
        id: entry.id,
        owner: entry.owner,
        createdOn: entry.at,
        updatedOn: entry.at,
        status: 'NEW',
        topic: entry.topic,
        hashtags: entry.hashtags ?? [],
        wip: entry.wip ?? false,
        private: entry.private ?? false,
        patchsets: [patchset],
        votes: [],
        messages: [{ at: entry.at, by: entry.owner, text: 'Uploaded patch set 1.', patchset: 1 }],
        comments: [],
        reviewers: [],
      });
      index(state, entry.project, entry.number, patchset);
      return;
    }
    case 'patchset': {
      const change = changeOf(state, entry.number);
      change.patchsets.push(entry.patchset);
      setVotes(change, entry.copied);
      touch(change, entry);
      index(state, change.project, change.number, entry.patchset);
      return;
    }
    case 'review': {
      const { review } = entry;
      const change = changeOf(state, review.number);
      const { at, by, patchset, text } = review;
      setVotes(
        change,
        review.changed.map(({ label, value }) => ({ patchset, label, value, by, at })),
      );
      setVotes(change, review.copied);
      change.comments.push(...review.comments);
      change.messages.push({
        at,
        by,
        text,
        patchset,
        ...(review.tag === undefined ? {} : { tag: review.tag }),
      });
      change.updatedOn = at;
      addReviewer(change, by);
      state.reviews.push(review);
      return;
    }
    case 'status': {
      const change = changeOf(state, entry.number);
      change.status = entry.status;
      if (entry.newRev !== undefined) change.newRev = entry.newRev;
      touch(change, entry);
      return;
    }
    case 'edited': {
      const change = changeOf(state, entry.number);
      if (entry.topic !== undefined) change.topic = entry.topic ?? undefined;
      change.hashtags = entry.hashtags ?? change.hashtags;
      change.wip = entry.wip ?? change.wip;
      change.private = entry.private ?? change.private;
      if (entry.reviewer !== undefined) addReviewer(change, entry.reviewer);
      touch(change, entry);
      return;
    }
    case 'deleted':
      state.changes.delete(entry.number);
      return;
  }
}
