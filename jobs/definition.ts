import { z } from 'zod';
import { Builder } from './definition/builder.ts';
import { NetworkSpec } from './definition/network.ts';
import { Publisher } from './definition/publisher.ts';

export { Builder } from './definition/builder.ts';
export { Publisher } from './definition/publisher.ts';

/**
 * What a job runs, after templates and macros: the form the executor understands. JJB files and the native form both end
 * here. Plain JSON; the discriminated unions have a member for every builder and publisher that is supported.
 */

export const Timeout = z.object({
  /** ms; of an elastic limit the one for a job without a history. */
  limit: z.number().positive(),
  /** Fail the build (Jenkins' `fail: true`) instead of aborting it. */
  fail: z.boolean(),
  /** Name of a variable that gets the limit in ms (`BUILD_TIMEOUT`). */
  variable: z.string().optional(),
  /**
   * `absolute` when left out. `no-activity`: so long without output. `elastic`: so many percent of the mean of the last
   * successful builds. `likely-stuck`: ten times that mean, a day without one.
   */
  strategy: z
    .discriminatedUnion('kind', [
      z.object({ kind: z.literal('absolute') }),
      z.object({ kind: z.literal('no-activity') }),
      z.object({ kind: z.literal('elastic'), percent: z.number(), builds: z.number() }),
      z.object({ kind: z.literal('likely-stuck') }),
    ])
    .optional(),
});
export type Timeout = z.infer<typeof Timeout>;

/** A secret of the site in a variable or a file, for the time of the build. */
export const Binding = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('text'), secret: z.string(), variable: z.string() }),
  /** `user:password` in two variables. */
  z.object({ kind: z.literal('pair'), secret: z.string(), user: z.string(), password: z.string() }),
  /** The variable has the path. */
  z.object({ kind: z.literal('file'), secret: z.string(), variable: z.string() }),
  /** A private key in an agent of the build's own (SSH_AUTH_SOCK). */
  z.object({ kind: z.literal('ssh-agent'), secret: z.string(), optional: z.boolean() }),
]);
export type Binding = z.infer<typeof Binding>;

/** How many builds of a job, or of a category of jobs, may run at a time; more wait for a node. */
export const Throttle = z.object({ name: z.string(), total: z.number().int().positive() });
export type Throttle = z.infer<typeof Throttle>;

/** How long logs (`days`, `builds`) and artifacts of a job stay, where that is shorter than the site's own rule. */
export const Discard = z.object({
  days: z.number().positive().optional(),
  builds: z.number().positive().optional(),
  artifactDays: z.number().positive().optional(),
  artifactBuilds: z.number().positive().optional(),
});
export type Discard = z.infer<typeof Discard>;

/** What a job says of the nodes beside the one it runs on; what it leaves out nodepool.yaml says of the label. */
export const NodeWish = z.object({
  /** Nodes of the same label beside the primary; 0: as many as nodepool.yaml says of the label. */
  subnodes: z.int().min(0).optional(),
  /** Or each by name; the first is the primary. */
  members: z
    .array(z.object({ name: z.string(), label: z.string() }))
    .min(1)
    .optional(),
  groups: z.record(z.string(), z.array(z.string())).optional(),
  network: NetworkSpec.optional(),
});
export type NodeWish = z.infer<typeof NodeWish>;

export const JobDefinition = z.object({
  name: z.string(),
  description: z.string().optional(),
  /** Jenkins label expression, or the name of a node set; empty: anywhere. Of several nodes: that of the primary. */
  node: z.string(),
  nodes: NodeWish.optional(),
  builders: z.array(Builder),
  timeout: Timeout.optional(),
  timestamps: z.boolean(),
  publishers: z.array(Publisher),
  /** Parameters with their defaults. */
  parameters: z.record(z.string(), z.string()),
  /** Parameters that are shown as `****` and never in a console. */
  passwords: z.array(z.string()).optional(),
  /** Variables that are always set; parameters of the same name win. */
  environment: z.record(z.string(), z.string()).optional(),
  bindings: z.array(Binding).optional(),
  throttle: Throttle.optional(),
  discard: Discard.optional(),
  /** Jenkins' cron lines, `H` allowed: the job is also run at these times, for no change. */
  timed: z.string().optional(),
  /** file:line:column of its definition. */
  place: z.string().optional(),
});
export type JobDefinition = z.infer<typeof JobDefinition>;
