import { z } from 'zod';
import { NetworkSpec } from '../jobs/definition/network.ts';
import { NodeSpec, Precedence } from '../pipelines/action.ts';
import type { Lease, LeasedNode } from '../pipelines/ports.ts';
import { PoolFiles } from './config/files.ts';

/**
 * What the pool writes down: nodes, requests, holds, and machines a person took out. Everything the launcher does is a change of
 * these, committed before it acts, so that a process that dies at any line leaves behind what to do next.
 */

const Ms = z.number();

/**
 * The life of a node:
 *
 *     building → testing → ready → in-use → used → deleting → (no record)
 *        └─────────┴─────────┴───────┴→ failed, lost ──┘
 *                                    └→ held ──────────┘
 *
 * A node is `in-use` from the moment its request is granted until that is released, whatever happens to the machine.
 */
export const NodeState = z.discriminatedUnion('phase', [
  /** Ordered from its provider; the machine may or may not exist. */
  z.object({ phase: z.literal('building') }),
  /** The machine runs: ssh, host keys, preflight. */
  z.object({ phase: z.literal('testing') }),
  /** Good for a build. With a request: waits for its siblings. */
  z.object({ phase: z.literal('ready') }),
  z.object({ phase: z.literal('in-use') }),
  /** Given back; never used again before it was deleted (a place: cleaned). */
  z.object({ phase: z.literal('used') }),
  z.object({ phase: z.literal('deleting'), tries: z.number(), reason: z.string().optional() }),
  /** Kept for a person, with everything on it. `until`: deleted then. */
  z.object({
    phase: z.literal('held'),
    reason: z.string(),
    by: z.string(),
    until: Ms.optional(),
    /** The hold that caught it. */
    hold: z.string().optional(),
  }),
  /** It never came up, or did not pass; a place whose cleaning failed stays so (quarantine) until a person looked. */
  z.object({ phase: z.literal('failed'), reason: z.string(), quarantine: z.boolean().optional() }),
  /** The provider does not know it any more. */
  z.object({ phase: z.literal('lost'), reason: z.string() }),
]);
export type NodeState = z.infer<typeof NodeState>;
export type Phase = NodeState['phase'];

/** Where a node is reached, as far as it is known. */
export const MachineRecord = z.object({
  id: z.string(),
  address: z.string().optional(),
  privateAddress: z.string().optional(),
  port: z.number().optional(),
  user: z.string().optional(),
  hostKeys: z.array(z.string()).optional(),
  keyFile: z.string().optional(),
  zone: z.string().optional(),
  region: z.string().optional(),
});
export type MachineRecord = z.infer<typeof MachineRecord>;

export const NodeRecord = z.object({
  /** Ten digits. */
  id: z.string(),
  provider: z.string(),
  /** The label it was made for. */
  label: z.string(),
  zone: z.string().optional(),
  /** Where the provider has places: which one. */
  place: z.string().optional(),
  resources: z.object({ instances: z.number(), cores: z.number(), ram: z.number() }),
  createdAt: Ms,
  /** When the phase began. */
  phaseAt: Ms,
  state: NodeState,
  machine: MachineRecord.optional(),
  /** The request it belongs to, and as which of its members. */
  request: z.string().optional(),
  member: z.number().optional(),
  /** A person wants it held when its build has ended. */
  keep: z.object({ reason: z.string(), by: z.string(), until: Ms.optional() }).optional(),
  /** The build that ran on it. */
  build: z.string().optional(),
  job: z.string().optional(),
  /** The prepared image it is made from; its label's base image where left out. */
  image: z.string().optional(),
});
export type NodeRecord = z.infer<typeof NodeRecord>;

