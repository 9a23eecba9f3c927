import { z } from 'zod';
import { Condition, Status } from './condition.ts';

/** What a job does on its node, step by step. */

/** Jenkins' "Execute shell": with a `#!` line that interpreter, without one `/bin/sh -xe`. */
const Shell = z.object({ kind: z.literal('shell'), script: z.string() });

/** EnvInject: variables for the steps after it, from a Java properties file of the workspace, then from a text. */
const Inject = z.object({ kind: z.literal('inject'), file: z.string().optional(), content: z.string() });

/** A result at which a triggered build counts against this one; `never`: it does not. */
export const Threshold = z.union([z.literal('never'), Status]);
export type Threshold = z.infer<typeof Threshold>;

/** Builds of other jobs, by the Parameterized Trigger plugin's rules. */
const Trigger = z.object({
  kind: z.literal('trigger'),
  jobs: z.array(z.string()),
  /** Java properties, with the build's variables. */
  parameters: z.string(),
  /** Pass this build's own parameters on. */
  current: z.boolean(),
  /** A properties file of the workspace. */
  file: z.string().optional(),
  /** A missing file fails the step. */
  fileRequired: z.boolean(),
  /** Wait for their end; which of their results fails the step at once, makes this build unstable, or fails it. */
  block: z.object({ stop: Threshold, unstable: Threshold, failure: Threshold }).optional(),
});
export type Trigger = z.infer<typeof Trigger>;

/** Which build of another job artifacts are taken from. */
export const WhichBuild = z.discriminatedUnion('kind', [
  /** SUCCESS or UNSTABLE; `stable`: only SUCCESS. */
  z.object({ kind: z.literal('last-successful'), stable: z.boolean() }),
  z.object({ kind: z.literal('last-completed') }),
  z.object({ kind: z.literal('last-failed') }),
  z.object({ kind: z.literal('last-unstable') }),
  z.object({ kind: z.literal('last-unsuccessful') }),
  z.object({ kind: z.literal('number'), number: z.string() }),
  /** The build of that job that triggered this one. */
  z.object({ kind: z.literal('upstream'), fallback: z.boolean() }),
  /** A build number in a variable. */
  z.object({ kind: z.literal('parameter'), name: z.string() }),
]);
export type WhichBuild = z.infer<typeof WhichBuild>;

const Copy = z.object({
  kind: z.literal('copy'),
  job: z.string(),
  which: WhichBuild,
  include: z.array(z.string()),
  exclude: z.array(z.string()),
  /** Folder in the workspace. */
  target: z.string(),
  flatten: z.boolean(),
  /** No build or no file is no failure. */
  optional: z.boolean(),
  /** Variable that gets the number of the build. */
  variable: z.string().optional(),
});
export type Copy = z.infer<typeof Copy>;

/** What becomes of the build when a condition cannot be told. */
export const Undecided = z.enum(['fail', 'run', 'skip']);

export interface Conditional {
  readonly kind: 'conditional';
  readonly condition: Condition;
  readonly undecided: z.infer<typeof Undecided>;
  readonly steps: readonly Builder[];
}

export type Builder =
  | z.infer<typeof Shell>
  | z.infer<typeof Inject>
  | z.infer<typeof Trigger>
  | z.infer<typeof Copy>
  | Conditional;

export const Builder: z.ZodType<Builder> = z.lazy(() =>
  z.discriminatedUnion('kind', [
    Shell,
    Inject,
    Trigger,
    Copy,
    z.object({
      kind: z.literal('conditional'),
      condition: Condition,
      undecided: Undecided,
      steps: z.array(Builder),
    }),
  ]),
);
