import { z } from 'zod';
import {
  type Builder,
  type Conditional,
  Threshold,
  type Trigger,
  Undecided,
  type WhichBuild,
} from '../definition/builder.ts';
import { When, writeWhen } from './condition.ts';
import { compact, Patterns, Properties, type Written, writePatterns } from './words.ts';

/** One of `steps:`. A text is a shell script; everything else is a mapping that its first key names. */

const PYTHON = '#!/usr/bin/env python\n';

const Wait = z.strictObject({
  stop: Threshold.default('FAILURE').describe('From which result on this step fails at once.'),
  unstable: Threshold.default('UNSTABLE').describe('From which result on this build is unstable.'),
  failure: Threshold.default('FAILURE').describe('From which result on this build fails.'),
});

const TriggerStep = z.strictObject({
  jobs: z.array(z.string().min(1)).min(1),
  parameters: Properties.default(''),
  current: z.boolean().default(false).describe("Pass this build's own parameters on."),
  file: z.string().optional().describe('A properties file of the workspace.'),
  'file-required': z.boolean().default(true),
  wait: Wait.optional().describe('Wait for their end.'),
});

const Which: z.ZodType<WhichBuild> = z.union([
  z
    .enum([
      'last-successful',
      'last-stable',
      'last-completed',
      'last-failed',
      'last-unstable',
      'last-unsuccessful',
    ])
    .transform((word): WhichBuild => {
      if (word === 'last-successful' || word === 'last-stable')
        return { kind: 'last-successful', stable: word === 'last-stable' };
      return { kind: word };
    }),
  z.strictObject({ number: z.string() }).transform(({ number }): WhichBuild => ({ kind: 'number', number })),
  z
    .strictObject({ upstream: z.strictObject({ fallback: z.boolean().default(false) }) })
    .transform(({ upstream }): WhichBuild => ({ kind: 'upstream', ...upstream })),
  z
    .strictObject({ parameter: z.string() })
    .transform(({ parameter }): WhichBuild => ({ kind: 'parameter', name: parameter })),
]);

const CopyStep = z.strictObject({
  job: z.string().min(1),
  build: Which.prefault('last-successful'),
  files: Patterns.prefault('**'),
  except: Patterns.optional(),
  to: z.string().default('').describe('Folder in the workspace.'),
  flatten: z.boolean().default(false),
  optional: z.boolean().default(false).describe('No build or no file is no failure.'),
  variable: z.string().optional().describe('Gets the number of the build.'),
});

/** A builder of the site's own, until it is asked what it does (plugin.ts). */
export interface PluginStep {
  readonly kind: 'plugin';
  readonly name: string;
  readonly options: unknown;
}

/** A step as it is written: like a builder, but for plug-ins anywhere in it. */
export type NativeStep =
  | Exclude<Builder, Conditional>
  | PluginStep
  | (Omit<Conditional, 'steps'> & { readonly steps: readonly NativeStep[] });

export const Step: z.ZodType<NativeStep> = z.lazy(() =>
  z.union([
    z
      .string()
      .min(1)
      .transform((script): NativeStep => ({ kind: 'shell', script })),
    z
      .strictObject({ shell: z.string().min(1) })
      .transform(({ shell }): NativeStep => ({ kind: 'shell', script: shell })),
    z
      .strictObject({ python: z.string().min(1) })
      .transform(({ python }): NativeStep => ({ kind: 'shell', script: PYTHON + python })),
    z
      .strictObject({
        inject: z.strictObject({ variables: Properties.default(''), file: z.string().optional() }),
      })
      .transform(
        ({ inject: { variables, file } }): NativeStep => ({
          kind: 'inject',
          content: variables,
          ...(file === undefined ? {} : { file }),
        }),
      ),
    z.strictObject({ trigger: TriggerStep }).transform(({ trigger }): NativeStep => triggerOf(trigger)),
    z
      .strictObject({
        plugin: z.string().describe("A builder of the site's own."),
        options: z.unknown().optional(),
      })
      .transform(
        ({ plugin, options }): NativeStep => ({ kind: 'plugin', name: plugin, options: options ?? null }),
      ),
    z.strictObject({ copy: CopyStep }).transform(({ copy }): NativeStep => copyOf(copy)),
    z
      .strictObject({
        when: When,
        undecided: Undecided.default('fail').describe('When the condition cannot be told.'),
        steps: z.array(Step).min(1),
      })
      .transform(
        ({ when, undecided, steps }): NativeStep => ({
          kind: 'conditional',
          condition: when,
          undecided,
          steps,
        }),
      ),
  ]),
);

function triggerOf({ wait, file, ...given }: z.output<typeof TriggerStep>): Trigger {
  const { jobs, parameters, current, 'file-required': fileRequired } = given;
  return {
    kind: 'trigger',
    jobs,
    parameters,
    current,
    ...(file === undefined ? {} : { file }),
    fileRequired,
    ...(wait === undefined ? {} : { block: wait }),
  };
}

function copyOf(given: z.output<typeof CopyStep>): Builder {
  const { job, build, files, except = [], to, flatten, optional, variable } = given;
  const named = variable === undefined ? {} : { variable };
  return {
    kind: 'copy',
    job,
    which: build,
    include: files,
    exclude: except,
    target: to,
    flatten,
    optional,
    ...named,
  };
}

export function writeStep(step: Builder): Written {
  switch (step.kind) {
    case 'shell':
      return step.script.startsWith(PYTHON) && step.script.length > PYTHON.length
        ? { python: step.script.slice(PYTHON.length) }
        : step.script;
    case 'inject':
      return {
        inject: compact({ variables: step.content === '' ? undefined : step.content, file: step.file }),
      };
    case 'trigger':
      return {
        trigger: compact({
          jobs: step.jobs,
          parameters: step.parameters === '' ? undefined : step.parameters,
          current: step.current || undefined,
          file: step.file,
          'file-required': step.fileRequired ? undefined : false,
          wait: step.block,
        }),
      };
    case 'copy':
      return {
        copy: compact({
          job: step.job,
          build: writeWhich(step.which),
          files: writePatterns(step.include),
          except: step.exclude.length === 0 ? undefined : writePatterns(step.exclude),
          to: step.target === '' ? undefined : step.target,
          flatten: step.flatten || undefined,
          optional: step.optional || undefined,
          variable: step.variable,
        }),
      };
    case 'conditional':
      break;
  }
  return compact({
    when: writeWhen(step.condition),
    undecided: step.undecided === 'fail' ? undefined : step.undecided,
    steps: step.steps.map(writeStep),
  });
}

function writeWhich(which: WhichBuild): Written {
  switch (which.kind) {
    case 'last-successful':
      return which.stable ? 'last-stable' : 'last-successful';
    case 'number':
      return { number: which.number };
    case 'upstream':
      return { upstream: { fallback: which.fallback } };
    case 'parameter':
      return { parameter: which.name };
    case 'last-completed':
    case 'last-failed':
    case 'last-unstable':
    case 'last-unsuccessful':
      break;
  }
  return which.kind;
}
