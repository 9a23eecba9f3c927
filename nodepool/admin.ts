import type { Context } from './context.ts';
import { type HoldRecord, type NodeRecord, nodeId, type OfflineRecord, offlineKey } from './node.ts';
import { hostOfPlace } from './providers/place.ts';

/** What people change: hold, give back, delete, take offline. Every change is written before it is answered. */

export type Told =
  | { readonly kind: 'done'; readonly note: string }
  | { readonly kind: 'absent'; readonly reason: string }
  /** It cannot be done to a node in this state. */
  | { readonly kind: 'conflict'; readonly reason: string; readonly hint?: string };

export interface Admin {
  /** Keeps a node with everything on it; one that runs a build is kept when that ends. `expires`: ms from now. */
  hold(id: string, reason: string, by: string, expires?: number): Promise<Told>;
  /** A held node goes back: it is deleted, or cleaned where it stays. */
  release(id: string): Promise<Told>;
  /** `now`: also under a running build. */
  delete(id: string, now: boolean): Promise<Told>;
  /** A provider or one of its hosts gets no new builds; what runs ends first. */
  offline(provider: string, host: string | undefined, reason: string, by: string): Promise<Told>;
  /** Also takes its places out of quarantine: they are cleaned again. */
  online(provider: string, host: string | undefined): Promise<Told>;
  autohold(wish: Omit<HoldRecord, 'id' | 'caught' | 'at'>): Promise<Told>;
  /** The nodes it caught go back. */
  autoholdDelete(id: string): Promise<Told>;
}

export function adminOf(context: Context): Admin {
  const { book, lives, options } = context;
  const desks = context.desks.all;

  const found = (id: string): NodeRecord | Told =>
    book.nodes.get(nodeId(id)) ?? { kind: 'absent', reason: `there is no node ${id}` };
  const isTold = (value: NodeRecord | Told): value is Told => 'kind' in value;

  async function remove(node: NodeRecord, reason: string): Promise<void> {
    const { phase } = node.state;
    const done = await lives.move(node.id, [phase], { phase: 'deleting', tries: 0, reason });
    if (!done) return;
    lives.interrupt(node.id, reason);
    lives.poke(node.id);
  }

  /** The provider and host a person names; undefined when there is none such. */
  function place(provider: string, host: string | undefined): Told | undefined {
    const desk = desks.get(provider);
    if (desk === undefined) {
      return {
        kind: 'absent',
        reason: `there is no provider ${provider}; known: ${[...desks.keys()].join(', ')}`,
      };
    }
    const hosts = [...new Set(desk.provider.places?.map((each) => each.host))];
    if (host === undefined || hosts.includes(host)) return undefined;
    return { kind: 'absent', reason: `provider ${provider} has no host ${host}` };
  }

  return {
    async hold(id, reason, by, expires) {
      const node = found(id);
      if (isTold(node)) return node;
      const until = expires === undefined ? {} : { until: options.timer.now() + expires };
      const keep = { reason, by, ...until };
      if (node.state.phase === 'in-use') {
        await book.write({ put: { nodes: [{ ...node, keep }] } });
        return { kind: 'done', note: `node ${node.id} is held when its build has ended` };
      }
      if (node.state.phase !== 'ready' || node.request !== undefined) {
        return {
          kind: 'conflict',
          reason: `node ${node.id} is ${node.state.phase}: only a ready or used one can be held`,
        };
      }
      await lives.move(node.id, ['ready'], { phase: 'held', ...keep });
      return { kind: 'done', note: `node ${node.id} is held` };
    },
    async release(id) {
      const node = found(id);
      if (isTold(node)) return node;
      if (node.state.phase !== 'held') {
        return { kind: 'conflict', reason: `node ${node.id} is ${node.state.phase}, not held` };
      }
      await remove(node, 'released');
      return { kind: 'done', note: `node ${node.id} goes back` };
    },
    async delete(id, now) {
      const node = found(id);
      if (isTold(node)) return node;
      if (node.state.phase === 'in-use' && !now) {
        return {
          kind: 'conflict',
          reason: `node ${node.id} runs ${node.job ?? 'a build'}`,
          hint: '--now deletes it all the same; the build is lost and run again.',
        };
      }
      if (!desks.has(node.provider)) {
        await book.write({ drop: { nodes: [node.id] } });
        return {
          kind: 'done',
          note: `forgot node ${node.id}: nodepool.yaml has no provider ${node.provider} any more`,
        };
      }
      await remove(node, 'deleted by a person');
      return { kind: 'done', note: `node ${node.id} is being deleted` };
    },
    async offline(provider, host, reason, by) {
      const wrong = place(provider, host);
      if (wrong !== undefined) return wrong;
      const at = options.timer.now();
      const record: OfflineRecord = { provider, reason, by, at, ...(host === undefined ? {} : { host }) };
      await book.write({ put: { offline: [record] } });
      context.changed();
      const running = [...book.nodes.values()].filter(
        (node) => isAt(node, provider, host) && node.state.phase === 'in-use',
      );
      return {
        kind: 'done',
        note: `${offlineKey({ provider, host })} is offline; ${running.length} builds run there to their end`,
      };
    },
    async online(provider, host) {
      const wrong = place(provider, host);
      if (wrong !== undefined) return wrong;
      await book.write({ drop: { offline: [offlineKey({ provider, host })] } });
      for (const node of book.nodes.values())
        if (isAt(node, provider, host) && node.state.phase === 'failed' && node.state.quarantine === true)
          await remove(node, 'out of quarantine');
      context.changed();
      return { kind: 'done', note: `${offlineKey({ provider, host })} is online` };
    },
    async autohold(wish) {
      const hold: HoldRecord = { ...wish, id: book.next(), caught: 0, at: options.timer.now() };
      await book.write({ put: { holds: [hold] } });
      return { kind: 'done', note: hold.id };
    },
    async autoholdDelete(id) {
      const hold = book.holds.get(nodeId(id));
      if (hold === undefined) return { kind: 'absent', reason: `there is no hold ${id}` };
      await book.write({ drop: { holds: [hold.id] } });
      const held = [...book.nodes.values()].filter(
        ({ state }) => state.phase === 'held' && state.hold === hold.id,
      );
      for (const node of held) await remove(node, 'its hold was deleted');
      return { kind: 'done', note: `hold ${hold.id} is gone; ${held.length} nodes go back` };
    },
  };
}

function isAt({ provider, place }: NodeRecord, wanted: string, host: string | undefined): boolean {
  return provider === wanted && (host === undefined || (place !== undefined && hostOfPlace(place) === host));
}
