import { z } from 'zod';

/**
 * Gerrit's wire, as much of it as we use (events and `gerrit query` rows). Gerrit's own contract is that any field may be
 * missing and any unknown one may appear; versions before 2.14 write numbers as strings. So nothing here fails: a
 * field that is absent or of a wrong type is undefined, a list drops what it cannot read.
 */

const MAX_TEXT = 65_536;

/** NUL cannot be stored by PostgreSQL and half a surrogate pair by nobody; both become U+FFFD. */
export function clean(text: string, most: number = MAX_TEXT): string {
  const short = text.length > most ? text.slice(0, most) : text;
  return /[\0\ud800-\udfff]/.test(short) ? short.replace(/\0|\p{Surrogate}/gu, '\ufffd') : short;
}

const text = z
  .string()
  .transform((value) => clean(value))
  .optional()
  .catch(undefined);
/** Commit messages end with the footers we read, so they get more room. */
const longText = z
  .string()
  .transform((value) => clean(value, 16 * MAX_TEXT))
  .optional()
  .catch(undefined);
const id = z
  .unknown()
  .transform((value) => {
    if (typeof value === 'number')
      return Number.isSafeInteger(value) && value >= 0 ? String(value) : undefined;
    return typeof value === 'string' && /^\d{1,15}$/.test(value) ? value : undefined;
  })
  .optional();
const integer = z
  .unknown()
  .transform((value) => {
    if (typeof value === 'number') return Number.isFinite(value) ? Math.trunc(value) : undefined;
    return typeof value === 'string' && /^ ?[+-]?\d{1,9}$/.test(value) ? Number(value) : undefined;
  })
  .optional();
const flag = z.boolean().optional().catch(undefined);
const sha = z
  .string()
  .regex(/^[0-9a-f]{40}([0-9a-f]{24})?$/)
  .optional()
  .catch(undefined);

function list<T extends z.ZodType>(item: T) {
  return z
    .array(z.unknown())
    .transform((items) =>
      items.flatMap((raw): z.output<T>[] => {
        const read = item.safeParse(raw);
        return read.success ? [read.data] : [];
      }),
    )
    .optional()
    .catch(undefined);
}

const WireAccount = z.object({ name: text, email: text, username: text });
export type WireAccount = z.infer<typeof WireAccount>;
const account = WireAccount.optional().catch(undefined);

const WireApproval = z.object({
  type: text,
  description: text,
  value: integer,
  oldValue: integer,
  grantedOn: integer,
  by: account,
});

const WirePatchSet = z.object({
  number: id,
  revision: sha,
  parents: list(z.string().regex(/^[0-9a-f]{40}([0-9a-f]{24})?$/)),
  ref: text,
  uploader: account,
  createdOn: integer,
  approvals: list(WireApproval),
  files: list(z.object({ file: z.string().transform((value) => clean(value)) })),
});
export type WirePatchSet = z.infer<typeof WirePatchSet>;

const WireDependency = z.object({ id: text, number: id, revision: sha, ref: text, isCurrentPatchSet: flag });
export type WireDependency = z.infer<typeof WireDependency>;

const WireMessage = z.object({ timestamp: integer, reviewer: account, message: longText });
export type WireMessage = z.infer<typeof WireMessage>;

export const WireChange = z.object({
  project: text,
  branch: text,
  topic: text,
  id: text,
  number: id,
  subject: text,
  owner: account,
  url: text,
  commitMessage: longText,
  createdOn: integer,
  lastUpdated: integer,
  open: flag,
  status: text,
  wip: flag,
  private: flag,
  comments: list(WireMessage),
  currentPatchSet: WirePatchSet.optional().catch(undefined),
  patchSets: list(WirePatchSet),
  dependsOn: list(WireDependency),
  neededBy: list(WireDependency),
  submitRecords: list(
    z.object({
      status: z.string(),
      labels: list(z.object({ label: z.string(), status: z.string() })),
    }),
  ),
});
export type WireChange = z.infer<typeof WireChange>;

export const WireStats = z.object({ type: z.literal('stats'), rowCount: integer, moreChanges: flag });
export const WireError = z.object({ type: z.literal('error'), message: text });

/** The acting account stands under a name that depends on the type of the event. */
export const ACTORS = [
  'uploader',
  'author',
  'abandoner',
  'restorer',
  'submitter',
  'remover',
  'deleter',
  'changer',
  'editor',
  'adder',
  'reviewer',
] as const;

const Comments = z.object({ '/PATCHSET_LEVEL': list(z.object({ message: z.string() })) });

/** Events carry whole changes and patchsets; a fact needs only which. */
export const WireEvent = z.object({
  type: z.string().regex(/^[A-Za-z0-9][\w.:-]{0,99}$/),
  project: text,
  projectName: text,
  refName: text,
  change: z.object({ project: text, branch: text, number: id }).optional().catch(undefined),
  patchSet: z.object({ number: id, revision: sha }).optional().catch(undefined),
  uploader: account,
  author: account,
  abandoner: account,
  restorer: account,
  submitter: account,
  remover: account,
  deleter: account,
  changer: account,
  editor: account,
  adder: account,
  reviewer: account,
  approvals: list(z.object({ type: text, description: text, value: integer, oldValue: integer })),
  comment: text,
  patchSetComments: Comments.optional().catch(undefined),
  newRev: sha,
  refUpdate: z.object({ oldRev: sha, newRev: sha, refName: text, project: text }).optional().catch(undefined),
  eventCreatedOn: integer,
});
export type WireEvent = z.infer<typeof WireEvent>;

/** Drops the keys whose value is undefined, so that JSON and equality agree. */
export function compact<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> };
export function compact(value: object): unknown {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined));
}
