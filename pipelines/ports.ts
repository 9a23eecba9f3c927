import type {
  Action,
  ActionKind,
  ActionOf,
  MergeAction,
  NodeSpec,
  Precedence,
  ReportAction,
  StopReason,
} from './action.ts';
import type { ChangeFetched, Fact, GerritEvent, MergeFinished, Reported } from './event.ts';
import type { Layout } from './layout.ts';

/**
 * The ports between the kernel's ring and the world. Each is a promise in time order: who calls, what may overlap, what is
 * idempotent. Every port has a conformance suite in test/conformance that each adapter passes.
 *
 * Every method that waits takes an AbortSignal or states its deadline; what it throws is a Fault.
 */

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
  /** Configurations by digest. */
  config(digest: string): Promise<SiteConfig | undefined>;
  saveConfig(config: SiteConfig): Promise<void>;
}

/** One line of the ledger: what arrived, and what became of it. */
export interface LedgerEntry {
  readonly seq: number;
  readonly key: string;
  readonly fact: Fact;
  readonly raw?: string;
  /** ms */
  readonly filedAt: number;
  /** Undefined: the kernel has not taken it yet. */
  readonly usedAt?: number;
  /** A fact the kernel could not digest was set aside; its note says so and why. */
  readonly aside: boolean;
  readonly note?: string;
}

/** Reads of the one truth for people: never needed to run, may lag by a turn. All newest first. */
export interface History {
  /** `since` in ms, `before` a seq to page by, `type` the Gerrit event type. */
  ledger(query: {
    readonly since?: number;
    readonly before?: number;
    readonly kind?: string;
    readonly type?: string;
    readonly limit: number;
  }): Promise<LedgerEntry[]>;
  /** Nothing was missed when `filed` = `used` + `aside` + `waiting` and `aside` = 0. */
  tally(since: number): Promise<{ filed: number; used: number; aside: number; waiting: number }>;
  builds(query: HistoryQuery): Promise<HistoryRow[]>;
  /** By uuid, or by the beginning of one that only one build has. */
  build(
    uuid: string,
  ): Promise<
    { kind: 'found'; row: HistoryRow } | { kind: 'absent' } | { kind: 'ambiguous'; uuids: readonly string[] }
  >;
  items(query: HistoryQuery): Promise<HistoryRow[]>;
  reports(query: HistoryQuery): Promise<HistoryRow[]>;
}

export interface HistoryRow extends Row {
  /** When it finished, ms. */
  readonly at: number;
}

export interface HistoryQuery {
  readonly limit: number;
  /** Only rows that finished before this, ms. */
  readonly before?: number;
  readonly job?: string;
  readonly pipeline?: string;
  readonly project?: string;
  /** `1234` or `1234,5`. */
  readonly change?: string;
  readonly result?: string;
}

/**
 * What the reconciliation of missed events asks the store: which events of a change are in the ledger, and what was proven
 * so far. Beside `Store`, over the same tables.
 */
export interface Ledger {
  /** The GerritEvents about these changes that were filed at or after `since` (ms), in the order they were filed. */
  events(connection: string, numbers: readonly string[], since: number): Promise<LedgerEvent[]>;
  /** Appends the record of one sweep. */
  swept(sweep: Sweep): Promise<void>;
  /** The newest sweeps first. */
  sweeps(connection: string, limit: number): Promise<Sweep[]>;
}

export interface LedgerEvent {
  readonly key: string;
  readonly fact: GerritEvent;
}

/** One comparison of the ledger with Gerrit: the proof behind "0 missed". Times are ms. */
export interface Sweep {
  readonly connection: string;
  /** `start`, `reconnect`, `dropped-output`, `timer` or `requested`. */
  readonly reason: string;
  /** When we began to listen at all; nothing before it is looked at. */
  readonly origin: number;
  /** What happened in [from, to] is in the ledger now, unless `failed` says why that is not proven. */
  readonly from: number;
  readonly to: number;
  /** Changes Gerrit named, and the events they prove. */
  readonly asked: number;
  readonly found: number;
  /** Events the stream never delivered, and how many of them were new to the ledger. */
  readonly missed: number;
  readonly filed: number;
  readonly failed?: string;
}

/** Everything a validated configuration says, stored under its digest (sha256 of its sources). */
export interface SiteConfig {
  readonly digest: string;
  readonly layout: Layout;
  /** Job definitions by name, as jobs/ resolved them. */
  readonly jobs: Readonly<Record<string, unknown>>;
  /** What the kernel must know of a job definition. */
  readonly needs: Readonly<Record<string, NodeSpec>>;
  /** Of the site itself; `defaultSettings` (rules.ts) where absent. */
  readonly settings?: SiteSettings;
}

