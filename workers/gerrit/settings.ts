import { z } from 'zod';

/** How to reach one Gerrit, and how patient to be with it. Times are milliseconds. */
export const GerritSettings = z.object({
  /** The name that `source:` and triggers of the layout use. */
  connection: z.string().regex(/^[A-Za-z][\w.-]*$/),
  host: z.string().min(1),
  port: z.number().int().min(1).max(65_535).default(29_418),
  user: z.string().min(1),
  /** Private key file without passphrase, readable only by us. */
  keyFile: z.string().min(1),
  /** known_hosts lines, public keys or SHA256: fingerprints; nothing else is trusted. */
  hostKeys: z.string(),
  /** The account's full name, if the site cannot tell it; only used to warn when a results tab would not show it. */
  fullName: z.string().optional(),
  /** Event types to subscribe to; empty: all of them. Gerrit then spares its queue of 128 the rest. */
  subscribe: z.array(z.string().regex(/^[a-z][a-z-]*$/)).default([]),
  keepalive: z.number().int().positive().default(30_000),
  keepaliveCount: z.number().int().positive().default(3),
  readyTimeout: z.number().int().positive().default(20_000),
  /** One ssh command, from sending it to its exit status. */
  commandDeadline: z.number().int().positive().default(30_000),
  /** At most this many commands at once on the connection. */
  commandConcurrency: z.number().int().positive().default(4),
  /** A stream without a byte for so long is asked whether it still lives. */
  probeInterval: z.number().int().positive().default(60_000),
  probeDeadline: z.number().int().positive().default(15_000),
  reconnectFirst: z.number().int().positive().default(1_000),
  reconnectMost: z.number().int().positive().default(60_000),
  /** Refused logins and wrong host keys are tried again this seldom at first, so that nobody is locked out. */
  refusedFirst: z.number().int().positive().default(60_000),
  refusedMost: z.number().int().positive().default(900_000),
  reconcileInterval: z.number().int().positive().default(300_000),
  /** A sweep looks this far behind the last proven time again. */
  reconcileOverlap: z.number().int().nonnegative().default(600_000),
  /** What a sweep finds missing while the stream is up gets so long to arrive by itself. */
  reconcileGrace: z.number().int().nonnegative().default(1_000),
  /** However long we were away: what happened longer ago than this is not looked for. */
  reconcileMost: z
    .number()
    .int()
    .positive()
    .default(7 * 86_400_000),
  /** On the very first start: look this far back. 0: only what happens from now on. */
  lookBack: z.number().int().nonnegative().default(0),
  /** A `fetch` asks again for so long while Gerrit's answer is older than what its events said. */
  fetchDeadline: z.number().int().positive().default(15_000),
  /** After an unknown end of a review: so long may it take to become visible before it is sent again. */
  readBack: z.number().int().positive().default(10_000),
  /**
   * A review leaves within so long after it was made sure that it is ours to post, or not at all: a process that was stopped in
   * between must not post what another posted meanwhile. Whoever takes over waits as much longer.
   */
  postWithin: z.number().int().positive().default(2_000),
  /** Queries and reviews over REST instead of SSH commands. */
  rest: z
    .object({
      /** Base address of Gerrit, with a trailing slash. */
      url: z.string().regex(/^https?:\/\/.*\/$/),
      /** File with the account's HTTP password or token, readable only by us. */
      passwordFile: z.string().min(1),
      perSecond: z.number().positive().default(10),
    })
    .optional(),
  /** Changes in one dependency network. */
  maxRelated: z.number().int().positive().default(100),
});
export type GerritSettings = z.infer<typeof GerritSettings>;
