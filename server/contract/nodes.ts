import { z } from 'zod';

/** The node pool as people see it and what they may ask of it. Times are ms since the epoch. */

export const PoolNodeView = z.object({
  /** Ten digits. */
  id: z.string(),
  provider: z.string(),
  label: z.string(),
  /** building, testing, ready, in-use, used, deleting, held, failed, quarantine, lost. */
  state: z.string(),
  /** Why it is held, failed, lost, or not deleted yet. */
  reason: z.string().nullable(),
  /** The provider's id of its machine. */
  machine: z.string().nullable(),
  address: z.string().nullable(),
  privateAddress: z.string().nullable(),
  zone: z.string().nullable(),
  /** Of machines that are always there. */
  host: z.string().nullable(),
  build: z.string().nullable(),
  job: z.string().nullable(),
  request: z.string().nullable(),
  createdAt: z.number(),
  stateAt: z.number(),
  /** A held node is deleted then. */
  until: z.number().nullable(),
});
export type PoolNodeView = z.infer<typeof PoolNodeView>;
export const PoolNodes = z.object({ nodes: z.array(PoolNodeView) });
export type PoolNodes = z.infer<typeof PoolNodes>;

export const NodeRequests = z.object({
  requests: z.array(
    z.object({
      id: z.string(),
      job: z.string(),
      pipeline: z.string(),
      precedence: z.string(),
      label: z.string(),
      /** waiting, allocated, granted. */
      state: z.string(),
      nodes: z.array(z.string()),
      since: z.number(),
      /** Why it waits, in words; null once it is granted. */
      why: z.string().nullable(),
    }),
  ),
});
export type NodeRequests = z.infer<typeof NodeRequests>;

export const PoolLabels = z.object({
  labels: z.array(
    z.object({
      name: z.string(),
      providers: z.array(z.string()),
      minReady: z.number(),
      ready: z.number(),
      inUse: z.number(),
      building: z.number(),
      waiting: z.number(),
    }),
  ),
});
export type PoolLabels = z.infer<typeof PoolLabels>;

export const PoolProviders = z.object({
  providers: z.array(
    z.object({
      name: z.string(),
      driver: z.string(),
      nodes: z.number(),
      limit: z.number().nullable(),
      /** Why it gets no new builds. */
      offline: z.string().nullable(),
      hosts: z.array(z.object({ name: z.string(), offline: z.string().nullable() })),
    }),
  ),
});
export type PoolProviders = z.infer<typeof PoolProviders>;

export const PoolHoldView = z.object({
  id: z.string(),
  project: z.string(),
  job: z.string(),
  change: z.string().nullable(),
  ref: z.string().nullable(),
  reason: z.string(),
  by: z.string(),
  /** How many failing builds it catches, and has caught. */
  count: z.number(),
  caught: z.number(),
  /** ms that nodes it caught are kept; null: until somebody deletes them. */
  nodeExpiration: z.number().nullable(),
  at: z.number(),
});
export const PoolHolds = z.object({ holds: z.array(PoolHoldView) });
export type PoolHolds = z.infer<typeof PoolHolds>;

const Reason = z.string().min(1).max(500);
/** ms */
const Span = z.number().int().min(1).max(Number.MAX_SAFE_INTEGER);

export const NodeParams = z.object({ id: z.string().regex(/^\d{1,10}$/, 'expected the number of a node') });
export const NodeHoldRequest = z.strictObject({ reason: Reason, expires: Span.optional() });
export const NodeDeleteRequest = z.strictObject({ now: z.boolean().default(false) });
export const OfflineRequest = z.strictObject({
  provider: z.string().min(1),
  host: z.string().min(1).optional(),
  reason: Reason,
});
export const OnlineRequest = z.strictObject({
  provider: z.string().min(1),
  host: z.string().min(1).optional(),
});
export const AutoholdRequest = z.strictObject({
  project: z.string().min(1),
  job: z.string().min(1),
  change: z
    .string()
    .regex(/^[1-9]\d*(,[1-9]\d*)?$/, 'expected NUMBER or NUMBER,PATCHSET')
    .optional(),
  ref: z.string().min(1).optional(),
  reason: Reason,
  count: z.number().int().min(1).max(1000).default(1),
  nodeExpiration: Span.optional(),
});
export type AutoholdRequest = z.infer<typeof AutoholdRequest>;

/** What became of it, in a sentence. */
export const PoolAnswer = z.object({ note: z.string() });
export type PoolAnswer = z.infer<typeof PoolAnswer>;

/** How a node is entered: for `stackgate ssh`. */
export const NodeAccess = z.object({
  node: z.string(),
  /** Null: the machine of the launcher. */
  address: z.string().nullable(),
  /** There the folder of the build that lies on it; null where none does. */
  folder: z.string().nullable(),
  port: z.number(),
  user: z.string().nullable(),
  hostKeys: z.array(z.string()),
  keyFile: z.string().nullable(),
});
export type NodeAccess = z.infer<typeof NodeAccess>;
