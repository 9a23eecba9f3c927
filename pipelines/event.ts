import { z } from 'zod';
import { Account, Change } from './change.ts';

/**
 * Every fact that can enter the kernel: past tense, immutable, JSON. The union is also the format of the journal, so
 * a field may be added but never change its meaning. `at` is milliseconds since the epoch, taken where the fact was made.
 *
 * Facts that answer an action carry the action's id; a fact whose action nobody waits for any more is recorded and ignored.
 */

const at = z.number();
const action = z.string();

/** An event of Gerrit's stream, reduced to what pipelines match on. Unknown types pass through with what they have. */
export const GerritEvent = z.object({
  kind: z.literal('GerritEvent'),
  at,
  connection: z.string(),
  /** `reconcile`: Gerrit never delivered it (or not to us); a query proved that it happened. */
  via: z.enum(['stream', 'reconcile']),
  type: z.string(),
  project: z.string().optional(),
  /** Short name of the branch, for events about a change. */
  branch: z.string().optional(),
  number: z.string().optional(),
  patchset: z.string().optional(),
  revision: z.string().optional(),
  /** Who acted: uploader, author, abandoner, restorer, submitter, reviewer, changer. */
  account: Account.optional(),
  /** comment-added: the text as Gerrit sent it, `Patch Set 1:` header included. */
  comment: z.string().optional(),
  /** comment-added: patchset-level comments, where a Gerrit sends them apart. */
  patchsetComments: z.array(z.string()).optional(),
  /** comment-added: the author's current vote per label; `oldValue` is there only if this post changed it. */
  approvals: z
    .array(z.object({ label: z.string(), value: z.number(), oldValue: z.number().optional() }))
    .optional(),
  /** ref-updated. */
  ref: z.string().optional(),
  oldRev: z.string().optional(),
  newRev: z.string().optional(),
  /** Server clock, seconds (`eventCreatedOn`). */
  createdOn: z.number().optional(),
});
export type GerritEvent = z.infer<typeof GerritEvent>;

/** A validated configuration is in force from here on. The layout itself lies in the configuration table under `digest`. */
export const Configured = z.object({ kind: z.literal('Configured'), at, digest: z.string() });

/** Time has come to `at`: timers, ages and deadlines are judged by it. */
export const Tick = z.object({ kind: z.literal('Tick'), at });

/** Answer to `fetch`: the change, and every change that it needs or that needs it, as Gerrit saw them at one time. */
export const ChangeFetched = z.object({
  kind: z.literal('ChangeFetched'),
  at,
  action,
  outcome: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('found'), change: Change, related: z.array(Change) }),
    z.object({ kind: z.literal('absent'), reason: z.string() }),
    z.object({ kind: z.literal('cycle'), path: z.array(z.string()) }),
    z.object({ kind: z.literal('failed'), reason: z.string() }),
  ]),
});
export type ChangeFetched = z.infer<typeof ChangeFetched>;

/** Answer to `merge`. `commit` is the tip of the last change; `conflict` names the change that did not apply. */
export const MergeFinished = z.object({
  kind: z.literal('MergeFinished'),
  at,
  action,
  outcome: z.discriminatedUnion('kind', [
    z.object({
      kind: z.literal('merged'),
      commit: z.string(),
      /** Base URL of the git server that has the ref (`ZUUL_URL`). */
      url: z.string(),
      /** Per (project, branch): the branch tip everything was built on. */
      bases: z.array(z.object({ project: z.string(), branch: z.string(), commit: z.string() })),
      /** Tree of `commit`, to compare with what a submit made of it. */
      tree: z.string().optional(),
      /** Tree that the last change was merged onto: what its branch must hold when it is submitted. */
      onto: z.string().optional(),
    }),
    z.object({
      kind: z.literal('conflict'),
      number: z.string(),
      patchset: z.string(),
      files: z.array(z.string()),
    }),
    z.object({ kind: z.literal('failed'), reason: z.string() }),
  ]),
});
export type MergeFinished = z.infer<typeof MergeFinished>;

/** Answer to `acquire`. */
export const NodesAnswered = z.object({
  kind: z.literal('NodesAnswered'),
  at,
  action,
  outcome: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('granted'), lease: z.string(), nodes: z.array(z.string()) }),
    z.object({ kind: z.literal('refused'), reason: z.string() }),
  ]),
});
export type NodesAnswered = z.infer<typeof NodesAnswered>;

