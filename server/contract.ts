import { z } from 'zod';
import { BuildView } from './contract/builds.ts';

/**
 * What crosses the door: requests and answers of the HTTP API. Server, command line and pages all speak these shapes; the
 * OpenAPI document is generated from them. Times are milliseconds since the epoch, UTC.
 */

export * from './contract/builds.ts';
export * from './contract/changes.ts';
export * from './contract/config.ts';
export * from './contract/ledger.ts';
export * from './contract/nodes.ts';
export * from './contract/status.ts';

/** `1234,5` or `1234` (current patchset). */
const ChangeText = z.string().regex(/^[1-9]\d*(,[1-9]\d*)?$/, 'expected NUMBER or NUMBER,PATCHSET');
const ChangePatchset = z.string().regex(/^[1-9]\d*,[1-9]\d*$/, 'expected NUMBER,PATCHSET');

export const RunRequest = z.strictObject({
  job: z.string().min(1),
  change: ChangeText.optional(),
  params: z.record(z.string().regex(/^[A-Za-z_]\w*$/, 'expected a variable name'), z.string()).default({}),
  vote: z.boolean().default(false),
});
export type RunRequest = z.infer<typeof RunRequest>;

/** A run asked for by a person. `refused` says why; otherwise there is at most one build at a time, newest last. */
export const RunView = z.object({
  id: z.string(),
  state: z.enum(['accepted', 'waiting', 'running', 'finished', 'refused']),
  why: z.string().nullable(),
  builds: z.array(BuildView),
});
export type RunView = z.infer<typeof RunView>;

export const EnqueueRequest = z.strictObject({
  pipeline: z.string(),
  project: z.string(),
  change: ChangePatchset,
});
export type EnqueueRequest = z.infer<typeof EnqueueRequest>;

export const EnqueueRefRequest = z.strictObject({
  pipeline: z.string(),
  project: z.string(),
  ref: z.string(),
  oldrev: z.string().default('0'.repeat(40)),
  newrev: z.string().default('0'.repeat(40)),
});
export type EnqueueRefRequest = z.infer<typeof EnqueueRefRequest>;

export const DequeueRequest = z.strictObject({
  pipeline: z.string(),
  project: z.string(),
  change: ChangePatchset.optional(),
  ref: z.string().optional(),
});
export type DequeueRequest = z.infer<typeof DequeueRequest>;

export const PromoteRequest = z.strictObject({
  pipeline: z.string(),
  changes: z.array(ChangePatchset).min(1),
});
export type PromoteRequest = z.infer<typeof PromoteRequest>;

/** What was asked is written down; `id` finds what became of it in the ledger. */
export const Accepted = z.object({ id: z.string(), note: z.string().nullable() });
export type Accepted = z.infer<typeof Accepted>;

/** What reading the configuration again came to; a refusal is an error answer that tells every problem. */
export const ReloadView = z.object({
  changed: z.boolean(),
  summary: z.string(),
  /** Jobs, projects and pipelines that were added, removed or changed, a line each. */
  changes: z.array(z.string()).readonly(),
});
export type ReloadView = z.infer<typeof ReloadView>;

/** Why: one rule, `yes` or `no`, and the rules below it. */
export interface ExplainedView {
  readonly verdict: 'yes' | 'no';
  readonly text: string;
  /** file:line:column of the rule that decided. */
  readonly place?: string | undefined;
  readonly children: readonly ExplainedView[];
}
export const ExplainedView: z.ZodType<ExplainedView> = z
  .object({
    verdict: z.enum(['yes', 'no']),
    text: z.string(),
    place: z.string().optional(),
    get children() {
      return z.array(ExplainedView);
    },
  })
  .meta({ id: 'Explained' });

/** `notes`: what was not known when it was explained. */
export const ExplainView = z.object({ explanation: ExplainedView, notes: z.array(z.string()) });
export type ExplainView = z.infer<typeof ExplainView>;

/** An event that is supposed to happen to the change; without any of it: which pipelines would take the change if asked. */
export const ExplainQuery = z.object({
  connection: z.string().max(100).optional(),
  /** `comment-added` when a comment or a vote is given. */
  type: z.string().max(100).optional(),
  comment: z.string().max(10_000).optional(),
  user: z.string().max(200).optional(),
  email: z.string().max(200).optional(),
  /** `Code-Review=2`, may be given again. */
  vote: z
    .union([z.string().max(100), z.array(z.string().max(100)).max(20)])
    .optional()
    .transform((value) => (value === undefined ? [] : [value].flat())),
});
export type ExplainQuery = z.infer<typeof ExplainQuery>;

export const ExplainParams = z.object({ change: ChangeText });

/** Whose token it is. */
export const WhoView = z.object({ name: z.string() });
export type WhoView = z.infer<typeof WhoView>;

/** RFC 9457. `code` is a Fault's or Problem's. */
export const ProblemView = z.object({
  type: z.string(),
  title: z.string(),
  status: z.number(),
  detail: z.string(),
  code: z.string(),
  hint: z.string().nullable(),
});
export type ProblemView = z.infer<typeof ProblemView>;

export const HealthView = z.object({
  ready: z.boolean(),
  version: z.string(),
  parts: z.record(z.string(), z.object({ ok: z.boolean(), detail: z.string() })),
});
export type HealthView = z.infer<typeof HealthView>;
