import { z } from 'zod';

/**
 * What a job runs, after templates and macros: the form the executor understands. JJB files and the native form both end
 * here. Plain JSON; a discriminated union grows a member for every builder, wrapper and publisher that is supported.
 */

export const Builder = z.discriminatedUnion('kind', [
  /** Jenkins' "Execute shell": with a `#!` line that interpreter, without one `/bin/sh -xe`. */
  z.object({ kind: z.literal('shell'), script: z.string() }),
]);
export type Builder = z.infer<typeof Builder>;

export const Timeout = z.object({
  /** ms */
  limit: z.number().positive(),
  /** Fail the build (Jenkins' `fail: true`) instead of aborting it. */
  fail: z.boolean(),
  /** Name of a variable that gets the limit in ms (`BUILD_TIMEOUT`). */
  variable: z.string().optional(),
});
export type Timeout = z.infer<typeof Timeout>;

export const Publisher = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('archive'),
    /** ANT globs relative to the workspace. */
    include: z.array(z.string()),
    exclude: z.array(z.string()),
    allowEmpty: z.boolean(),
    onlyIfSuccess: z.boolean(),
  }),
]);
export type Publisher = z.infer<typeof Publisher>;

export const JobDefinition = z.object({
  name: z.string(),
  description: z.string().optional(),
  /** Jenkins label expression; empty: anywhere. */
  node: z.string(),
  builders: z.array(Builder),
  timeout: Timeout.optional(),
  timestamps: z.boolean(),
  publishers: z.array(Publisher),
  /** Parameters with their defaults. */
  parameters: z.record(z.string(), z.string()),
  /** Variables that are always set; parameters of the same name win. */
  environment: z.record(z.string(), z.string()).optional(),
  /** file:line:column of its definition. */
  place: z.string().optional(),
});
export type JobDefinition = z.infer<typeof JobDefinition>;
