import type { Account, Approval, Change } from './change.ts';
import type { GerritEvent } from './event.ts';

/** An event that did not happen (yet): what would come of it? */
export interface Supposed {
  /** `comment-added`, `patchset-created`, ... */
  readonly type: string;
  readonly by: Account;
  readonly comment?: string;
  /** Votes given with a comment. */
  readonly votes: readonly { readonly label: string; readonly value: number }[];
}

/** The event as Gerrit would send it, and the change as Gerrit would then describe it. */
export function suppose(
  change: Change,
  { type, by, comment, votes }: Supposed,
  now: number,
): { readonly event: GerritEvent; readonly change: Change } {
  const { connection, project, branch, number, patchset, revision } = change;
  const said = type === 'comment-added' ? { comment: comment ?? '', approvals: [...votes] } : {};
  const about = { connection, project, branch, number, patchset, revision };
  return {
    event: { kind: 'GerritEvent', at: now, via: 'stream', type, ...about, account: by, ...said },
    change: withVotes(change, by, votes, now),
  };
}

/** A vote takes the place of what the same person said before; 0 takes it back. */
export function withVotes(change: Change, by: Account, votes: Supposed['votes'], now: number): Change {
  const replaced = ({ label, by: other }: Approval) =>
    other.username === by.username && votes.some((vote) => vote.label === label);
  const given = votes.filter(({ value }) => value !== 0);
  return {
    ...change,
    approvals: [
      ...change.approvals.filter((approval) => !replaced(approval)),
      ...given.map(({ label, value }) => ({ label, value, by, grantedOn: now })),
    ],
  };
}

/** `Code-Review+2`, `Code-Review=+2`, `Verified -1`. */
export function parseVote(text: string): { label: string; value: number } | undefined {
  const [, label, value] = /^([A-Za-z][A-Za-z0-9-]*?)[= ]?([+-]?\d)$/.exec(text) ?? [];
  return label === undefined ? undefined : { label, value: Number(value) };
}
