import { Fault, stopReason } from '../pipelines/fault.ts';
import type { NodePool, NodeRequest } from '../pipelines/ports.ts';
import { type Context, forget, leaseFrom, nodesOf, shapeFor, type Waiter } from './context.ts';
import { type RequestRecord, requestOfLease } from './node.ts';
import { inOrder } from './order.ts';
import type { Planner } from './planning.ts';
import { giveBack } from './releasing.ts';
import { shapeOf } from './shape.ts';
import { reasonOf } from './timer.ts';

/** The pool as the hands see it: ask, wait, give back. */
export interface Pool extends Omit<NodePool, typeof Symbol.asyncDispose> {
  /** Why a request waits, in words. */
  why(request: RequestRecord): string;
  /** Ends every wait; what is being given back is waited for. */
  close(): Promise<void>;
}

export function poolOver(context: Context, plans: Planner): Pool {
  const { book, waiters, stop, options } = context;
  const { timer } = options;
  const releasing = new Map<string, Promise<void>>();
  let turn = Math.max(0, ...[...book.requests.values()].map((request) => request.turn));

  return {
    why,
    async acquire(request, signal) {
      const before = book.requests.get(request.id);
      if (before?.state.phase === 'granted') {
        // Perhaps it is being written at this moment.
        await book.settled();
        return { kind: 'granted', lease: leaseFrom(context, before) };
      }
      const read = shapeOf(request.nodes, context.standing.wanted);
      if (read.kind === 'wrong') {
        if (before !== undefined) forget(context, before);
        return { kind: 'refused', reason: read.reason };
      }
      if (stop.aborted) throw new Fault('stopped', 'the node pool is closed', { retry: true });
      if (signal.aborted) {
        if (before !== undefined && stopReason(signal) !== undefined) forget(context, before);
        throw reasonOf(signal);
      }
      return await wait(request, signal);
    },
    async lease(id) {
      const request = book.requests.get(requestOfLease(id) ?? '');
      return request?.state.phase === 'granted' ? leaseFrom(context, request) : undefined;
    },
    async release(id) {
      const request = book.requests.get(requestOfLease(id) ?? '');
      const under = releasing.get(id);
      if (under === undefined && request?.state.phase !== 'granted') return;
      if (under !== undefined || request === undefined) return await under;
      const work = giveBack(context, request).finally(() => releasing.delete(id));
      releasing.set(id, work);
      await work;
    },
    async waiting() {
      const requests = [...waiters.keys()].flatMap((id) => book.requests.get(id) ?? []);
      const queue = requests.map((request) => ({ request, since: request.since, turn: request.turn }));
      return inOrder(queue).map(({ request, since }) => ({
        id: request.id,
        job: request.job,
        since,
        why: why(request),
      }));
    },
    async close() {
      const closed = new Fault('stopped', 'the node pool was closed', { retry: true });
      for (const waiter of waiters.values()) waiter.fail(closed);
      waiters.clear();
      await Promise.allSettled(releasing.values());
    },
  };

  /** One wait for each request, however often it is asked: all who ask get the answer. */
  function wait(request: NodeRequest, signal: AbortSignal): ReturnType<NodePool['acquire']> {
    return new Promise((resolve, reject) => {
      const before = waiters.get(request.id);
      const done = () => signal.removeEventListener('abort', aborted);
      const waiter: Waiter = {
        request,
        grant(lease) {
          done();
          before?.grant(lease);
          resolve({ kind: 'granted', lease });
        },
        refuse(reason) {
          done();
          before?.refuse(reason);
          resolve({ kind: 'refused', reason });
        },
        fail(error) {
          done();
          before?.fail(error);
          reject(error);
        },
      };
      const aborted = () => {
        if (waiters.get(request.id) === waiter) giveUp(request.id, before, signal);
        reject(reasonOf(signal));
      };
      signal.addEventListener('abort', aborted, { once: true });
      waiters.set(request.id, waiter);
      enlist(request);
      // At once, so that whoever looks next knows why it waits.
      plans.plan();
    });
  }

  function enlist(request: NodeRequest): void {
    if (book.requests.has(request.id)) return;
    const state = { phase: 'waiting' } as const;
    const record: RequestRecord = { ...request, turn: ++turn, since: timer.now(), failures: {}, state };
    book.write({ put: { requests: [record] } }).catch(context.broken);
  }

  /** One who asked before goes on waiting. A process that ends lets go; one that is cancelled wants it no more. */
  function giveUp(id: string, before: Waiter | undefined, signal: AbortSignal): void {
    if (before !== undefined) {
      waiters.set(id, before);
      return;
    }
    waiters.delete(id);
    const request = book.requests.get(id);
    const isOver = stopReason(signal) !== undefined && !stop.aborted;
    if (isOver && request !== undefined && request.state.phase !== 'granted') forget(context, request);
  }

  function why(request: RequestRecord): string {
    const said = plans.why(request.id);
    if (said !== undefined) return said;
    if (context.joining.has(request.id)) return 'its nodes are ready and are being joined';
    const nodes = nodesOf(context, request.id);
    const size = shapeFor(context, request)?.members.length ?? 1;
    const now = timer.now();
    const slow = nodes
      .filter((node) => node.state.phase !== 'ready')
      .map(({ id, state, provider, phaseAt }) => {
        const time = Math.round((now - phaseAt) / 1000);
        return `${id} is ${state.phase} at ${provider} for ${time} s`;
      });
    const failed = Object.entries(request.failures).map(
      ([name, { count, reason }]) => `${count} failed at ${name}: ${reason}`,
    );
    return [`${nodes.length - slow.length} of ${size} nodes are ready`, ...slow, ...failed].join('; ');
  }
}
