import { z } from 'zod';

/**
 * A change as Gerrit describes it, in our shape. Numbers are strings, as old Gerrits send them and as Zuul keeps them.
 * Times are milliseconds since the epoch.
 */

export const Account = z.object({
  name: z.string().optional(),
  email: z.string().optional(),
  username: z.string().optional(),
});
export type Account = z.infer<typeof Account>;

export const Approval = z.object({
  label: z.string(),
  value: z.number().int(),
  by: Account,
  grantedOn: z.number(),
});
export type Approval = z.infer<typeof Approval>;

export const SubmitLabel = z.object({ label: z.string(), status: z.string() });
export const SubmitRecord = z.object({ status: z.string(), labels: z.array(SubmitLabel).optional() });
export type SubmitRecord = z.infer<typeof SubmitRecord>;

/** Points at one patchset of a change. */
export const ChangeRef = z.object({
  connection: z.string(),
  project: z.string(),
  number: z.string(),
  patchset: z.string(),
});
export type ChangeRef = z.infer<typeof ChangeRef>;

export const ChangeStatus = z.enum(['NEW', 'MERGED', 'ABANDONED', 'DRAFT', 'SUBMITTED', 'DELETED']);
export type ChangeStatus = z.infer<typeof ChangeStatus>;

export const Change = ChangeRef.extend({
  branch: z.string(),
  /** The commit of this patchset. */
  revision: z.string(),
  /** `refs/changes/34/1234/5`. */
  ref: z.string(),
  currentPatchset: z.string(),
  changeId: z.string(),
  subject: z.string(),
  /** Commit message of this patchset. */
  message: z.string(),
  owner: Account,
  /** Who pushed this patchset; with Gerrit's usual rights anybody may push one to anybody's change. */
  uploader: Account.optional(),
  url: z.string(),
  topic: z.string().optional(),
  status: ChangeStatus,
  wip: z.boolean(),
  private: z.boolean(),
  /** Paths of this patchset, `/COMMIT_MSG` included as Gerrit lists it. */
  files: z.array(z.string()),
  parents: z.array(z.string()),
  /** Votes on the current patchset, zero votes dropped. */
  approvals: z.array(Approval),
  submitRecords: z.array(SubmitRecord),
  /** The patchset of the same project that this commit sits on, if that is a change and is not merged. */
  gitParent: ChangeRef.optional(),
  /** Open changes that `Depends-On:` lines name, in text order. */
  dependsOn: z.array(ChangeRef),
  /** What `Depends-On:` lines name and nobody here can follow: changes on another server, as written. */
  elsewhere: z.array(z.string()).optional(),
  /** Open changes, current patchsets, that need this one: by git, then by their `Depends-On:` lines. */
  neededBy: z.array(ChangeRef),
  fetchedAt: z.number(),
});
export type Change = z.infer<typeof Change>;

/** Text that names one patchset: `gerrit/1234,5`. Also a map key. */
export type ChangeKey = string;

export function changeKey(change: Pick<ChangeRef, 'connection' | 'number' | 'patchset'>): ChangeKey {
  const known = keys.get(change);
  if (known !== undefined) return known;
  const key = `${change.connection}/${change.number},${change.patchset}`;
  keys.set(change, key);
  return key;
}
/** A gate of a thousand items asks for the same keys at every step. */
const keys = new WeakMap<object, ChangeKey>();

export function isOpen(change: Change): boolean {
  return change.status === 'NEW' || change.status === 'DRAFT' || change.status === 'SUBMITTED';
}

export function isCurrent(change: Change): boolean {
  return change.patchset === change.currentPatchset;
}
