import { setTimeout as sleep } from 'node:timers/promises';
import { Fault, stopReason } from '../pipelines/fault.ts';
import type { NodePool, Store } from '../pipelines/ports.ts';
import type { Hand } from './handle.ts';

/** The hands that borrow nodes and give them back. */

/** Borrows the nodes of a build. Cancelled meanwhile, whatever was lent goes back before the hand lets go. */
export function acquirer(pool: NodePool): Hand<'acquire'> {
  return async (action, signal) => {
    const { id, build, job, pipeline, precedence, nodes } = action;
    const answer = await pool.acquire({ id, build, job, pipeline, precedence, nodes }, signal);
    if (answer.kind === 'refused') return answer;
    const { lease } = answer;
    if (stopReason(signal) !== undefined) {
      await pool.release(lease.id);
      throw signal.reason;
    }
    return { kind: 'granted', lease: lease.id, nodes: lease.nodes.map((node) => node.name) };
  };
}

/** ms between looks, and until the release makes room for others in the work queue and is tried again. */
const look = 100;
const patience = 60_000;

/** Gives nodes back, those of a cancelled build only when its hand has let go of them. */
export function releaser(pool: NodePool, store: Pick<Store, 'isDone'>): Hand<'release'> {
  return async ({ lease, after }, signal) => {
    if (after !== undefined) await done(store, after, signal);
    await pool.release(lease);
  };
}

async function done(store: Pick<Store, 'isDone'>, action: string, signal: AbortSignal): Promise<void> {
  const until = performance.now() + patience;
  while (!(await store.isDone(action))) {
    if (performance.now() > until) {
      throw new Fault('deadline', `${action} was cancelled and has not ended yet`, { retry: true });
    }
    await sleep(look, undefined, { signal });
  }
}
