import type { Problem } from '../jobs/problem.ts';
import type { MergeMode, Precedence } from './action.ts';

/**
 * A validated layout with every template expanded and every metajob applied: what the kernel plans by. Plain JSON, so that
 * it can be stored under its digest. Regexes are kept as Python source text with the way they are matched decided by the
 * key they stand under (zuul-v2.md 1.2, 1.3); `pattern.ts` compiles and caches them.
 */

export interface Layout {
  readonly dialect: 'zuul-2.6' | 'stackgate';
  readonly pipelines: readonly Pipeline[];
  /** By name; only names that exist, metajobs already applied. */
  readonly jobs: Readonly<Record<string, JobRule>>;
  readonly projects: Readonly<Record<string, ProjectRule>>;
  /** Where each named thing stands, for `explain` and warnings: `pipeline check` → file:line:column. */
  readonly places: Readonly<Record<string, string>>;
  /** Of a site that borrowed Zuul's quirks (see quirks.ts); empty in production. */
  readonly quirks: readonly string[];
}

export type ManagerKind = 'independent' | 'dependent' | 'serial' | 'supercedent';

export interface Pipeline {
  readonly name: string;
  readonly description?: string;
  readonly manager: ManagerKind;
  /** Connection that changes come from. */
  readonly source: string;
  readonly precedence: Precedence;
  readonly triggers: readonly Trigger[];
  readonly require: Requirement;
  readonly reject: { readonly approvals: readonly ApprovalRule[] };
  /** Where it is there: changes of others wait for one of these approvals before anything of theirs is run. */
  readonly trust?: Trust;
  readonly messages: {
    readonly start?: string;
    readonly success: string;
    readonly failure: string;
    readonly mergeFailure: string;
    readonly footer: string;
  };
  readonly start: readonly Reporter[];
  readonly success: readonly Reporter[];
  readonly failure: readonly Reporter[];
  /** The failure reporters where the layout names none. */
  readonly mergeFailure: readonly Reporter[];
  readonly disabled: readonly Reporter[];
  readonly dequeueOnNewPatchset: boolean;
  readonly ignoreDependencies: boolean;
  readonly disableAfterConsecutiveFailures?: number;
  readonly window: Window;
  readonly failFast: boolean;
  readonly supercedes: readonly string[];
  /** Shared change queues of a dependent pipeline, by common jobs. */
  readonly queues: readonly SharedQueue[];
}

export interface Window {
  /** 0: no limit. */
  readonly size: number;
  readonly floor: number;
  readonly increaseType: 'linear' | 'exponential';
  readonly increaseFactor: number;
  readonly decreaseType: 'linear' | 'exponential';
  readonly decreaseFactor: number;
}

export interface SharedQueue {
  /** `queue-name` of one of its jobs, or the project names joined by ", ". */
  readonly name: string;
  readonly assignedName?: string;
  readonly generatedName: string;
  readonly projects: readonly string[];
}

export type Trigger = GerritTrigger | TimerTrigger | ZuulTrigger;

export interface GerritTrigger {
  readonly kind: 'gerrit';
  readonly connection: string;
  readonly events: readonly string[];
  /** `match` (anchored at the start). */
  readonly branches: readonly string[];
  /** `match`, only for ref-updated. */
  readonly refs: readonly string[];
  readonly ignoreDeletes: boolean;
  /** All must be among the votes of the event itself. */
  readonly approvals: readonly { readonly label: string; readonly value: number }[];
  /** `search` on the person's text. */
  readonly comments: readonly string[];
  /** `search` on the acting account. */
  readonly emails: readonly string[];
  readonly usernames: readonly string[];
  readonly requireApprovals: readonly ApprovalRule[];
  readonly rejectApprovals: readonly ApprovalRule[];
  readonly place?: string;
}

export interface TimerTrigger {
  readonly kind: 'timer';
  readonly connection: string;
  readonly time: string;
  readonly place?: string;
}

export interface ZuulTrigger {
  readonly kind: 'zuul';
  readonly connection: string;
  readonly events: readonly ('parent-change-enqueued' | 'project-change-merged')[];
  readonly pipelines: readonly string[];
  readonly requireApprovals: readonly ApprovalRule[];
  readonly rejectApprovals: readonly ApprovalRule[];
  readonly place?: string;
}

export interface Requirement {
  readonly open?: boolean;
  readonly currentPatchset?: boolean;
  readonly status: readonly string[];
  readonly approvals: readonly ApprovalRule[];
}

/** People whose changes run at once, by `search`, and the approvals that let a stranger's patchset run. */
export interface Trust {
  readonly usernames: readonly string[];
  readonly emails: readonly string[];
  readonly approvals: readonly ApprovalRule[];
}

/** One approval must satisfy every part that is given. */
export interface ApprovalRule {
  readonly username?: string;
  readonly email?: string;
  /** Seconds. */
  readonly olderThan?: number;
  readonly newerThan?: number;
  /** Label, spaces as dashes and lower case → accepted values. */
  readonly labels: Readonly<Record<string, readonly number[]>>;
}

export interface Reporter {
  readonly connection: string;
  readonly driver: 'gerrit' | 'smtp' | 'sql';
  /** gerrit: labels to set. */
  readonly labels: Readonly<Record<string, number>>;
  readonly submit: boolean;
  /** Everything else as written (smtp: to, from, subject; sql: score; gerrit flags). */
  readonly options: Readonly<Record<string, string | number | boolean>>;
}

/** How a job behaves in pipelines; what it runs is in jobs/. */
export interface JobRule {
  readonly name: string;
  readonly voting: boolean;
  readonly holdFollowingChanges: boolean;
  readonly attempts: number;
  readonly queueName?: string;
  readonly mutex?: string;
  readonly semaphore?: { readonly name: string; readonly count: number };
  readonly tags: readonly string[];
  readonly branches: readonly string[];
  readonly files: readonly string[];
  readonly irrelevantFiles: readonly string[];
  readonly skipIf: readonly SkipIf[];
  readonly failureMessage?: string;
  readonly successMessage?: string;
  readonly failurePattern?: string;
  readonly successPattern?: string;
  readonly parameterFunction?: string;
  readonly swift: readonly Readonly<Record<string, unknown>>[];
  readonly failFast?: boolean;
  /** Its own entry, else the last metajob that applies, else where a project first names it. */
  readonly place?: string;
  /** Where a setting was said, if that is not `place`: metajobs hand settings on. */
  readonly places?: Readonly<Partial<Record<JobSetting, string>>>;
}

export type JobFilter = 'branches' | 'files' | 'irrelevantFiles' | 'skipIf';
export type JobSetting = Exclude<keyof JobRule, 'name' | 'place' | 'places'>;

export interface SkipIf {
  readonly project?: string;
  readonly branch?: string;
  readonly allFilesMatchAny: readonly string[];
}

export interface ProjectRule {
  readonly name: string;
  readonly mergeMode: MergeMode;
  /** Pipeline name → job tree. */
  readonly pipelines: Readonly<Record<string, readonly JobTree[]>>;
  readonly place?: string;
}

/** A job and the jobs that run only after it succeeded. */
export interface JobTree {
  readonly job: string;
  readonly children: readonly JobTree[];
}

/** What reading a layout gives: always the problems; the layout only when none of them is an error. */
export interface LayoutRead {
  readonly layout?: Layout;
  readonly problems: readonly Problem[];
}
