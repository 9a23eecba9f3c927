import { z } from 'zod';

/** Zuul v2's status.json, field by field (zuul-v2.md 4). Times in ms, `estimated_time` in seconds. What more there is passes. */
export const ZuulJob = z.looseObject({
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

export const ZuulItem = z.looseObject({
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
