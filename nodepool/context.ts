import type { Lease, NodeRequest } from '../pipelines/ports.ts';
import type { Book } from './book.ts';
import type { Standing } from './config/standing.ts';
import type { Say } from './desk.ts';
import type { Desks } from './desks.ts';
import { leasedNode } from './lease.ts';
import type { Lives } from './life.ts';
import { freed, leaseOf, type NodeRecord, type RequestRecord } from './node.ts';
import type { LauncherOptions } from './options.ts';
import { type Shape, shapeOf } from './shape.ts';

/** What the rooms of the launcher share: the records, the providers, and those that wait in this process. */
export interface Context {
  readonly options: LauncherOptions;
  readonly book: Book;
  readonly desks: Desks;
  readonly lives: Lives;
  /** The configuration in force, and what is still as it was before. */
  standing: Standing;
  /** What requests ask for, read once. */
  shapes: WeakMap<RequestRecord['nodes'], Shape>;
  readonly waiters: Map<string, Waiter>;
  /** Node sets that are being joined, by request. */
  readonly joining: Map<string, Promise<void>>;
  readonly openedAt: number;
  readonly stop: AbortSignal;
  readonly log: Say;
  /** Asks for another plan. */
  readonly changed: () => void;
  /** The records can no longer be written, or a plan failed: the launcher ends. */
  readonly broken: (error: unknown) => void;
}

/** Whoever asked for nodes, in this life. */
export interface Waiter {
  readonly request: NodeRequest;
  readonly grant: (lease: Lease) => void;
  readonly refuse: (reason: string) => void;
  readonly fail: (error: Error) => void;
}

/** The nodes of a request, in the order of its members. */
export function nodesOf({ book }: Pick<Context, 'book'>, request: string): NodeRecord[] {
  return [...book.nodes.values()]
    .filter((node) => node.request === request)
    .sort((a, b) => (a.member ?? 0) - (b.member ?? 0));
}

/** Undefined when the configuration no longer knows what it asks for. */
export function shapeFor({ standing, shapes }: Context, { nodes }: RequestRecord): Shape | undefined {
  const known = shapes.get(nodes);
  if (known !== undefined) return known;
  const read = shapeOf(nodes, standing.wanted);
  if (read.kind !== 'shape') return undefined;
  shapes.set(nodes, read.shape);
  return read.shape;
}

/** The lease as it would be granted now. */
export function leaseFrom(context: Context, request: RequestRecord): Lease {
  if (request.state.phase === 'granted') return { id: leaseOf(request.id), nodes: request.state.nodes };
  const shape = shapeFor(context, request);
  const nodes = nodesOf(context, request.id).map((node) => {
    const desk = context.desks.all.get(node.provider);
    const place = desk?.provider.places?.find((each) => each.id === node.place);
    return leasedNode(node, shape?.members[node.member ?? 0], desk?.config, place);
  });
  return { id: leaseOf(request.id), nodes };
}

/** What people call the kind of node it asks for. */
export function labelOf(request: RequestRecord): string {
  return request.nodes.label;
}

/** Nobody can serve it: whoever waits hears why. */
export function refuse(context: Context, id: string, reason: string): void {
  const request = context.book.requests.get(id);
  const waiter = context.waiters.get(id);
  context.waiters.delete(id);
  if (request !== undefined) forget(context, request);
  waiter?.refuse(reason);
}

/** Nobody wants it any more: what it has becomes idle. */
export function forget(context: Context, request: RequestRecord): void {
  const nodes = nodesOf(context, request.id).map(freed);
  context.book
    .write({ put: { nodes }, drop: { requests: [request.id] } })
    .then(() => context.changed(), context.broken);
}
