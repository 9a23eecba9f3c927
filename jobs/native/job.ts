import { z } from 'zod';
import type { Builder } from '../definition/builder.ts';
import { Network } from '../definition/network.ts';
import type { Publisher } from '../definition/publisher.ts';
import type { Binding, JobDefinition, Timeout } from '../definition.ts';
import { parseLabel } from '../label.ts';
import { AfterSteps, Artifact, Mail, Publish, Result, writePublishers } from './publish.ts';
import { Step, writeStep } from './step.ts';
import { compact, Duration, Value, Variable, writeDuration } from './words.ts';

/** A job in the native form, and back. Descriptions here are what editors show (`stackgate schema`). */

const Nodes = z.string().superRefine((text, context) => {
  const label = parseLabel(text);
  if (label.kind === 'wrong') context.addIssue({ code: 'custom', message: label.message });
});

const NodeName = z.string().regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'expected a host name');
const Beside = z.union([
  z
    .strictObject({
      label: Nodes.describe('Of all of them.'),
      subnodes: z.int().min(1).describe('Nodes beside the primary, on which the job runs.'),
      network: Network.optional().describe(
        'What joins them, instead of what nodepool.yaml says of the label.',
      ),
    })
    .transform(({ label, subnodes, network }) => {
      return { label, nodes: { subnodes, ...(network === undefined ? {} : { network }) } };
    }),
  z
    .strictObject({
      nodes: z
        .array(z.strictObject({ name: NodeName, label: Nodes }))
        .min(1)
        .describe('By name. One named `primary`, else the first, is the primary.'),
      groups: z
        .record(z.string().min(1), z.array(z.string()))
        .optional()
        .describe('Names for several of them.'),
      network: Network.optional().describe('What joins them.'),
    })
    .superRefine(({ nodes, groups = {} }, context) => {
      const names = nodes.map(({ name }) => name);
      names.forEach((name, index) => {
        if (names.indexOf(name) !== index)
          context.addIssue({
            code: 'custom',
            message: `\`${name}\` is there twice`,
            path: ['nodes', index, 'name'],
          });
      });
      for (const [group, members] of Object.entries(groups))
        members.forEach((name, index) => {
          if (!names.includes(name))
            context.addIssue({
              code: 'custom',
              message: `there is no node \`${name}\``,
              path: ['groups', group, index],
            });
        });
    })
    .transform(({ nodes, groups, network }) => {
      const members = nodes.toSorted((a, b) => Number(b.name === 'primary') - Number(a.name === 'primary'));
      const more = {
        ...(groups === undefined ? {} : { groups }),
        ...(network === undefined ? {} : { network }),
      };
      return { label: members[0]?.label ?? '', nodes: { members, ...more } };
    }),
]);
const Where = z.union([Nodes.transform((label) => ({ label, nodes: undefined })), Beside]);

const Limit = z.union([
  Duration.transform((limit): Timeout => ({ limit, fail: true })),
  z
    .strictObject({
      limit: Duration.describe('How long it may run; with `percent` only while it has no history.'),
      idle: z.boolean().optional().describe('Counted from its last output.'),
      percent: z.number().positive().optional().describe('Of the mean of its last successful builds.'),
      builds: z.int().min(1).default(3).describe('How many of them.'),
      stuck: z.boolean().optional().describe('Ten times that mean.'),
      fail: z.boolean().default(true).describe('Fail the build instead of aborting it.'),
      variable: Variable.optional().describe('Gets the limit in ms.'),
    })
    .transform(
      ({ limit, idle, percent, builds, stuck, fail, variable }): Timeout => ({
        limit,
        fail,
        ...(variable === undefined ? {} : { variable }),
        ...(idle === true ? { strategy: { kind: 'no-activity' as const } } : {}),
        ...(percent === undefined ? {} : { strategy: { kind: 'elastic' as const, percent, builds } }),
        ...(stuck === true ? { strategy: { kind: 'likely-stuck' as const } } : {}),
      }),
    ),
]);

const Parameter = z.union([
  Value.transform((value) => ({ value, secret: false })),
  z
    .strictObject({
      default: Value.prefault(''),
      secret: z.boolean().default(false).describe('Never shown.'),
    })
    .transform(({ default: value, secret }) => ({ value, secret })),
]);

const SecretName = z.string().min(1);