/** What the kernel must know of the site. */
export interface SiteSettings {
  /** Our own usernames per connection: what they write starts nothing by its text. */
  readonly accounts: Readonly<Record<string, readonly string[]>>;
  /** Base URL of the git server with the speculative refs: ZUUL_URL of builds that need no merge. */
  readonly gitUrl: string;
  /** Second line of start reports. */
  readonly statusUrl?: string;
  /** Link of a job in reports, in Python's format (`{change.number}`, `{build.parameters[LOG_PATH]}`); without it the build's own. */
  readonly urlPattern?: string;
  readonly jobNameInReport: boolean;
  readonly reportTimes: boolean;
  /** What the layout's parameter functions do, by name. */
  readonly parameterRules?: Readonly<Record<string, ParameterRule>>;
}

/** Stands where Zuul v2 called a Python function on the parameters of a job. */
export interface ParameterRule {
  /** `{NAME}` stands for a parameter the job has already. */
  readonly set: Readonly<Record<string, string>>;
  readonly unset: readonly string[];
  /** Label to run on instead of the job's own. */
  readonly node?: string | undefined;
}

/**
 * Wake-ups, never the truth: an action that is pushed is handled at least once by a live consumer, and the outbox pushes it
 * again until it is answered.
 *
 * `push` with an id that waits or runs is no second run. A handler that throws is run again after a backoff; one that is
 * killed with its process is pushed again by the outbox after a restart.
 */
export interface WorkQueue extends AsyncDisposable {
  push(action: Action): Promise<void>;
  /**
   * Starts consuming one kind. `signal` of the handler aborts when the consumer closes or the action is cancelled here; its
   * reason is a Fault `stopped`, and `stopReason` (fault.ts) tells the two apart: a cancelled action is undone and answered,
   * one whose process ends is only let go.
   */
  consume<K extends ActionKind>(
    kind: K,
    handler: (action: ActionOf<K>, signal: AbortSignal) => Promise<void>,
    options: { concurrency: number },
  ): Promise<void>;
  /** Cancel broadcast: reaches the consumer that runs `target`, in whatever process. Lost when nobody runs it. */
  cancel(target: string, reason: StopReason): Promise<void>;
  onCancel(listener: (target: string, reason: StopReason) => void): void;
  /** Waiting and running per kind, for pages and metrics. */
  counts(): Promise<Readonly<Record<string, { waiting: number; running: number }>>>;
}

/**
 * A code review system, seen from the hands. One object per connection.
 *
 * `fetch` and `report` may overlap. `report` is idempotent by `action.id`: it records before it posts (through `effects`),
 * and after an unknown end reads back before it posts again.
 */
export interface CodeReview extends AsyncDisposable {
  readonly connection: string;
  fetch(action: ActionOf<'fetch'>, signal: AbortSignal): Promise<ChangeFetched['outcome']>;
  report(action: ReportAction, signal: AbortSignal): Promise<Reported['outcome']>;
}

/** Speculative merges. `merge` is idempotent by the refs it writes: asked again it answers the same commit. */
export interface Merger extends AsyncDisposable {
  merge(action: MergeAction, signal: AbortSignal): Promise<MergeFinished['outcome']>;
}

/**
 * Machines. `acquire` is idempotent by id: asked again (after a restart) it answers the same lease. A lease is ours until
 * `release`, whatever dies in between. `release` is idempotent and never throws for an unknown lease.
 */
export interface NodePool extends AsyncDisposable {
  acquire(
    request: NodeRequest,
    signal: AbortSignal,
  ): Promise<{ kind: 'granted'; lease: Lease } | { kind: 'refused'; reason: string }>;
  lease(id: string): Promise<Lease | undefined>;
  release(lease: string): Promise<void>;
  /** Why each waiting request waits, in words. */
  waiting(): Promise<readonly { id: string; job: string; since: number; why: string }[]>;
}

export interface NodeRequest {
  readonly id: string;
  readonly build: string;
  readonly job: string;
  readonly pipeline: string;
  readonly precedence: Precedence;
  readonly nodes: NodeSpec;
}

export interface Lease {
  readonly id: string;
  readonly nodes: readonly LeasedNode[];
}

