import { z } from 'zod';
import { clean, compact, type WireChange, type WirePatchSet } from './schema.ts';

/**
 * Gerrit's ChangeInfo, as much of it as we use, turned into the row that `gerrit query` would have sent: whatever came from
 * Gerrit is judged by the same code, over either road. As on the other one, a field of a wrong type is an absent one.
 */

const text = z
  .string()
  .transform((value) => clean(value, 1_048_576))
  .optional()
  .catch(undefined);
const number = z.number().int().nonnegative().optional().catch(undefined);
const flag = z.boolean().optional().catch(undefined);
const sha = /^[0-9a-f]{40}([0-9a-f]{24})?$/;

const Who = z.object({ name: text, email: text, username: text });
const who = Who.optional().catch(undefined);

function record<T extends z.ZodType>(item: T) {
  return z.record(z.string(), item).optional().catch(undefined);
}

const Revision = z.object({
  _number: number,
  ref: text,
  uploader: who,
  created: text,
  commit: z
    .object({ parents: z.array(z.object({ commit: z.string().regex(sha) })).optional(), message: text })
    .optional()
    .catch(undefined),
  files: record(z.unknown()),
});
type Revision = z.infer<typeof Revision>;

export const ChangeInfo = z.object({
  project: z.string(),
  branch: z.string(),
  topic: text,
  change_id: text,
  subject: text,
  status: text,
  created: text,
  updated: text,
  work_in_progress: flag,
  is_private: flag,
  _number: z.number().int().positive(),
  owner: who,
  current_revision: z.string().regex(sha).optional().catch(undefined),
  revisions: record(Revision),
  labels: record(
    z.object({
      all: z
        .array(Who.extend({ value: z.number().int().optional(), date: text }))
        .optional()
        .catch(undefined),
    }),
  ),
  messages: z
    .array(z.object({ author: who, date: text, message: text }))
    .optional()
    .catch(undefined),
  submit_records: z
    .array(
      z.object({
        status: z.string(),
        labels: z.array(z.object({ label: z.string(), status: z.string() })).optional(),
      }),
    )
    .optional()
    .catch(undefined),
  _more_changes: flag,
});
export type ChangeInfo = z.infer<typeof ChangeInfo>;

/** `url` is Gerrit's base, with a trailing slash. */
export function rowOf(info: ChangeInfo, url: string): WireChange {
  const sets = Object.entries(info.revisions ?? {}).map(([sha1, revision]) => patchSetOf(sha1, revision));
  const current = sets.find(({ revision }) => revision === info.current_revision);
  const message = info.revisions?.[info.current_revision ?? '']?.commit?.message;
  return {
    project: info.project,
    branch: info.branch,
    topic: info.topic,
    id: info.change_id,
    number: String(info._number),
    subject: info.subject,
    owner: info.owner,
    url: `${url}c/${info.project}/+/${info._number}`,
    commitMessage: message,
    createdOn: secondsOf(info.created),
    lastUpdated: secondsOf(info.updated),
    open: info.status === 'NEW',
    status: info.status,
    wip: info.work_in_progress,
    private: info.is_private,
    comments: info.messages?.map(({ author, date, message: said }) => ({
      timestamp: secondsOf(date),
      reviewer: author,
      message: said,
    })),
    currentPatchSet: current === undefined ? undefined : { ...current, approvals: votesOf(info) },
    patchSets: sets,
    submitRecords: info.submit_records?.map(({ status, labels }) => ({ status, labels })),
  };
}

function patchSetOf(revision: string, info: Revision): WirePatchSet {
  const parents = info.commit?.parents?.map(({ commit }) => commit);
  return {
    number: info._number === undefined ? undefined : String(info._number),
    revision,
    parents,
    ref: info.ref,
    uploader: info.uploader,
    createdOn: secondsOf(info.created),
    approvals: undefined,
    files: info.files === undefined ? undefined : filesOf(info.files, parents?.length ?? 1),
  };
}

/** SSH lists the commit message, and the list of what a merge brings, as files; REST leaves them to be known. */
function filesOf(files: Readonly<Record<string, unknown>>, parents: number): { file: string }[] {
  const magic = parents > 1 ? ['/COMMIT_MSG', '/MERGE_LIST'] : ['/COMMIT_MSG'];
  return [...new Set([...magic, ...Object.keys(files)])].map((file) => ({ file: clean(file) }));
}

function votesOf(info: ChangeInfo): NonNullable<WirePatchSet['approvals']> {
  return Object.entries(info.labels ?? {}).flatMap(([label, { all }]) =>
    (all ?? []).flatMap(({ value, date, ...by }) =>
      value === undefined || value === 0
        ? []
        : [
            {
              type: label,
              description: label,
              value,
              oldValue: undefined,
              grantedOn: secondsOf(date),
              by: compact(by),
            },
          ],
    ),
  );
}

/** `2026-11-28 08:20:03.000000000`, UTC without saying so → seconds. */
export function secondsOf(date: string | undefined): number | undefined {
  const plain = /^(\d{4}-\d{2}-\d{2}) (\d{2}:\d{2}:\d{2})/.exec(date ?? '');
  const ms = plain === null ? Number.NaN : Date.parse(`${plain[1]}T${plain[2]}Z`);
  return Number.isNaN(ms) ? undefined : ms / 1000;
}