export const BuildStarted = z.object({
  kind: z.literal('BuildStarted'),
  at,
  /** Id of the `build` action. */
  action,
  node: z.string(),
  /** Where people read it while it runs and afterwards. */
  url: z.string(),
});
export type BuildStarted = z.infer<typeof BuildStarted>;

/** Answer to `build`. A `lost` build has no verdict: its node went away or its supervisor was killed (Zuul retries those). */
export const BuildFinished = z.object({
  kind: z.literal('BuildFinished'),
  at,
  action,
  outcome: z.discriminatedUnion('kind', [
    z.object({
      kind: z.literal('finished'),
      /** SUCCESS, FAILURE, UNSTABLE, TIMED_OUT, ABORTED, POST_FAILURE, DISK_FULL, ...: the word in the report. */
      result: z.string(),
      url: z.string(),
      startedAt: z.number(),
      finishedAt: z.number(),
      /** One sentence about the failure, for the page and the report. */
      detail: z.string().optional(),
    }),
    z.object({ kind: z.literal('lost'), reason: z.string() }),
  ]),
});
export type BuildFinished = z.infer<typeof BuildFinished>;

/** Answer to `report`. */
export const Reported = z.object({
  kind: z.literal('Reported'),
  at,
  action,
  outcome: z.discriminatedUnion('kind', [
    /** `merged` is there when the action asked to submit and Gerrit was read back. */
    z.object({
      kind: z.literal('posted'),
      merged: z.boolean().optional(),
      note: z.string().optional(),
      /** It is merged, and the branch holds something else than what was tested: a person must look. */
      alarm: z.string().optional(),
    }),
    /** Not submitted: its branch holds something else than what the change was tested on. */
    z.object({ kind: z.literal('moved'), reason: z.string() }),
    z.object({ kind: z.literal('refused'), reason: z.string() }),
  ]),
});
export type Reported = z.infer<typeof Reported>;

/** What a person, or a tool with a token, asked for. `id` is made by the asker, so that asking twice is asking once. */
const asked = { at, id: z.string(), by: z.string() };

export const RunRequested = z.object({
  kind: z.literal('RunRequested'),
  ...asked,
  job: z.string(),
  connection: z.string().optional(),
  change: z.object({ number: z.string(), patchset: z.string().optional() }).optional(),
  params: z.record(z.string(), z.string()),
  /** Names of further parameters, whose values are secret: they lie in the store, encrypted, under this request's id. */
  sealed: z.array(z.string()).optional(),
  /** The build (its uuid) that asked for it: ends with it, unless that one has ended before. */
  upstream: z.string().optional(),
  /** Report to Gerrit as the pipeline that runs this job for the change's project would. */
  vote: z.boolean(),
});
export type RunRequested = z.infer<typeof RunRequested>;

export const EnqueueRequested = z.object({
  kind: z.literal('EnqueueRequested'),
  ...asked,
  pipeline: z.string(),
  project: z.string(),
  number: z.string(),
  patchset: z.string(),
});

export const EnqueueRefRequested = z.object({
  kind: z.literal('EnqueueRefRequested'),
  ...asked,
  pipeline: z.string(),
  project: z.string(),
  ref: z.string(),
  oldRev: z.string(),
  newRev: z.string(),
});

export const DequeueRequested = z.object({
  kind: z.literal('DequeueRequested'),
  ...asked,
  pipeline: z.string(),
  project: z.string(),
  number: z.string().optional(),
  patchset: z.string().optional(),
  ref: z.string().optional(),
});

export const PromoteRequested = z.object({
  kind: z.literal('PromoteRequested'),
  ...asked,
  pipeline: z.string(),
  /** `number,patchset`, in the order wanted. */
  changes: z.array(z.string()),
});

export const TimerRequested = z.object({
  kind: z.literal('TimerRequested'),
  ...asked,
  pipeline: z.string(),
  timespec: z.string(),
});

export const CancelRequested = z.object({ kind: z.literal('CancelRequested'), ...asked, build: z.string() });

export const Fact = z.discriminatedUnion('kind', [
  GerritEvent,
  Configured,
  Tick,
  ChangeFetched,
  MergeFinished,
  NodesAnswered,
  BuildStarted,
  BuildFinished,
  Reported,
  RunRequested,
  EnqueueRequested,
  EnqueueRefRequested,
  DequeueRequested,
  PromoteRequested,
  TimerRequested,
  CancelRequested,
]);
export type Fact = z.infer<typeof Fact>;
export type FactKind = Fact['kind'];