export const NativeJob = z.strictObject({
  description: z.string().optional(),
  nodes: Where.prefault('').describe(
    'Where it runs: a label expression such as `trusty || xenial`, the name of a node set, or several nodes; empty: anywhere.',
  ),
  steps: z
    .array(Step)
    .default([])
    .describe('In order, in one workspace, until one fails. A text is a shell script.'),
  timeout: Limit.optional().describe('`3h`, or more of it.'),
  env: z.record(Variable, Value).optional().describe('Variables of every step.'),
  parameters: z
    .record(Variable, Parameter)
    .default({})
    .describe('Variables with a default that whoever starts it may set.'),
  secrets: z
    .record(Variable, z.union([SecretName, z.strictObject({ file: SecretName })]))
    .default({})
    .describe('Variables that hold a secret of the site, or with `file` the path of a file with it.'),
  logins: z
    .array(z.strictObject({ secret: SecretName, user: Variable, password: Variable }))
    .default([])
    .describe('Secrets of the form `user:password`, in two variables.'),
  'ssh-keys': z
    .array(
      z.union([SecretName, z.strictObject({ secret: SecretName, optional: z.boolean().default(false) })]),
    )
    .default([])
    .describe('Private keys in an ssh agent of the build.'),
  results: z.array(Result).default([]).describe('What judges the build: junit, xunit, find.'),
  after: z.array(AfterSteps).default([]).describe('Steps when the others are over.'),
  artifacts: z.array(Artifact).default([]).describe('Files that are kept with the log.'),
  mail: z.array(Mail).default([]).describe('Who is told by mail.'),
  publish: z.array(Publish).default([]).describe('Any of the four, in an order of your own.'),
  timestamps: z.boolean().default(true).describe('The time before every line of the console.'),
  throttle: z
    .union([z.int().min(1), z.strictObject({ category: z.string().min(1), total: z.int().min(1) })])
    .optional()
    .describe('Builds of it at a time; with `category`: of all jobs in it.'),
  keep: z
    .strictObject({
      days: z.number().positive().optional(),
      builds: z.number().positive().optional(),
      'artifact-days': z.number().positive().optional(),
      'artifact-builds': z.number().positive().optional(),
    })
    .optional()
    .describe('How long logs and artifacts stay, where that is shorter than the rule of the site.'),
  schedule: z.string().min(1).optional().describe("Jenkins' cron lines; `H` spreads."),
});
export type NativeJob = z.output<typeof NativeJob>;

