import { z } from 'zod';

/** One entry of the ledger. */
export const EventView = z.object({
  seq: z.number(),
  /** Its natural identity: `patchset-created/gerrit/1234,5`, `request/<id>`. */
  key: z.string(),
  at: z.number(),
  kind: z.string(),
  /** Of Gerrit's events: `patchset-created`, ... */
  type: z.string().nullable(),
  via: z.string().nullable(),
  project: z.string().nullable(),
  change: z.string().nullable(),
  by: z.string().nullable(),
  /** What became of it; null while it waits. */
  note: z.string().nullable(),
});
export type EventView = z.infer<typeof EventView>;

export const EventPage = z.object({ events: z.array(EventView), next: z.string().nullable() });
export type EventPage = z.infer<typeof EventPage>;

/** Of the ledger, newest first. */
export const EventQuery = z.object({
  /** Only what was filed since then. */
  since: z.coerce.number().int().min(0).optional(),
  kind: z.string().max(100).optional(),
  type: z.string().max(100).optional(),
  limit: z.coerce.number().int().min(1).max(500).default(50),
  /** `next` of the page before. */
  cursor: z
    .string()
    .regex(/^\d{1,15}$/)
    .optional(),
});
export type EventQuery = z.infer<typeof EventQuery>;

export const LedgerQuery = z.object({
  /** ms; only what was filed since then. */
  since: z.coerce.number().int().min(0).default(0),
});

/** Nothing was missed when `filed` = `used` + `aside` + `waiting`, and `aside` = 0. */
export const LedgerView = z.object({
  since: z.number(),
  filed: z.number(),
  used: z.number(),
  aside: z.number(),
  waiting: z.number(),
  /** Comparisons with Gerrit, newest first: what its stream did not deliver was found by asking. */
  sweeps: z.array(
    z.object({
      connection: z.string(),
      /** `start`, `reconnect`, `dropped-output`, `timer` or `requested`. */
      reason: z.string(),
      from: z.number(),
      to: z.number(),
      asked: z.number(),
      found: z.number(),
      missed: z.number(),
      filed: z.number(),
      /** Why it is not proven that nothing is missing. */
      failed: z.string().nullable(),
    }),
  ),
});
export type LedgerView = z.infer<typeof LedgerView>;
