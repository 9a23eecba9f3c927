import { z } from 'zod';
import { Builder } from './builder.ts';
import { Status } from './condition.ts';

/** What happens when the steps are over. Patterns are ANT's, relative to the workspace. */

const Archive = z.object({
  kind: z.literal('archive'),
  include: z.array(z.string()),
  exclude: z.array(z.string()),
  allowEmpty: z.boolean(),
  onlyIfSuccess: z.boolean(),
  /** Also what ANT leaves out by itself (`.git`, editors' backups). */
  everything: z.boolean().optional(),
});

const Junit = z.object({
  kind: z.literal('junit'),
  include: z.array(z.string()),
  allowEmpty: z.boolean(),
  /** Failed tests make the build unstable. */
  unstable: z.boolean(),
  /** How much a failed test counts in the health of the job; 1 is its share, 0 nothing. */
  health: z.number(),
});

const Limits = z.object({
  unstable: z.number().optional(),
  unstableNew: z.number().optional(),
  failure: z.number().optional(),
  failureNew: z.number().optional(),
});
export type Limits = z.infer<typeof Limits>;

const Xunit = z.object({
  kind: z.literal('xunit'),
  reports: z.array(
    z.object({
      include: z.array(z.string()),
      /** No file is no failure. */
      skipIfNone: z.boolean(),
      /** A file that cannot be read fails the build. */
      stopOnError: z.boolean(),
    }),
  ),
  percent: z.boolean(),
  failed: Limits,
  skipped: Limits,
});
export type Xunit = z.infer<typeof Xunit>;

/** To a host of the site's `scp-sites`. */
const Scp = z.object({
  kind: z.literal('scp'),
  site: z.string(),
  files: z.array(
    z.object({
      include: z.array(z.string()),
      /** Below the root of the host; `$NAME` and `${NAME}` are variables of the build. */
      target: z.string(),
      console: z.boolean(),
      afterFailure: z.boolean(),
      keepHierarchy: z.boolean(),
    }),
  ),
});
export type Scp = z.infer<typeof Scp>;

/** PostBuildScript: steps on the node when the build has one of these results. */
const After = z.object({
  kind: z.literal('after'),
  on: z.array(Status),
  steps: z.array(Builder),
  /** A failing step makes a successful build unstable; otherwise it fails it. */
  unstable: z.boolean(),
});
export type After = z.infer<typeof After>;

/** Jenkins' Mailer: on failure, on unstable builds (the first one or every one), and when it is well again. */
const Mail = z.object({
  kind: z.literal('mail'),
  recipients: z.array(z.string()),
  everyUnstable: z.boolean(),
});

/** When a mail is sent, in words of Email-ext. */
export const MailMoment = z.enum([
  'always',
  'success',
  'unstable',
  'failure',
  'aborted',
  'not-built',
  'first-failure',
  'second-failure',
  'first-unstable',
  'still-failing',
  'still-unstable',
  'fixed',
  'fixed-unhealthy',
  'improvement',
  'regression',
]);
export type MailMoment = z.infer<typeof MailMoment>;

const MailExt = z.object({
  kind: z.literal('mail-ext'),
  recipients: z.array(z.string()),
  from: z.string().optional(),
  replyTo: z.array(z.string()),
  html: z.boolean(),
  subject: z.string(),
  body: z.string(),
  attachLog: z.boolean(),
  compressLog: z.boolean(),
  attachments: z.array(z.string()),
  on: z.array(MailMoment),
});
export type MailExt = z.infer<typeof MailExt>;

const TextFinder = z.object({
  kind: z.literal('text-finder'),
  pattern: z.string(),
  include: z.array(z.string()),
  console: z.boolean(),
  /** What a find makes of the build; `SUCCESS` forgives. */
  result: z.enum(['SUCCESS', 'UNSTABLE', 'FAILURE', 'NOT_BUILT']),
});
export type TextFinder = z.infer<typeof TextFinder>;

/** One of the site's own. */
const Own = z.object({ kind: z.literal('own'), name: z.string(), options: z.unknown() });

export const Publisher = z.discriminatedUnion('kind', [
  Archive,
  Junit,
  Xunit,
  Scp,
  After,
  Mail,
  MailExt,
  TextFinder,
  Own,
]);
export type Publisher = z.infer<typeof Publisher>;
export type PublisherOf<K extends Publisher['kind']> = Extract<Publisher, { kind: K }>;