export const RequestState = z.discriminatedUnion('phase', [
  z.object({ phase: z.literal('waiting') }),
  /** It has nodes at one provider and zone, some perhaps still being made. */
  z.object({ phase: z.literal('allocated'), provider: z.string(), zone: z.string().optional(), at: Ms }),
  /** The lease, as any process can read it. */
  z.object({
    phase: z.literal('granted'),
    provider: z.string(),
    at: Ms,
    nodes: z.array(z.custom<LeasedNode>((value) => typeof value === 'object' && value !== null)),
    /** What joined them, whatever nodepool.yaml says by now. */
    network: NetworkSpec.optional(),
  }),
]);
export type RequestState = z.infer<typeof RequestState>;

export const RequestRecord = z.object({
  /** The id of the action that asks. */
  id: z.string(),
  build: z.string(),
  job: z.string(),
  pipeline: z.string(),
  precedence: Precedence,
  nodes: NodeSpec,
  /** Order of arrival, and when. */
  turn: z.number(),
  since: Ms,
  /** Launches that failed for it, by provider, and the last reason. */
  failures: z.record(z.string(), z.object({ count: z.number(), reason: z.string() })),
  state: RequestState,
});
export type RequestRecord = z.infer<typeof RequestRecord>;

/** Keep the nodes of the next `count` builds of a job that fail (Zuul's autohold). */
export const HoldRecord = z.object({
  /** Ten digits. */
  id: z.string(),
  project: z.string(),
  job: z.string(),
  /** `1234` or `1234,5`, or a ref; neither: any. */
  change: z.string().optional(),
  ref: z.string().optional(),
  reason: z.string(),
  by: z.string(),
  count: z.number(),
  caught: z.number(),
  /** ms that a node it caught is kept; left out: until somebody deletes it. */
  nodeExpiration: z.number().optional(),
  at: Ms,
});
export type HoldRecord = z.infer<typeof HoldRecord>;

/** A provider, or one host of it, that gets no new builds: what runs there ends first (drain). */
export const OfflineRecord = z.object({
  provider: z.string(),
  host: z.string().optional(),
  reason: z.string(),
  by: z.string(),
  at: Ms,
});
export type OfflineRecord = z.infer<typeof OfflineRecord>;

/** The configuration in use, and what is still as it was before (config/standing.ts). */
export const ConfigRecord = z.object({
  /** The oldest that something still stands in first; the last is what nodepool.yaml says now. */
  files: z.array(PoolFiles),
  /** Providers, or hosts of them, that are not yet as the last file says. */
  old: z.array(z.object({ provider: z.string(), host: z.string().optional() })),
});
export type ConfigRecord = z.infer<typeof ConfigRecord>;

/** A lease's id follows from its request's, so that asking again after a crash is asking for the same one. */
export function leaseOf(request: string): string {
  return `lease-${request}`;
}

export function requestOfLease(lease: string): string | undefined {
  return lease.startsWith('lease-') ? lease.slice('lease-'.length) : undefined;
}

/** What a lease says, from its request's row; undefined when it is not granted (any more). */
export function leaseIn(row: unknown): Lease | undefined {
  const request = RequestRecord.safeParse(row).data;
  if (request?.state.phase !== 'granted') return undefined;
  return { id: leaseOf(request.id), nodes: request.state.nodes };
}

/** `12` and `0000000012` are the same node. */
export function nodeId(text: string | number): string {
  return String(text).padStart(10, '0');
}

export function offlineKey(of: { readonly provider: string; readonly host?: string | undefined }): string {
  return of.host === undefined ? of.provider : `${of.provider}/${of.host}`;
}

/** Phases in which a machine may exist, or come to exist, at the provider. */
export function takesRoom({ state }: NodeRecord): boolean {
  return state.phase !== 'lost';
}

/** Ordered, and not yet ready for a build. */
export function isLaunching({ state }: NodeRecord): boolean {
  return state.phase === 'building' || state.phase === 'testing';
}

/** Nobody's yet, and good for a request now or soon. */
export function isStock(node: NodeRecord): boolean {
  const { phase } = node.state;
  return node.request === undefined && (phase === 'building' || phase === 'testing' || phase === 'ready');
}

/** A node that belongs to nobody any more. */
export function freed(node: NodeRecord): NodeRecord {
  const { request: _, member: __, ...free } = node;
  return free;
}
