import type { Action, ActionKind, StopReason } from '../action.ts';
import type { Fact } from '../event.ts';
import type { SiteConfig } from './config.ts';

/** A fact on its way into the inbox. */
export interface Filed {
  /**
   * The fact's natural identity: filing the same key twice keeps the first and is no error.
   * `patchset-created/gerrit/1234,5`, `done/<action id>`, `started/<action id>`, `request/<id>`, `tick/<ms>`.
   */
  readonly key: string;
  readonly fact: Fact;
  /** What arrived, byte for byte where that helps (the line of the stream), for the ledger. */
  readonly raw?: string;
}

export interface JournalEntry extends Filed {
  /** Order in which the kernel takes them. */
  readonly seq: number;
}

/** A row of the world: one queue, one item, one change, ... JSON. */
export interface Row {
  readonly table: string;
  readonly key: string;
  readonly value: unknown;
}

export interface WorldPatch {
  readonly put: readonly Row[];
  readonly drop: readonly { readonly table: string; readonly key: string }[];
}

/** One turn of the ring, written in one transaction. */
export interface Turn {
  /** Fencing token of the leader that planned it. A store that knows a higher one throws Fault `leader-lost`. */
  readonly epoch: number;
  /** The entries used, and in a few words what became of each (shown in the ledger). */
  readonly used: readonly { readonly seq: number; readonly note: string }[];
  readonly world: WorldPatch;
  readonly actions: readonly Action[];
  /**
   * Finished builds, items and reports for the history (server pages, time estimates): tables `build`, `item`, `report`. What
   * is found by comes from these fields of the value, where they are strings: `uuid`, `job`, `pipeline`, `project`, `change`
   * (`1234,5`), `result`; `at` or `finishedAt` (ms) gives the order. Written again under the same key, the later one stays.
   */
  readonly history: readonly Row[];
}

/** What a hand must do with an action that reached it: run it, run it only to undo it, or nothing. */
export type Begin =
  | { readonly kind: 'go' }
  | { readonly kind: 'stop'; readonly reason: StopReason }
  | { readonly kind: 'done' };

/** An action in the hands of one process. */
export interface Claim {
  /** Aborts when another process has it: what is begun must be let go, as at the end of the process. */
  readonly lost: AbortSignal;
  /** Asked right before what cannot be taken back. Throws the reason of `lost` when it is no longer ours. */
  sure(): Promise<void>;
  release(): Promise<void>;
}

/**
 * Facts, world and outbox: the one truth. Called by every role.
 *
 * order: open → (file | pending | …)* → close. Everything but `commit` may overlap. `file` is idempotent by key, `commit` by
 * the entries used: a turn whose entries are used already is refused, never half applied.
 */
export interface Store extends AsyncDisposable {
  /** Appends facts in one transaction and wakes the leader. Answers how many were new. */
  file(facts: readonly Filed[]): Promise<number>;
  /**
   * Takes an action in hand. Undefined: a process (perhaps this one) has it, and nobody else may touch the world for it. Falls
   * with the process, also with one that is stopped or cut off for some seconds. While an action is claimed, `saveEffect` of it
   * is `sure` first.
   */
  claim(action: string): Promise<Claim | undefined>;
  /**
   * Written before a hand touches the world for an action. From then on a cancel does not end the action by itself: whoever
   * began it must undo it and answer, in this life or the next (`stop`).
   */
  begin(action: string): Promise<Begin>;
  /**
   * Files the answer to an action and marks it done, in one transaction; actions without an answer fact (release, mail) pass
   * none. The late answer of a cancelled action is filed too. False: it had an answer already.
   */
  answer(action: string, filed?: Filed): Promise<boolean>;
  /** Unused facts in order, at most `limit`. */
  unused(limit: number): Promise<JournalEntry[]>;
  /** Resolves when facts were filed since the last call, or at the deadline, or when `signal` aborts. */
  filed(deadline: number, signal: AbortSignal): Promise<void>;
  /** Every row of the world. */
  world(): Promise<Row[]>;
  /**
   * Writes a turn, or nothing of it. A `cancel` takes effect here: a target that nobody began is done, one that somebody
   * began is marked, and the cancel itself is done; what is left to the queue is only to say it aloud.
   */
  commit(turn: Turn): Promise<void>;
  /** Actions that have no answer yet, oldest first: what a restarted process must (again) put into the work queues. */
  undone(kinds?: readonly ActionKind[]): Promise<Action[]>;
  /** Begun, cancelled and not answered yet: whoever runs them may have missed the broadcast. */
  cancelled(): Promise<{ readonly target: string; readonly reason: StopReason }[]>;
  /** True when the action has its answer, or was cancelled and never begun. */
  isDone(action: string): Promise<boolean>;
  /** Becomes leader: blocks until leadership is ours or `signal` aborts; answers the new epoch. Lost with the session. */
  lead(signal: AbortSignal): Promise<{ epoch: number; lost: AbortSignal; resign(): Promise<void> }>;
  /** Notes that belong to one effect (a report about to be posted, a supervisor started): written before, read after. */
  effect(action: string): Promise<unknown>;
  saveEffect(action: string, value: unknown): Promise<void>;
  /**
   * Secret parameters of a request, encrypted by the caller; kept before the request is filed. The first text stays. Forgotten by
   * `forgetSealed` when the request has ended: no item and no undone build speaks of it. Answers how many went.
   */
  keepSealed(request: string, text: string): Promise<void>;
  sealed(request: string): Promise<string | undefined>;
  forgetSealed(): Promise<number>;
  /** Configurations by digest. */
  config(digest: string): Promise<SiteConfig | undefined>;
  saveConfig(config: SiteConfig): Promise<void>;
}
