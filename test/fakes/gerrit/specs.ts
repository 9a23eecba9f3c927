import { z } from 'zod';

/** What the control calls take, in process and over HTTP. */

const username = z.string();

export const AccountSpec = z.object({
  name: z.string().optional(),
  email: z.string().optional(),
  groups: z.array(z.string()).readonly().optional(),
  /** OpenSSH public key line. Without one a key pair is made. */
  publicKey: z.string().optional(),
  /** For REST. */
  httpPassword: z.string().optional(),
});
export type AccountSpec = z.infer<typeof AccountSpec>;

export const LabelSpec = z.object({
  name: z.string(),
  min: z.number().int(),
  max: z.number().int(),
  function: z.enum(['MaxWithBlock', 'AnyWithBlock', 'MaxNoBlock', 'NoBlock', 'NoOp']),
  copy: z
    .array(z.enum(['REWORK', 'TRIVIAL_REBASE', 'NO_CODE_CHANGE', 'NO_CHANGE', 'MIN', 'MAX', 'ANY']))
    .readonly(),
});

export const ProjectSpec = z.object({
  /** The branch HEAD names. Default: master. */
  branch: z.string().optional(),
  /** More branches, all on the first commit. */
  branches: z.array(z.string()).readonly().optional(),
  submitType: z
    .enum([
      'MERGE_IF_NECESSARY',
      'MERGE_ALWAYS',
      'FAST_FORWARD_ONLY',
      'REBASE_IF_NECESSARY',
      'REBASE_ALWAYS',
      'CHERRY_PICK',
    ])
    .optional(),
  /** Default: Code-Review -2..2 and Verified -1..1. */
  labels: z.array(LabelSpec).readonly().optional(),
  /** Content of the first commit. */
  files: z.record(z.string(), z.string()).optional(),
});
export type ProjectSpec = z.infer<typeof ProjectSpec>;

/** One line of an access section. Global capabilities (`streamEvents`, `administrateServer`) have ref `GLOBAL`. */
export const Rule = z.object({
  /** A ref, a prefix ending in `/*`, or `GLOBAL`. */
  ref: z.string(),
  /** `read`, `push`, `create`, `submit`, `abandon`, `label-Verified`, ... */
  permission: z.string(),
  group: z.string(),
  /** Only for this project; without it the rule is one of All-Projects. */
  project: z.string().optional(),
  action: z.enum(['ALLOW', 'DENY']).optional(),
  min: z.number().int().optional(),
  max: z.number().int().optional(),
});
export type Rule = z.infer<typeof Rule>;

/** The options of `refs/for/<branch>%...`. */
export const UploadOptions = z.object({
  topic: z.string().optional(),
  hashtags: z.array(z.string()).readonly().optional(),
  wip: z.boolean().optional(),
  private: z.boolean().optional(),
  reviewers: z.array(z.string()).readonly().optional(),
  labels: z.record(z.string(), z.number().int()).optional(),
  message: z.string().optional(),
});
export type UploadOptions = z.infer<typeof UploadOptions>;

export const PushSpec = UploadOptions.extend({
  /** Path to new content; `null` removes. Default: one new file, so that changes never conflict. */
  files: z.record(z.string(), z.string().nullable()).optional(),
  /** Commit message; a Change-Id line is added when it has none. */
  commitMessage: z.string().optional(),
  branch: z.string().optional(),
  /** Who pushes. Default: admin. */
  user: username.optional(),
  /** Change-Id of the commit. Default: a new one. */
  changeId: z.string().optional(),
  /** Makes a new patch set of this change by amending its current one. */
  change: z.number().int().optional(),
  /** Sits on the current patch set of this change. */
  parentChange: z.number().int().optional(),
  /** Sits on this commit. */
  parent: z.string().optional(),
  /** With `change`: moves it onto the tip of the branch, or onto `parentChange`. */
  rebase: z.boolean().optional(),
});
export type PushSpec = z.infer<typeof PushSpec>;

/** Who acts, and on which patch set. */
export const By = z.object({
  /** Default: admin. */
  user: username.optional(),
  /** Default: the current one. */
  patchset: z.number().int().optional(),
});
export type By = z.infer<typeof By>;

export const CommentSpec = By.extend({
  labels: z.record(z.string(), z.number().int()).optional(),
  tag: z.string().optional(),
  /** Post as the web UI's reply box does, as a patch-set-level comment. */
  patchsetLevel: z.boolean().optional(),
});
export type CommentSpec = z.infer<typeof CommentSpec>;

export const VoteSpec = By.extend({ message: z.string().optional() });
export type VoteSpec = z.infer<typeof VoteSpec>;

export const ReasonSpec = By.extend({ reason: z.string().optional() });
export type ReasonSpec = z.infer<typeof ReasonSpec>;

/**
 * The knobs that make the server behave like a server on a bad day. Commands and streams look at them; knobs that act on
 * connections at once (cut, freeze, down) are calls.
 */
export const Faults = z.object({
  /** ms by which queries lag behind events (the index is eventually consistent). */
  queryLag: z.number(),
  /** All logins fail, or those of the users named. */
  refuseLogins: z.union([z.boolean(), z.array(z.string()).readonly()]),
  /** So many of the next events reach no stream. */
  swallowEvents: z.number().int(),
  /** Streams take nothing from their queues, as if every reader had stopped reading. */
  stallStreams: z.boolean(),
  /** Writes event lines in pieces of so many bytes, each its own packet. 0: whole. */
  splitEvents: z.number().int(),
  /** Numbers of changes and patch sets as strings, as Gerrit up to 2.13 writes them. */
  stringNumbers: z.boolean(),
  /** Fields of events that are left out, by dotted path, such as `change.owner` or `approvals`. */
  missingFields: z.array(z.string()).readonly(),
  /**
   * What becomes of the next `times` review posts. `lost-after`: applied, then the connection is cut before the exit status.
   * `lost-before`: cut without being applied. `refused`: answered with `text` as Gerrit words a refusal.
   */
  review: z
    .object({
      kind: z.enum(['lost-after', 'lost-before', 'refused']),
      times: z.number().int(),
      text: z.string().optional(),
    })
    .nullable(),
  /** Commands that begin so are answered only after so many ms. */
  slowCommand: z.object({ prefix: z.string(), ms: z.number() }).nullable(),
  /** The next `times` commands that begin so do nothing and end so. */
  failCommand: z
    .object({ prefix: z.string(), times: z.number().int(), exit: z.number().int(), stderr: z.string() })
    .nullable(),
  /** The connection of the next `times` commands that begin so ends after so many bytes of output. */
  cutCommand: z.object({ prefix: z.string(), times: z.number().int(), bytes: z.number().int() }).nullable(),
  /** The next `times` REST requests are answered by this status and nothing else. */
  rest: z
    .object({
      status: z.number().int(),
      times: z.number().int(),
      headers: z.record(z.string(), z.string()).optional(),
    })
    .nullable(),
  /** ms between the end of a command's output and its exit status; a client that closes in between never hears it. */
  exitLag: z.number(),
});
export type Faults = z.infer<typeof Faults>;

export function noFaults(): Faults {
  return {
    queryLag: 0,
    refuseLogins: false,
    swallowEvents: 0,
    stallStreams: false,
    splitEvents: 0,
    stringNumbers: false,
    missingFields: [],
    review: null,
    slowCommand: null,
    failCommand: null,
    cutCommand: null,
    rest: null,
    exitLag: 0,
  };
}