export interface LeasedNode {
  readonly id: string;
  readonly name: string;
  readonly label: string;
  /** `primary` or a subnode's role. */
  readonly role: string;
  readonly provider: string;
  /** Address to reach it; `local` nodes have none. */
  readonly address?: string;
  /** All labels the node has (NODE_LABELS); `label` alone where absent. */
  readonly labels?: readonly string[];
  /** Which of the node's places for builds this is, from 0 (EXECUTOR_NUMBER). */
  readonly slot?: number;
  /** Where workspaces live on the node. */
  readonly root: string;
}

/**
 * One node of a lease, for a build. A build runs under a supervisor that outlives us: `start` is idempotent by build id
 * (a supervisor that runs or ran already is found again), `attach` follows it to its end.
 *
 * order: start → attach (again after every restart) → stop? → collect* → forget.
 */
export interface Shell extends AsyncDisposable {
  /** Starts the supervisor for `build`, or finds the one that was started before. */
  start(build: ShellBuild, signal: AbortSignal): Promise<void>;
  /**
   * Follows the build from byte `offset` of its output. Resolves when the supervisor recorded an end; throws Fault
   * `node-lost` when node or supervisor vanished without one. Aborting only detaches.
   */
  attach(build: string, offset: number, sink: ShellSink, signal: AbortSignal): Promise<ShellExit>;
  /** Ends the whole process group: SIGTERM, grace, SIGKILL. Idempotent; true when nothing of it runs any more. */
  stop(build: string, reason: 'timeout' | 'cancel', signal: AbortSignal): Promise<boolean>;
  /** Files of the workspace that match ANT-style globs, as (path, stream). */
  collect(
    build: string,
    include: readonly string[],
    exclude: readonly string[],
    signal: AbortSignal,
  ): AsyncIterable<CollectedFile>;
  /** Removes what the build left on the node. Idempotent. */
  forget(build: string, signal: AbortSignal): Promise<void>;
}

/** A repository laid beside a build, so that from its first step on the build needs nobody but its node. */
export interface StagedRepository {
  /** Found there as `$ZUUL_URL/<project>`. */
  readonly project: string;
  /** Bare repository on our machine. */
  readonly path: string;
  /** What it shows: full ref name → commit. */
  readonly refs: Readonly<Record<string, string>>;
  /** The branch HEAD points at. */
  readonly head: string;
}

export interface ShellBuild {
  readonly build: string;
  /** Asked for only when the build must still be prepared. With at least one, ZUUL_URL names the place they were laid. */
  readonly repositories?: (signal: AbortSignal) => Promise<readonly StagedRepository[]>;
  /** Run in order in one empty workspace until one fails. A step with a `#!` line runs under it, others under `/bin/sh -xe`. */
  readonly steps: readonly { readonly name: string; readonly script: string }[];
  readonly env: Readonly<Record<string, string>>;
  /** ms; the supervisor itself ends the build when it passes. */
  readonly timeout: number;
}

export interface ShellSink {
  /** Output in order. `at` is when the supervisor saw it, ms. May apply back-pressure. */
  output(chunk: Uint8Array, offset: number, at: number): void | Promise<void>;
}

export interface ShellExit {
  readonly code: number | null;
  /** The step that ended it, from 0. */
  readonly step: number;
  readonly signal: string | null;
  /** Why the supervisor ended it, when it did; `output`: it wrote more than it may. */
  readonly stopped: 'timeout' | 'cancel' | 'output' | null;
  readonly startedAt: number;
  readonly finishedAt: number;
  /** The disk of the workspace or of the output was full when the build ended. */
  readonly diskFull?: boolean;
  /** Bytes of output (at least) that came after the limit and are nowhere. */
  readonly dropped?: number;
}

export interface CollectedFile {
  /** Relative, `/`-separated, never with `..`. */
  readonly path: string;
  readonly size: number;
  readonly content: AsyncIterable<Uint8Array>;
}

/** Where people read logs. `running` files grow; `finish` makes them final (gzip, index). All idempotent by path. */
export interface LogSite {
  /** URL of a log path such as `34/1234/5/check/job/0abc123`, with a trailing slash. */
  url(logPath: string): string;
  open(logPath: string): Promise<LogFolder>;
}

export interface LogFolder {
  /** Writes (from `offset` on) the console as people see it. */
  console(offset: number): Promise<{ write(chunk: Uint8Array): Promise<void>; close(): Promise<void> }>;
  add(file: CollectedFile): Promise<void>;
  /** Everything is there: compress, index, fsync. Idempotent. */
  finish(manifest: Readonly<Record<string, unknown>>): Promise<void>;
}

export interface Clock {
  /** ms since the epoch. */
  now(): number;
}
