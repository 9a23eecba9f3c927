import { z } from 'zod';

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

/** Whose fault a build that did not succeed is, as far as its result tells. */
export const Blame = z.object({
  who: z.enum(['change', 'ci', 'person', 'job', 'unclear']),
  /** One sentence for whoever has to do something about it. */
  text: z.string(),
});
export type Blame = z.infer<typeof Blame>;

/** The end of a console, for a page that says what went wrong. Lines are counted from 1. */
export const Excerpt = z.object({
  /** Line of the first of `lines`. */
  from: z.number(),
  lines: z.array(z.string()),
  /** The last line before the build was over. */
  failedAt: z.number(),
  /** All lines of the console. */
  total: z.number(),
  /** The step that was running. */
  step: z.object({ number: z.number(), name: z.string(), line: z.number() }).nullable(),
  /** Lines that tell what went wrong, in the forms of tempest, testr, pytest and DevStack; the first of them. */
  telling: z.array(z.object({ line: z.number(), kind: z.enum(['test', 'setup']), text: z.string() })),
});
export type Excerpt = z.infer<typeof Excerpt>;

export const ArtifactView = z.object({
  /** As the build called it. */
  path: z.string(),
  href: z.string(),
  /** Bytes. */
  size: z.number(),
});
export type ArtifactView = z.infer<typeof ArtifactView>;

/** Everything about one build. */
export const BuildDetail = BuildView.extend({
  branch: z.string().nullable(),
  /** Per job, from 1. */
  number: z.number().nullable(),
  blame: Blame.nullable(),
  /** What the job usually takes, ms. */
  estimate: z.number().nullable(),
  /** Its logs on this server, with a trailing slash. */
  logs: z.string().nullable(),
  /** Of a build that ended without success, once its log is complete. */
  excerpt: Excerpt.nullable(),
  /** What it was told; null until its log is complete. */
  params: z.record(z.string(), z.string()).nullable(),
  artifacts: z.array(ArtifactView),
  /** Artifacts that are not listed here. */
  moreArtifacts: z.number(),
});
export type BuildDetail = z.infer<typeof BuildDetail>;

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