/** A file of jobs in the native form. */
export const NativeFile = z.strictObject({
  jobs: z
    .record(
      z.string().regex(/^[^?*\\%!@#$^&|<>[\]:;\p{Cc}]{1,250}$/u, 'this cannot be the name of a job'),
      NativeJob,
    )
    .describe('Jobs by name.'),
});

/** What its steps and publishers come to. */
export interface Parts {
  readonly builders: readonly Builder[];
  readonly publishers: readonly Publisher[];
}

export function definitionOf(
  name: string,
  job: NativeJob,
  { builders, publishers }: Parts,
  place: string | undefined,
): JobDefinition {
  const parameters = Object.entries(job.parameters);
  const passwords = parameters.filter(([, { secret }]) => secret).map(([parameter]) => parameter);
  const bindings = bindingsOf(job);
  const { description, timeout, env, throttle, keep, schedule } = job;
  return {
    name,
    ...(description === undefined ? {} : { description }),
    node: job.nodes.label,
    ...(job.nodes.nodes === undefined ? {} : { nodes: job.nodes.nodes }),
    builders: [...builders],
    ...(timeout === undefined ? {} : { timeout }),
    timestamps: job.timestamps,
    publishers: [...publishers],
    parameters: Object.fromEntries(parameters.map(([parameter, { value }]) => [parameter, value])),
    ...(passwords.length === 0 ? {} : { passwords }),
    ...(env === undefined || Object.keys(env).length === 0 ? {} : { environment: env }),
    ...(bindings.length === 0 ? {} : { bindings }),
    ...(throttle === undefined
      ? {}
      : {
          throttle:
            typeof throttle === 'number'
              ? { name: `job ${name}`, total: throttle }
              : { name: `category ${throttle.category}`, total: throttle.total },
        }),
    ...(keep === undefined ? {} : { discard: discardOf(keep) }),
    ...(schedule === undefined ? {} : { timed: schedule }),
    ...(place === undefined ? {} : { place }),
  };
}

function bindingsOf(job: NativeJob): Binding[] {
  return [
    ...Object.entries(job.secrets).map(
      ([variable, given]): Binding =>
        typeof given === 'string'
          ? { kind: 'text', secret: given, variable }
          : { kind: 'file', secret: given.file, variable },
    ),
    ...job.logins.map((login): Binding => ({ kind: 'pair', ...login })),
    ...job['ssh-keys'].map(
      (key): Binding =>
        typeof key === 'string'
          ? { kind: 'ssh-agent', secret: key, optional: false }
          : { kind: 'ssh-agent', ...key },
    ),
  ];
}

function discardOf(keep: NonNullable<NativeJob['keep']>): NonNullable<JobDefinition['discard']> {
  const { days, builds, 'artifact-days': artifactDays, 'artifact-builds': artifactBuilds } = keep;
  return {
    ...(days === undefined ? {} : { days }),
    ...(builds === undefined ? {} : { builds }),
    ...(artifactDays === undefined ? {} : { artifactDays }),
    ...(artifactBuilds === undefined ? {} : { artifactBuilds }),
  };
}

/** The native form of a job; reading it again gives the same definition, its place aside. */
export function writeJob(job: JobDefinition): Record<string, unknown> {
  const { throttle, discard, bindings = [] } = job;
  const secrets = bindings.flatMap((binding): [string, unknown][] => {
    if (binding.kind === 'text') return [[binding.variable, binding.secret]];
    return binding.kind === 'file' ? [[binding.variable, { file: binding.secret }]] : [];
  });
  const logins = bindings.flatMap((binding) =>
    binding.kind === 'pair'
      ? [{ secret: binding.secret, user: binding.user, password: binding.password }]
      : [],
  );
  const keys = bindings.flatMap((binding): unknown[] => {
    if (binding.kind !== 'ssh-agent') return [];
    return binding.optional ? [{ secret: binding.secret, optional: true }] : [binding.secret];
  });
  const parameters = Object.entries(job.parameters).map(([name, value]): [string, unknown] => [
    name,
    job.passwords?.includes(name) === true ? { default: value, secret: true } : value,
  ]);
  return compact({
    description: job.description,
    nodes: writeNodes(job),
    timeout: job.timeout === undefined ? undefined : writeTimeout(job.timeout),
    env: job.environment,
    parameters: parameters.length === 0 ? undefined : Object.fromEntries(parameters),
    secrets: secrets.length === 0 ? undefined : Object.fromEntries(secrets),
    logins: logins.length === 0 ? undefined : logins,
    'ssh-keys': keys.length === 0 ? undefined : keys,
    steps: job.builders.map(writeStep),
    ...writePublishers(job.publishers),
    timestamps: job.timestamps ? undefined : false,
    throttle: throttle === undefined ? undefined : writeThrottle(throttle, job.name),
    keep:
      discard === undefined
        ? undefined
        : compact({
            days: discard.days,
            builds: discard.builds,
            'artifact-days': discard.artifactDays,
            'artifact-builds': discard.artifactBuilds,
          }),
    schedule: job.timed,
  });
}

function writeNodes({ node, nodes }: JobDefinition): unknown {
  if (nodes === undefined) return node === '' ? undefined : node;
  const { members, subnodes, groups, network } = nodes;
  if (members === undefined) return compact({ label: node, subnodes, network });
  return compact({ nodes: members, groups, network });
}

function writeThrottle({ name, total }: NonNullable<JobDefinition['throttle']>, job: string): unknown {
  return name === `job ${job}` ? total : { category: name.replace(/^category /, ''), total };
}

function writeTimeout({ limit, fail, variable, strategy }: Timeout): unknown {
  const plain = fail && variable === undefined && strategy === undefined;
  if (plain) return writeDuration(limit);
  return compact({
    limit: writeDuration(limit),
    fail: fail ? undefined : false,
    variable,
    idle: strategy?.kind === 'no-activity' || undefined,
    percent: strategy?.kind === 'elastic' ? strategy.percent : undefined,
    builds: strategy?.kind === 'elastic' ? strategy.builds : undefined,
    stuck: strategy?.kind === 'likely-stuck' || undefined,
  });
}
