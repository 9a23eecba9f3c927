import type { ChangeStatus } from '../../pipelines/change.ts';
import type { ReadChange, Vote } from './change.ts';

/**
 * What we ask of a Gerrit, whatever it is asked over: SSH commands (overssh.ts) or REST (overrest.ts), chosen per connection.
 * Meaning (what is stale, what belongs together, what was posted) is decided by the callers, so that both decide alike.
 *
 * Calls may overlap. All throw a Fault when the answer did not arrive; after `review` and `submit` that means that nobody
 * knows whether they took effect.
 */
export interface Transport extends AsyncDisposable {
  /** Each at the patchset wanted, the current one by default. What Gerrit does not know or not show is left out. */
  changes(wanted: readonly Wanted[], signal: AbortSignal): Promise<ReadChange[]>;
  /** Open changes that carry one of these Change-Ids, in any project and branch. */
  openWithIds(ids: readonly string[], signal: AbortSignal): Promise<ReadChange[]>;
  /** Open changes whose message mentions one of these Change-Ids or addresses anywhere; the caller looks where. */
  openMentioning(texts: readonly string[], signal: AbortSignal): Promise<ReadChange[]>;
  /** Every open change of a project. */
  openOfProject(project: string, signal: AbortSignal): Promise<ReadChange[]>;
  /** Numbers of the changes with a patchset, outdated ones included, that sits on one of these commits. */
  sittingOn(changes: readonly ReadChange[], signal: AbortSignal): Promise<string[]>;
  /** What was said on a change so far, oldest first. */
  talk(number: string, signal: AbortSignal): Promise<Talk | undefined>;
  /**
   * One post: message and votes together. `begin` is called when its turn has come; what it answers is called at the last
   * moment at which nothing has left yet. What either throws is thrown, and nothing leaves.
   */
  review(target: Target, input: ReviewInput, signal: AbortSignal, begin?: Begin): Promise<Said>;
  submit(target: Target, signal: AbortSignal): Promise<Said>;
}

export type Begin = () => Promise<() => void>;

export interface Wanted {
  readonly number: string;
  readonly patchset?: string | undefined;
}

export interface Target {
  readonly project: string;
  readonly number: string;
  readonly patchset: string;
}

export interface Talk {
  readonly status: ChangeStatus;
  readonly currentPatchset: string | undefined;
  readonly messages: readonly Message[];
  /** On the current patchset, zeros left out. */
  readonly votes: readonly Vote[];
}

export interface Message {
  /** Seconds, Gerrit's clock. */
  readonly at: number;
  readonly username: string | undefined;
  readonly text: string;
}

/** Gerrit's ReviewInput, as much of it as we use. */
export interface ReviewInput {
  readonly message?: string;
  readonly labels?: Readonly<Record<string, number>>;
  readonly tag: string;
  readonly notify?: 'NONE' | 'OWNER' | 'OWNER_REVIEWERS' | 'ALL';
  readonly drafts: 'KEEP';
  readonly ignore_automatic_attention_set_rules?: boolean;
}

/** `refused`: Gerrit understood and said no; nothing happened. */
export type Said = { readonly kind: 'done' } | { readonly kind: 'refused'; readonly text: string };
