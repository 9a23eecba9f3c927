import { z } from 'zod';
import { NodeWish } from '../jobs/definition.ts';

/**
 * Every wish that can leave the kernel: imperative, JSON, with a deterministic id. Wishing twice with one id is wishing
 * once, wherever the id goes: the outbox, BullMQ's job id (so no `:` and never a bare integer), an effect's record.
 */

/** Letters, digits, `-`, `_`, `.`; starts with a letter. */
export const ActionId = z.string().regex(/^[a-z][A-Za-z0-9._-]*$/);
export type ActionId = z.infer<typeof ActionId>;

export const Precedence = z.enum(['high', 'normal', 'low']);
export type Precedence = z.infer<typeof Precedence>;

/** Ask Gerrit about a change until the answer is as new as what we already know happened. */
export const FetchAction = z.object({
  kind: z.literal('fetch'),
  id: ActionId,
  connection: z.string(),
  number: z.string(),
  /** Without it: the current patchset. */
  patchset: z.string().optional(),
  /** An answer that does not know this patchset yet is stale and is asked for again (Gerrit's reads lag its events). */
  expect: z.object({
    patchset: z.string().optional(),
    revision: z.string().optional(),
    status: z.string().optional(),
  }),
  /** Also find the open changes that need this one (a dependent pipeline may pull them in). */
  dependents: z.boolean(),
  /** Also find every open change of its project: they come in `related` (project-change-merged triggers). */
  siblings: z.boolean().optional(),
  /** Also follow `Depends-On:` lines that give the address of a change (Stackgate's dialect). */
  addresses: z.boolean().optional(),
});
export type FetchAction = z.infer<typeof FetchAction>;

export const MergeMode = z.enum(['merge', 'merge-resolve', 'cherry-pick']);
export type MergeMode = z.infer<typeof MergeMode>;

/** One change of a speculative stack. */
export const MergeEntry = z.object({
  connection: z.string(),
  project: z.string(),
  branch: z.string(),
  number: z.string(),
  patchset: z.string(),
  /** `refs/changes/34/1234/5` */
  refspec: z.string(),
  revision: z.string(),
  mode: MergeMode,
  /** `refs/zuul/<branch>/Z<32 hex>` under which the state after this change is published. */
  ref: z.string(),
});
export type MergeEntry = z.infer<typeof MergeEntry>;

export const MergeAction = z.object({
  kind: z.literal('merge'),
  id: ActionId,
  precedence: Precedence,
  /** Furthest ahead first, the item's own change last. */
  stack: z.array(MergeEntry).min(1),
});
export type MergeAction = z.infer<typeof MergeAction>;

/** What a build needs to stand on; `label` is a Jenkins label expression, or the name of a node set. */
export const NodeSpec = NodeWish.extend({ label: z.string() });
export type NodeSpec = z.infer<typeof NodeSpec>;

/** Borrow nodes for one build. Answered by NodesAnswered; given back by `release`. */
export const AcquireAction = z.object({
  kind: z.literal('acquire'),
  id: ActionId,
  /** The build they are for (its action id). */
  build: z.string(),
  job: z.string(),
  pipeline: z.string(),
  precedence: Precedence,
  nodes: NodeSpec,
});
export type AcquireAction = z.infer<typeof AcquireAction>;

/** Run one job once. `id` is `build-<uuid>`; `uuid` is ZUUL_UUID. */
export const BuildAction = z.object({
  kind: z.literal('build'),
  id: ActionId,
  uuid: z.string().regex(/^[0-9a-f]{32}$/),
  /** Build number as Jenkins counts them: per job, from 1. */
  number: z.number().int(),
  job: z.string(),
  pipeline: z.string(),
  project: z.string(),
  /** The configuration that holds the job's definition. */
  config: z.string(),
  lease: z.string(),
  /** ZUUL_* and the person's parameters (zuul-v2.md 3.2). */
  params: z.record(z.string(), z.string()),
  /** Parameters whose values are secret: by name here, encrypted in the store under the request that gave them. */
  sealed: z.object({ request: z.string(), names: z.array(z.string()) }).optional(),
  /** `34/1234/5/check/job/0abc123`: where the logs go, relative to the site. */
  logPath: z.string(),
});
export type BuildAction = z.infer<typeof BuildAction>;

export const StopReason = z.enum([
  'superseded',
  'abandoned',
  'dequeued',
  'rebased',
  'reconfigured',
  'requested',
  'not-needed',
  /** The build that triggered it was stopped or lost. */
  'upstream',
]);
export type StopReason = z.infer<typeof StopReason>;

/** Stop another action, whatever state it is in. Its late answer is ignored. */
export const CancelAction = z.object({
  kind: z.literal('cancel'),
  id: ActionId,
  target: ActionId,
  reason: StopReason,
});
export type CancelAction = z.infer<typeof CancelAction>;

export const ReleaseAction = z.object({
  kind: z.literal('release'),
  id: ActionId,
  lease: z.string(),
  acquire: ActionId,
  /** A cancelled build that may still hold the nodes: give them back only when it is done (Store.isDone). */
  after: ActionId.optional(),
});
export type ReleaseAction = z.infer<typeof ReleaseAction>;

/** Say something on a change, once. Read back before it is said again. */
export const ReportAction = z.object({
  kind: z.literal('report'),
  id: ActionId,
  connection: z.string(),
  project: z.string(),
  branch: z.string(),
  number: z.string(),
  patchset: z.string(),
  revision: z.string(),
  pipeline: z.string(),
  phase: z.enum(['start', 'success', 'failure', 'merge-failure', 'disabled', 'dequeue']),
  message: z.string(),
  labels: z.record(z.string(), z.number()),
  submit: z.boolean(),
  /**
   * What was tested, for the checks around a submit: the tip everything was built on, the tree the change was merged onto
   * (what the branch must hold before), and the tree that came out (what it must hold afterwards).
   */
  tested: z
    .object({
      base: z.string(),
      commit: z.string(),
      tree: z.string().optional(),
      onto: z.string().optional(),
    })
    .optional(),
});
export type ReportAction = z.infer<typeof ReportAction>;

export const MailAction = z.object({
  kind: z.literal('mail'),
  id: ActionId,
  connection: z.string(),
  from: z.string().optional(),
  to: z.string().optional(),
  subject: z.string(),
  message: z.string(),
});
export type MailAction = z.infer<typeof MailAction>;

export const Action = z.discriminatedUnion('kind', [
  FetchAction,
  MergeAction,
  AcquireAction,
  BuildAction,
  CancelAction,
  ReleaseAction,
  ReportAction,
  MailAction,
]);
export type Action = z.infer<typeof Action>;
export type ActionKind = Action['kind'];
export type ActionOf<K extends ActionKind> = Extract<Action, { kind: K }>;
