import { inOrder, type Waiting } from '../../nodepool/order.ts';
import type { AcquireAction } from '../../pipelines/action.ts';

/** A pool of equal nodes in virtual time: the high ones first, among equals the one that waits longest. */
export interface SimulatedNodes {
  request(action: AcquireAction, now: number): void;
  /** Gives nodes to those that wait, in order; nobody overtakes one that waits for several. */
  grant(now: number): Granted[];
  /** A request that is no longer wanted. */
  withdraw(id: string): void;
  release(lease: string): void;
  used(): number;
  waiting(): number;
}

export type Granted =
  | {
      readonly kind: 'granted';
      readonly action: AcquireAction;
      readonly lease: string;
      readonly waited: number;
    }
  | { readonly kind: 'refused'; readonly action: AcquireAction; readonly reason: string };

export function sizeOf({ nodes }: AcquireAction): number {
  return nodes.members?.length ?? 1 + (nodes.subnodes ?? 0);
}

/** `capacity` undefined: as many as are wanted. */
export function simulatedNodes(capacity: number | undefined): SimulatedNodes {
  const waiting = new Map<string, Waiting & { readonly request: AcquireAction }>();
  const leases = new Map<string, number>();
  let used = 0;
  let turn = 0;

  function grant(now: number): Granted[] {
    const granted: Granted[] = [];
    for (const { request } of inOrder([...waiting.values()])) {
      const entry = waiting.get(request.id);
      if (entry === undefined) continue;
      const action = entry.request;
      const size = sizeOf(action);
      if (capacity !== undefined && size > capacity) {
        waiting.delete(action.id);
        const reason = `it wants ${size} nodes, and there are ${capacity}`;
        granted.push({ kind: 'refused', action, reason });
        continue;
      }
      if (capacity !== undefined && used + size > capacity) break;
      waiting.delete(action.id);
      const lease = `lease-${action.id}`;
      leases.set(lease, size);
      used += size;
      granted.push({ kind: 'granted', action, lease, waited: now - entry.since });
    }
    return granted;
  }

  return {
    request(action, now) {
      waiting.set(action.id, { request: action, since: now, turn: turn++ });
    },
    grant,
    withdraw: (id) => void waiting.delete(id),
    release(lease) {
      used -= leases.get(lease) ?? 0;
      leases.delete(lease);
    },
    used: () => used,
    waiting: () => waiting.size,
  };
}
