import { z } from 'zod';

/**
 * The shape of `layout.yaml`, for editors only: Stackgate reads layouts by Zuul's own rules, which say more (pipelines/layout).
 * Whatever this refuses those refuse, too.
 */

const OneOrMore = z.union([z.string(), z.array(z.string())]);
const Votes = z.record(z.string(), z.union([z.int(), z.string(), z.boolean(), z.null()]));
const Reporters = z.looseObject({
  gerrit: Votes.nullable().optional().describe('Votes by label, `submit: true` to merge.'),
  smtp: z
    .looseObject({ to: z.string().optional(), from: z.string().optional(), subject: z.string().optional() })
    .nullable()
    .optional()
    .describe('A mail.'),
});
const GerritTrigger = z.looseObject({
  event: OneOrMore.describe('Types of Gerrit events, such as patchset-created.'),
  comment: OneOrMore.optional().describe('Patterns of comments.'),
  branch: OneOrMore.optional(),
  ref: OneOrMore.optional(),
});
const Trigger = z.looseObject({
  gerrit: z.union([GerritTrigger, z.array(GerritTrigger)]).optional(),
  timer: z.unknown().optional(),
  zuul: z.unknown().optional(),
});

const Pipeline = z.looseObject({
  name: z.string(),
  manager: z
    .string()
    .describe('IndependentPipelineManager: each change for itself; DependentPipelineManager: a gate.'),
  description: z.string().nullable().optional(),
  precedence: z.enum(['low', 'normal', 'high']).optional(),
  source: z.string().optional(),
  trigger: z
    .union([Trigger, z.array(GerritTrigger).describe('The form of 2013.')])
    .optional()
    .describe('Which events start it.'),
  require: z.looseObject({}).nullable().optional().describe('What a change must have.'),
  reject: z.looseObject({}).nullable().optional().describe('What a change may not have.'),
  start: Reporters.nullable().optional(),
  success: Reporters.nullable().optional(),
  failure: Reporters.nullable().optional(),
  'merge-failure': Reporters.nullable().optional(),
  disabled: Reporters.nullable().optional(),
  'failure-message': z.string().optional(),
  'success-message': z.string().optional(),
  'merge-failure-message': z.string().optional(),
  'footer-message': z.string().optional(),
  'dequeue-on-new-patchset': z.boolean().optional(),
  'ignore-dependencies': z.boolean().optional(),
});

const Job = z.looseObject({
  name: z.string().describe('A name, or a pattern that begins with `^`.'),
  branch: OneOrMore.optional(),
  files: OneOrMore.optional().describe('It runs only where one of these patterns fits a changed file.'),
  'skip-if': z.array(z.looseObject({})).optional(),
  voting: z.boolean().optional(),
  'hold-following-changes': z.boolean().optional(),
  attempts: z.int().optional(),
  mutex: z.string().optional(),
  tags: OneOrMore.optional(),
  'parameter-function': z.string().optional(),
  'queue-name': z.string().optional(),
  'failure-message': z.string().nullable().optional(),
  'success-message': z.string().nullable().optional(),
  'failure-pattern': z.string().optional(),
  'success-pattern': z.string().optional(),
});

export const LayoutFile = z.strictObject({
  includes: z.array(z.looseObject({})).optional(),
  pipelines: z.array(Pipeline),
  jobs: z.array(Job).nullable().optional(),
  'project-templates': z
    .array(z.looseObject({ name: z.string() }))
    .nullable()
    .optional(),
  projects: z
    .array(z.looseObject({ name: z.string() }))
    .describe('Jobs by pipeline; a job below another waits for it.'),
});
