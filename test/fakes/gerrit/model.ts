/**
 * What the simulated Gerrit knows, as plain data, and the one function that changes it. Every mutation is an Entry; the journal
 * keeps the entries, so a restarted server (or a lagging index) is the same fold over the same entries.
 * Times are milliseconds; Gerrit's seconds appear only on the wire.
 */

export interface Account {
  readonly id: number;
  readonly username: string;
  readonly name: string;
  readonly email: string;
  /** OpenSSH public key lines. */
  readonly keys: readonly string[];
  readonly groups: readonly string[];
  readonly httpPassword?: string;
}

export type LabelFunction = 'MaxWithBlock' | 'AnyWithBlock' | 'MaxNoBlock' | 'NoBlock' | 'NoOp';
export type ChangeKind = 'REWORK' | 'TRIVIAL_REBASE' | 'NO_CODE_CHANGE' | 'NO_CHANGE';

export interface Label {
  readonly name: string;
  readonly min: number;
  readonly max: number;
  readonly function: LabelFunction;
  /** Votes that a new patch set inherits: by its kind, or when they are the label's lowest, highest, or any value. */
  readonly copy: readonly (ChangeKind | 'MIN' | 'MAX' | 'ANY')[];
}

export type SubmitType =
  | 'MERGE_IF_NECESSARY'
  | 'MERGE_ALWAYS'
  | 'FAST_FORWARD_ONLY'
  | 'REBASE_IF_NECESSARY'
  | 'REBASE_ALWAYS'
  | 'CHERRY_PICK';

export interface Project {
  readonly name: string;
  readonly head: string;
  readonly submitType: SubmitType;
  readonly labels: readonly Label[];
}

/** One line of an access section. Global capabilities (`streamEvents`, `administrateServer`) have ref `GLOBAL`. */
export interface Rule {
  /** A ref, a prefix ending in `/*`, or `GLOBAL`. */
  readonly ref: string;
  /** `read`, `push`, `create`, `submit`, `abandon`, `label-Verified`, ... */
  readonly permission: string;
  readonly group: string;
  /** Only for this project; without it the rule is one of All-Projects. */
  readonly project?: string;
  readonly action?: 'ALLOW' | 'DENY';
  readonly min?: number;
  readonly max?: number;
}

export interface FileStat {
  readonly file: string;
  readonly fileOld?: string;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'RENAMED' | 'COPIED' | 'REWRITE';
  readonly insertions: number;
  readonly deletions: number;
}

export interface PatchSet {
  readonly number: number;
  readonly revision: string;
  readonly tree: string;
  readonly parents: readonly string[];
  readonly ref: string;
  readonly uploader: string;
  readonly author: { readonly name: string; readonly email: string };
  readonly createdOn: number;
  readonly kind: ChangeKind;
  readonly message: string;
  readonly files: readonly FileStat[];
}

export interface Vote {
  readonly patchset: number;
  readonly label: string;
  readonly value: number;
  readonly by: string;
  readonly at: number;
  readonly copied?: boolean;
}

export interface Message {
  readonly at: number;
  readonly by: string | undefined;
  readonly text: string;
  readonly tag?: string;
  readonly patchset: number;
}

export interface InlineComment {
  readonly patchset: number;
  readonly file: string;
  readonly line?: number;
  readonly by: string;
  readonly message: string;
}

export interface Change {
  readonly number: number;
  readonly project: string;
  readonly branch: string;
  readonly id: string;
  readonly owner: string;
  readonly createdOn: number;
  updatedOn: number;
  status: 'NEW' | 'MERGED' | 'ABANDONED';
  topic: string | undefined;
  hashtags: readonly string[];
  wip: boolean;
  private: boolean;
  readonly patchsets: PatchSet[];
  votes: Vote[];
  readonly messages: Message[];
  readonly comments: InlineComment[];
  readonly reviewers: string[];
  /** Tip of the branch right after this change was merged. */
  newRev?: string;
}

/** A review post that was accepted, as posted and as it ended up. */
export interface Review {
  readonly number: number;
  readonly patchset: number;
  readonly at: number;
  readonly by: string;
  /** As posted, trimmed. */
  readonly message: string;
  /** As people see it: `Patch Set 1: Verified+1\n\n...`. */
  readonly text: string;
  /** Labels as posted that the server accepted. */
  readonly labels: Readonly<Record<string, number>>;
  /** Votes this post changed, with their old value. */
  readonly changed: readonly { readonly label: string; readonly value: number; readonly oldValue: number }[];
  readonly tag?: string;
  readonly comments: readonly InlineComment[];
}

export interface Command {
  readonly at: number;
  readonly user: string;
  readonly command: string;
}

interface Touch {
  readonly number: number;
  readonly at: number;
  readonly by: string | undefined;
  /** Text of the message the mutation leaves on the change. */
  readonly message?: string;
  readonly tag?: string;
}

export type Entry =
  | { readonly kind: 'account'; readonly account: Account }
  | { readonly kind: 'project'; readonly project: Project }
  | { readonly kind: 'rule'; readonly rule: Rule }
  | { readonly kind: 'revoke'; readonly permission: string; readonly group: string }
  | { readonly kind: 'command'; readonly command: Command }
  | {
      readonly kind: 'created';
      readonly number: number;
      readonly at: number;
      readonly project: string;
      readonly branch: string;
      readonly id: string;
      readonly owner: string;
      readonly patchset: PatchSet;
      readonly topic?: string;
      readonly hashtags?: readonly string[];
      readonly wip?: boolean;
      readonly private?: boolean;
    }
  | ({ readonly kind: 'patchset'; readonly patchset: PatchSet; readonly copied: readonly Vote[] } & Touch)
  | { readonly kind: 'review'; readonly review: Review }
  | ({ readonly kind: 'status'; readonly status: Change['status']; readonly newRev?: string } & Touch)
  | ({
      readonly kind: 'edited';
      /** `null` clears the topic. */
      readonly topic?: string | null;
      readonly hashtags?: readonly string[];
      readonly wip?: boolean;
      readonly private?: boolean;
      readonly reviewer?: string;
    } & Touch)
  | { readonly kind: 'deleted'; readonly number: number };

export interface State {
  readonly accounts: Map<string, Account>;
  readonly projects: Map<string, Project>;
  rules: Rule[];
  readonly changes: Map<number, Change>;
  /** `project revision` to the patch sets that are this commit. */
  readonly revisions: Map<string, { readonly number: number; readonly patchset: number }[]>;
  /** `project parent` to the patch sets on top of this commit. */
  readonly children: Map<string, { readonly number: number; readonly patchset: number }[]>;
  readonly reviews: Review[];
  readonly commands: Command[];
  last: number;
}

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

export function current(change: Change): PatchSet {
  const last = change.patchsets.at(-1);
  if (last === undefined) throw new Error(`change ${change.number} has no patch set`);
  return last;
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
