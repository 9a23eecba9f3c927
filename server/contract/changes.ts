import { z } from 'zod';
import { BuildView } from './builds.ts';
import { ZuulItem } from './status.ts';

/** A turn of a change through a pipeline that is over: Zuul's buildset. */
export const PastItem = z.object({
  id: z.string(),
  pipeline: z.string(),
  change: z.string().nullable(),
  result: z.string(),
  detail: z.string().nullable(),
  enqueuedAt: z.number().nullable(),
  at: z.number(),
  /** Who asked for it, of a run by hand. */
  by: z.string().nullable(),
  builds: z.array(
    z.object({
      job: z.string(),
      uuid: z.string().nullable(),
      result: z.string(),
      startedAt: z.number().nullable(),
      finishedAt: z.number().nullable(),
    }),
  ),
});
export type PastItem = z.infer<typeof PastItem>;

/** What was said on a change. */
export const ReportView = z.object({
  at: z.number(),
  pipeline: z.string(),
  change: z.string(),
  phase: z.string(),
  message: z.string(),
  labels: z.record(z.string(), z.number()),
  submit: z.boolean(),
  /** What Gerrit made of it. */
  result: z.string(),
  detail: z.string().nullable(),
});
export type ReportView = z.infer<typeof ReportView>;

/** A change: where it is now, and what became of it before. */
export const ChangeView = z.object({
  number: z.string(),
  patchset: z.string().nullable(),
  project: z.string().nullable(),
  branch: z.string().nullable(),
  subject: z.string().nullable(),
  owner: z.string().nullable(),
  /** At Gerrit. */
  url: z.string().nullable(),
  live: z.array(z.object({ pipeline: z.string(), queue: z.string(), item: ZuulItem })),
  past: z.array(PastItem),
  reports: z.array(ReportView),
  builds: z.array(BuildView),
});
export type ChangeView = z.infer<typeof ChangeView>;
