import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { mapClones } from '../../jobs/clonemap.ts';
import type { Approval, SubmitRecord } from '../../pipelines/change.ts';
import type { GerritEvent } from '../../pipelines/event.ts';
import type { ApprovalRule, GerritTrigger, JobRule } from '../../pipelines/layout.ts';
import { jobApplies, type Subject } from '../../pipelines/match.ts';
import { quirks } from '../../pipelines/quirks.ts';
import { approvalsSatisfy, canMerge, labelKey } from '../../pipelines/require.ts';
import { triggerWants } from '../../pipelines/trigger.ts';

/** The recorded decisions of Zuul's matchers, row by row, with its quirks on: `run(['…/golden/matchers.json'])`. */
export async function run(args: readonly string[]): Promise<{ passed: number; failed: number }> {
  const [file] = args;
  if (file === undefined) throw new Error('usage: matchers MATCHERS.json');
  const tables = Tables.parse(JSON.parse(readFileSync(file, 'utf8')));
  const rows = [
    ...tables.job.map((row) => ({ row, wanted: row.runs, got: jobRuns(row) })),
    ...tables.event.map((row) => ({ row, wanted: row.matches, got: eventMatches(row) })),
    ...tables.approval.map((row) => ({ row, wanted: row.matches, got: approvalMatches(row) })),
    ...tables.canMerge.map((row) => ({ row, wanted: row.can, got: mergeable(row) })),
    ...tables.clonemap.map((row) => ({ row, wanted: true, got: clonesLike(row) })),
  ];
  const wrong = rows.filter(({ wanted, got }) => wanted !== got);
  for (const { row, got } of wrong.slice(0, 20)) console.log(`matchers: ${got} for ${JSON.stringify(row)}`);
  return { passed: rows.length - wrong.length, failed: wrong.length };
}

const Texts = z.union([z.string().transform((text) => [text]), z.array(z.string())]).default([]);
const Account = z.object({
  name: z.string().optional(),
  email: z.string().optional(),
  username: z.string().optional(),
});
const Vote = z.object({ type: z.string(), value: z.coerce.number() });

const JobRow = z.object({
  project: z.string(),
  change: z.object({
    kind: z.enum(['change', 'ref', 'null']),
    branch: z.string().optional(),
    files: z.array(z.string()).default([]),
    ref: z.string().optional(),
  }),
  job: z.object({
    branch: Texts,
    files: Texts,
    'skip-if': z
      .array(
        z.object({
          project: z.string().optional(),
          branch: z.string().optional(),
          'all-files-match-any': Texts,
        }),
      )
      .default([]),
  }),
  runs: z.boolean(),
});

const EventRow = z.object({
  event: z.object({
    type: z.string(),
    account: Account.nullable(),
    approvals: z.array(Vote),
    branch: z.string().nullable(),
    comment: z.string().nullable(),
    ref: z.string().nullable(),
    newrev: z.string().nullable(),
  }),
  trigger: z.object({
    event: Texts,
    branch: Texts,
    ref: Texts,
    comment: Texts,
    email: Texts,
    username: Texts,
    approval: z.array(z.record(z.string(), z.number())).default([]),
    'ignore-deletes': z.boolean().default(true),
  }),
  matches: z.boolean(),
});

const ApprovalFilter = z
  .array(
    z
      .object({
        username: z.string().optional(),
        email: z.string().optional(),
        'email-filter': z.string().optional(),
        'newer-than': z.string().optional(),
        'older-than': z.string().optional(),
      })
      .catchall(z.union([z.number(), z.array(z.number())])),
  )
  .default([]);
const ApprovalRow = z.object({
  now: z.number(),
  approvals: z.array(
    Vote.extend({
      by: Account,
      grantedOn: z.number(),
    }),
  ),
  filter: z.object({ required: ApprovalFilter, reject: ApprovalFilter }),
  matches: z.boolean(),
});

const MergeRow = z.object({
  allow: z.array(z.string()),
  can: z.boolean(),
  submitRecords: z.array(
    z.object({
      status: z.string(),
      labels: z.array(z.object({ label: z.string(), status: z.string() })).optional(),
    }),
  ),
});

/** `result`: project → place below `/basepath`, or the text of the exception. */
const CloneRow = z.object({
  map: z.union([z.array(z.object({ name: z.string(), dest: z.string() })), z.object({}).transform(() => [])]),
  projects: z.array(z.string()),
  result: z.union([z.string(), z.record(z.string(), z.string())]),
});

