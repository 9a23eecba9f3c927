import type { Rule } from './specs.ts';

/**
 * What the simulated Gerrit knows, as plain data. Every mutation is an Entry; the journal keeps the entries, so a restarted server
 * (or a lagging index) is the same fold over the same entries, see apply.ts.
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
  readonly httpPassword?: string | undefined;
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
  /** Votes that newer patch sets got from this one, when it was on an outdated patch set. */
  readonly copied: readonly Vote[];
}

export interface Command {
  readonly at: number;
  readonly user: string;
  readonly command: string;
}

/** What every mutation of a change has. */
export interface Touch {
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

export function current(change: Change): PatchSet {
  const last = change.patchsets.at(-1);
  if (last === undefined) throw new Error(`change ${change.number} has no patch set`);
  return last;
}
