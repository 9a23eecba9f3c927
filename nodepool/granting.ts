import { asFault } from '../pipelines/fault.ts';
import type { Lease } from '../pipelines/ports.ts';
import { type Context, leaseFrom, nodesOf, refuse } from './context.ts';
import { type Joined, type Ties } from './joiner.ts';
import { freed, type NodeRecord, type RequestRecord, type RequestState } from './node.ts';
import type { Shape } from './shape.ts';
import { within } from './timer.ts';

/** From a request that has all its nodes to a lease: the nodes are joined first, where something joins them. */

/** ms; ready scripts and installing Open vSwitch take their time, and have a deadline of their own. */
export const joinDeadline = 50 * 60_000;

/** Grants a request whose nodes are all ready, to whoever waits for it. */
export function settle(context: Context, id: string, shape: Shape): void {
  const { joining, stop } = context;
  if (joining.has(id) || completed(context, id, shape) === undefined) return;
  const work = grant(context, id, shape)
    .catch((caught: unknown) => {
      if (!stop.aborted) context.broken(caught);
    })
    .finally(() => joining.delete(id));
  joining.set(id, work);
}

function completed(context: Context, id: string, shape: Shape) {
  const request = context.book.requests.get(id);
  const waiter = context.waiters.get(id);
  if (request?.state.phase !== 'allocated' || waiter === undefined) return undefined;
  const nodes = nodesOf(context, id);
  const isComplete =
    nodes.length === shape.members.length && nodes.every((node) => node.state.phase === 'ready');
  return isComplete ? { request, nodes, provider: request.state.provider } : undefined;
}

async function grant(context: Context, id: string, shape: Shape): Promise<void> {
  const { book, options, waiters } = context;
  const before = completed(context, id, shape);
  if (before === undefined) return;
  const joined = await join(context, shape, leaseFrom(context, before.request));
  if (joined.kind === 'refused') {
    refuse(context, id, joined.reason);
    return;
  }
  if (joined.kind === 'failed') {
    await apart(context, before.request, joined);
    return;
  }
  // Meanwhile a node may have died, or nobody may want it any more.
  const now = completed(context, id, shape);
  if (now === undefined) {
    context.changed();
    return;
  }
  const at = options.timer.now();
  const { build, job } = now.request;
  const nodes = now.nodes.map(
    (node): NodeRecord => ({ ...node, build, job, state: { phase: 'in-use' }, phaseAt: at }),
  );
  const lease = leaseFrom(context, now.request);
  const { network } = shape;
  const ties = network === undefined ? {} : { network };
  const state: RequestState = {
    phase: 'granted',
    provider: now.provider,
    at,
    nodes: [...lease.nodes],
    ...ties,
  };
  const granted: RequestRecord = { ...now.request, state };
  await book.write({ put: { nodes, requests: [granted] } });
  options.events?.granted?.(granted, at - granted.since);
  const waiter = waiters.get(id);
  waiters.delete(id);
  waiter?.grant(lease);
}

async function join({ options, stop }: Context, shape: Shape, lease: Lease): Promise<Joined> {
  const { join: joiner, timer } = options;
  if (joiner === undefined || !isJoined(shape, lease)) return { kind: 'joined' };
  try {
    const done = await within(timer, joinDeadline, stop, (signal) => joiner.up(shape, lease, signal));
    if (done.kind === 'done') return done.value;
    return { kind: 'failed', reason: 'joining its nodes took too long' };
  } catch (caught) {
    stop.throwIfAborted();
    return { kind: 'failed', reason: asFault(caught).message };
  }
}

/** Machines of ours are always made into a set, if of one; a host that stays is only when it has company. */
export function isJoined(ties: Ties, lease: Lease): boolean {
  const reached = lease.nodes.filter((node) => node.address !== undefined);
  if (reached.length === 0) return false;
  return reached.length > 1 || ties.network !== undefined || reached[0]?.id === reached[0]?.node;
}

/** The nodes to blame go; the request gets others, as often as its provider may fail. */
async function apart(
  context: Context,
  request: RequestRecord,
  { node, reason }: Joined & { kind: 'failed' },
) {
  const { book, options, lives, log } = context;
  log('a node set could not be joined', { request: request.id, reason });
  const now = book.requests.get(request.id);
  if (now?.state.phase !== 'allocated') return;
  const { provider } = now.state;
  const count = (now.failures[provider]?.count ?? 0) + 1;
  const failures = { ...now.failures, [provider]: { count, reason } };
  const at = options.timer.now();
  const nodes = nodesOf(context, request.id)
    .filter((each) => node === undefined || each.id === node)
    .map((each): NodeRecord => ({ ...freed(each), state: { phase: 'failed', reason }, phaseAt: at }));
  await book.write({ put: { nodes, requests: [{ ...now, failures }] } });
  for (const { id } of nodes) lives.poke(id);
  context.changed();
}
