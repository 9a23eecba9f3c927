import { z } from 'zod';

/**
 * What crosses the door: requests and answers of the HTTP API. Server, command line and pages all speak these shapes; the
 * OpenAPI document is generated from them. Times are milliseconds since the epoch, UTC.
 */

export const BuildView = z.object({
  uuid: z.string(),
  job: z.string(),
  pipeline: z.string(),
  project: z.string(),
  /** `1234,5`; null for refs, timers and runs without a change. */
  change: z.string().nullable(),
  ref: z.string().nullable(),
  voting: z.boolean(),
  /** null while it waits or runs. */
  result: z.string().nullable(),
  /** One sentence about a failure. */
  detail: z.string().nullable(),
  state: z.enum(['waiting', 'running', 'finished', 'canceled']),
  node: z.string().nullable(),
  queuedAt: z.number().nullable(),
  startedAt: z.number().nullable(),
  finishedAt: z.number().nullable(),
  /** Where its logs are read. */
  url: z.string().nullable(),
});
export type BuildView = z.infer<typeof BuildView>;

export const BuildQuery = z.object({
  job: z.string().optional(),
  project: z.string().optional(),
  pipeline: z.string().optional(),
  /** `1234` or `1234,5`. */
  change: z.string().optional(),
  result: z.string().optional(),
  limit: z.coerce.number().int().min(1).max(500).default(50),
  /** `next` of the page before. */
  cursor: z.string().optional(),
});
export type BuildQuery = z.infer<typeof BuildQuery>;

export const BuildPage = z.object({ builds: z.array(BuildView), next: z.string().nullable() });
export type BuildPage = z.infer<typeof BuildPage>;

/** `?offset=4096&follow=1` */
export const ConsoleQuery = z.object({
  /** Byte to begin with. */
  offset: z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER).default(0),
  /** Stay until the build has ended. */
  follow: z
    .enum(['0', '1', 'true', 'false'])
    .default('0')
    .transform((text) => text === '1' || text === 'true'),
});

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

/** One entry of the ledger. */
export const EventView = z.object({
  seq: z.number(),
  at: z.number(),
  kind: z.string(),
  /** Of Gerrit's events: `patchset-created`, ... */
  type: z.string().nullable(),
  via: z.string().nullable(),
  project: z.string().nullable(),
  change: z.string().nullable(),
  by: z.string().nullable(),
  /** What became of it; null while it waits. */
  note: z.string().nullable(),
});
export type EventView = z.infer<typeof EventView>;

export const EventPage = z.object({ events: z.array(EventView), next: z.string().nullable() });
export type EventPage = z.infer<typeof EventPage>;

/** Of the ledger, newest first. */
export const EventQuery = z.object({
  /** Only what was filed since then. */
  since: z.coerce.number().int().min(0).optional(),
  kind: z.string().max(100).optional(),
  type: z.string().max(100).optional(),
  limit: z.coerce.number().int().min(1).max(500).default(50),
  /** `next` of the page before. */
  cursor: z
    .string()
    .regex(/^\d{1,15}$/)
    .optional(),
});
export type EventQuery = z.infer<typeof EventQuery>;

export const LedgerQuery = z.object({
  /** ms; only what was filed since then. */
  since: z.coerce.number().int().min(0).default(0),
});

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

/** Zuul v2's status.json, field by field (zuul-v2.md 4). Times in ms, `estimated_time` in seconds. What more there is passes. */
const ZuulJob = z.looseObject({
  name: z.string(),
  voting: z.boolean(),
  result: z.string().nullable(),
  url: z.string().nullable(),
  uuid: z.string().nullable(),
  start_time: z.number().nullable(),
  elapsed_time: z.number().nullable(),
  remaining_time: z.number().nullable(),
  /** Seconds; null while nothing is known. */
  estimated_time: z.number().nullable().optional(),
  /** What it waits for, in words; null once it runs. */
  waiting: z.string().nullable().optional(),
  /** One sentence about a failure. */
  detail: z.string().nullable().optional(),
  node_name: z.string().nullable().optional(),
  retry: z.number().optional(),
});
export type ZuulJob = z.infer<typeof ZuulJob>;

const ZuulItem = z.looseObject({
  /** `1234,5`, a new revision, or null. */
  id: z.string().nullable(),
  project: z.string(),
  url: z.string().nullable(),
  live: z.boolean(),
  active: z.boolean(),
  failing_reasons: z.array(z.string()).readonly(),
  enqueue_time: z.number(),
  remaining_time: z.number().nullable(),
  subject: z.string().nullable().optional(),
  branch: z.string().nullable().optional(),
  owner: z.object({ name: z.string().nullable() }).optional(),
  /** Id of the item it stands on; null at the head. */
  item_ahead: z.string().nullable().optional(),
  /** What it waits for, in words; null while its jobs run. */
  waiting: z.string().nullable().optional(),
  jobs: z.array(ZuulJob).readonly(),
});

export const ZuulStatus = z.looseObject({
  zuul_version: z.string(),
  last_reconfigured: z.number().nullable(),
  /** Events whose change is being asked about. */
  trigger_event_queue: z.object({ length: z.number() }).optional(),
  pipelines: z
    .array(
      z.looseObject({
        name: z.string(),
        description: z.string().nullable().optional(),
        /** Too many failures in a row: it reports to nobody but its `disabled` reporters. */
        disabled: z.boolean().optional(),
        change_queues: z
          .array(
            z.looseObject({
              name: z.string(),
              window: z.number(),
              heads: z.array(z.array(ZuulItem).readonly()).readonly(),
            }),
          )
          .readonly(),
      }),
    )
    .readonly(),
});
export type ZuulStatus = z.infer<typeof ZuulStatus>;
export type ZuulItem = z.infer<typeof ZuulItem>;
export type ZuulPipeline = ZuulStatus['pipelines'][number];
export type ZuulQueue = ZuulPipeline['change_queues'][number];