function clonesLike(row: z.infer<typeof CloneRow>): boolean {
  const map = mapClones(row.map, row.projects);
  if (typeof row.result === 'string') return map.kind === 'wrong';
  if (map.kind === 'wrong') return false;
  const wanted = Object.entries(row.result);
  const places = map.destinations;
  return (
    wanted.length === places.size &&
    wanted.every(([project, place]) => place === `/basepath/${places.get(project)}`.replace(/\/$/, ''))
  );
}

const Tables = z.object({
  job: z.array(JobRow),
  event: z.array(EventRow),
  approval: z.array(ApprovalRow),
  clonemap: z.array(CloneRow),
  canMerge: z.array(MergeRow),
});

const ALL_QUIRKS = Object.keys(quirks);

function jobRuns({ project, change, job }: z.infer<typeof JobRow>): boolean {
  const rule: JobRule = {
    name: 'job',
    voting: true,
    holdFollowingChanges: false,
    attempts: 3,
    tags: [],
    branches: job.branch,
    files: job.files,
    irrelevantFiles: [],
    skipIf: job['skip-if'].map(({ project: name, branch, 'all-files-match-any': allFilesMatchAny }) => ({
      ...(name === undefined ? {} : { project: name }),
      ...(branch === undefined ? {} : { branch }),
      allFilesMatchAny,
    })),
    swift: [],
  };
  const { branch, files, ref } = change;
  const subject: Subject = {
    project,
    change: change.kind === 'change' && branch !== undefined ? { branch, files } : undefined,
    ref,
  };
  return jobApplies(rule, subject) === true;
}

function eventMatches({ event, trigger }: z.infer<typeof EventRow>): boolean {
  const happened: GerritEvent = {
    kind: 'GerritEvent',
    at: 0,
    connection: 'gerrit',
    via: 'stream',
    type: event.type,
    account: event.account ?? undefined,
    approvals: event.approvals.map(({ type, value }) => ({ label: type, value })),
    branch: event.branch ?? undefined,
    comment: event.comment ?? undefined,
    ref: event.ref ?? undefined,
    newRev: event.newrev ?? undefined,
  };
  const wanted: GerritTrigger = {
    kind: 'gerrit',
    connection: 'gerrit',
    events: trigger.event,
    branches: trigger.branch,
    refs: trigger.ref,
    ignoreDeletes: trigger['ignore-deletes'],
    // Listed twice for one label, the last wins: what the layout's reader does.
    approvals: Object.entries(
      Object.fromEntries(
        trigger.approval.flatMap(Object.entries).map(([label, value]) => [labelKey(label), value]),
      ),
    ).map(([label, value]) => ({ label, value })),
    comments: trigger.comment,
    emails: trigger.email,
    usernames: trigger.username,
    requireApprovals: [],
    rejectApprovals: [],
  };
  return triggerWants(wanted, happened, ALL_QUIRKS) === true;
}

const DAY = 86_400;

function approvalRule(filter: z.infer<typeof ApprovalFilter>[number]): ApprovalRule {
  const {
    username,
    email,
    'email-filter': oldEmail,
    'newer-than': newer,
    'older-than': older,
    ...labels
  } = filter;
  const address = email ?? oldEmail;
  return {
    ...(username === undefined ? {} : { username }),
    ...(address === undefined ? {} : { email: address }),
    ...(newer === undefined ? {} : { newerThan: Number.parseInt(newer, 10) * DAY }),
    ...(older === undefined ? {} : { olderThan: Number.parseInt(older, 10) * DAY }),
    labels: Object.fromEntries(
      Object.entries(labels).map(([label, values]) => [labelKey(label), [values].flat()]),
    ),
  };
}

function approvalMatches({ now, approvals, filter }: z.infer<typeof ApprovalRow>): boolean {
  const given: Approval[] = approvals.map(({ type, value, by, grantedOn }) => ({
    label: type,
    value,
    by,
    grantedOn: grantedOn * 1000,
  }));
  const satisfied = approvalsSatisfy(
    filter.required.map(approvalRule),
    filter.reject.map(approvalRule),
    { approvals: given },
    now * 1000,
    ALL_QUIRKS,
  );
  return satisfied === true;
}

function mergeable({ allow, submitRecords }: z.infer<typeof MergeRow>): boolean {
  const records: SubmitRecord[] = submitRecords;
  return canMerge({ submitRecords: records }, new Set(allow)) === true;
}
