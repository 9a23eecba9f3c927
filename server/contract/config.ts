import { z } from 'zod';

/** How a job did lately. */
const Recent = z.object({
  uuid: z.string(),
  result: z.string(),
  /** ms; null when it never ran. */
  took: z.number().nullable(),
  at: z.number(),
});

const JobShort = z.object({
  name: z.string(),
  description: z.string().nullable(),
  /** Label expression of its node. */
  node: z.string(),
  voting: z.boolean(),
  /** What it usually takes, ms. */
  estimate: z.number().nullable(),
  /** Newest first. */
  recent: z.array(Recent),
  /** Pipelines that run it, with how many projects. */
  used: z.array(z.object({ pipeline: z.string(), projects: z.number() })),
});
export type JobShort = z.infer<typeof JobShort>;

export const JobList = z.object({ jobs: z.array(JobShort) });
export type JobList = z.infer<typeof JobList>;

export const JobView = JobShort.extend({
  /** file:line:column of its definition. */
  place: z.string().nullable(),
  /** ms */
  timeout: z.number().nullable(),
  /** With their defaults. */
  parameters: z.record(z.string(), z.string()),
  steps: z.number(),
  artifacts: z.array(z.string()),
  /** When it runs at all, beside the projects' own choice: `branch ^stable/`, `files ^docs/`. */
  rules: z.array(z.string()),
  attempts: z.number(),
  projects: z.array(z.object({ project: z.string(), pipelines: z.array(z.string()) })),
});
export type JobView = z.infer<typeof JobView>;

export const ProblemInConfig = z.object({
  severity: z.enum(['error', 'warning']),
  code: z.string(),
  message: z.string(),
  hint: z.string().nullable(),
  /** file:line:column */
  place: z.string().nullable(),
});

/** The configuration in force, in short. */
export const ConfigView = z.object({
  digest: z.string().nullable(),
  /** When it came into force, ms. */
  since: z.number().nullable(),
  /** When the files were last read, and whether they were taken. */
  read: z.object({ at: z.number(), taken: z.boolean(), problems: z.array(ProblemInConfig) }),
  pipelines: z.array(
    z.object({
      name: z.string(),
      description: z.string().nullable(),
      manager: z.string(),
      precedence: z.string(),
      window: z.number(),
      triggers: z.array(z.string()),
      success: z.array(z.string()),
      failure: z.array(z.string()),
      place: z.string().nullable(),
    }),
  ),
  projects: z.array(
    z.object({
      name: z.string(),
      mergeMode: z.string(),
      /** Jobs in the order of the layout; `depth` says how many must succeed before. */
      pipelines: z.record(z.string(), z.array(z.object({ job: z.string(), depth: z.number() }))),
      place: z.string().nullable(),
    }),
  ),
});
export type ConfigView = z.infer<typeof ConfigView>;
