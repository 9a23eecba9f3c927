import { asFault } from '../pipelines/fault.ts';
import { type Context, leaseFrom, nodesOf } from './context.ts';
import { isJoined, joinDeadline } from './granting.ts';
import { heldBy } from './holds.ts';
import { freed, type NodeRecord, type NodeState, type RequestRecord } from './node.ts';
import { within } from './timer.ts';

/** A lease that is given back: its nodes are used up, or kept for a person. Once that is written nobody has the lease any more. */
export async function giveBack(context: Context, request: RequestRecord): Promise<void> {
  const { book, lives, options } = context;
  const nodes = nodesOf(context, request.id);
  const hold = await holdFor(context, request);
  if (hold === undefined && nodes.some((node) => node.place !== undefined)) await part(context, request);
  const at = options.timer.now();
  const next: NodeState = hold === undefined ? { phase: 'used' } : { phase: 'held', ...hold.state };
  const given = nodes.map((node): NodeRecord => {
    // What is lost cannot be held.
    if (node.state.phase !== 'in-use') return freed(node);
    const { keep, ...rest } = freed(node);
    const state: NodeState = keep === undefined || hold !== undefined ? next : { phase: 'held', ...keep };
    return { ...rest, state, phaseAt: at };
  });
  const holds = hold === undefined ? [] : [hold.record];
  await book.write({ put: { nodes: given, holds }, drop: { requests: [request.id] } });
  for (const { id } of given) lives.poke(id);
  context.changed();
  // A machine that stays is clean when this resolves, or in quarantine.
  for (const { id, place } of given)
    if (place !== undefined && hold === undefined) await cleaned(context, id);
}

/** Machines that stay lose their overlay here; those that go take it with them. */
async function part(context: Context, request: RequestRecord): Promise<void> {
  const { options, stop, log } = context;
  const { join, timer } = options;
  const lease = leaseFrom(context, request);
  const ties = request.state.phase === 'granted' ? { network: request.state.network } : {};
  if (join === undefined || !isJoined(ties, lease)) return;
  try {
    await within(timer, joinDeadline, stop, (signal) => join.down(ties, lease, signal));
  } catch (caught) {
    stop.throwIfAborted();
    log('a node set could not be parted', { request: request.id, reason: asFault(caught).message });
  }
}

async function holdFor({ book, options }: Context, request: RequestRecord) {
  if (book.holds.size === 0 || options.ended === undefined) return undefined;
  const ended = await options.ended(request.build);
  return ended === undefined ? undefined : heldBy([...book.holds.values()], ended, options.timer.now());
}

async function cleaned({ book, stop }: Context, id: string): Promise<void> {
  for (;;) {
    const state = book.nodes.get(id)?.state;
    if (state === undefined || state.phase === 'failed' || stop.aborted) return;
    await book.written(stop);
  }
}
