import { Fault } from '../../pipelines/fault.ts';
import type { Lease, NodePool, NodeRequest } from '../../pipelines/ports.ts';
import { baseLabel } from '../config/config.ts';
import { type Context, forget } from '../context.ts';
import { leaseOf } from '../node.ts';
import type { Target } from './plan.ts';
import type { PreparationRecord } from './record.ts';
import type { Teller } from './teller.ts';

/** The machines of a preparation are borrowed from the pool as builds borrow theirs, and go back the same way. */

export type Lender = Pick<NodePool, 'acquire' | 'release' | 'waiting'>;

const knock = 1000;

export const requestOf = (id: string, place: number): string => `prepare-${id}-${place}`;

/** All places of a host, or one new machine. */
export async function borrow(
  { options }: Context,
  pool: Lender,
  { id, label }: PreparationRecord,
  { provider, host, places }: Target,
  signal: AbortSignal,
  teller: Teller,
): Promise<readonly Lease[]> {
  teller.say(`waiting for ${host ?? `a machine of ${label} at ${provider}`}`);
  const asking = new AbortController();
  const both = AbortSignal.any([signal, asking.signal]);
  const watching = tellWhy();
  const from = host === undefined ? baseLabel(label, provider) : `${host} && ${provider}`;
  try {
    return await Promise.all(
      Array.from({ length: places }, async (_, place) => {
        const answer = await pool.acquire(wanted(place, from), both);
        if (answer.kind === 'granted') return answer.lease;
        throw new Fault('node-lost', answer.reason);
      }),
    );
  } finally {
    asking.abort(new Fault('stopped', 'it waits no longer'));
    await watching;
  }

  /** Says why it waits, when that changes: the seconds in it are no news. */
  async function tellWhy(): Promise<void> {
    let last: string | undefined;
    while (!both.aborted) {
      await options.timer.sleep(knock, both).catch(() => undefined);
      const waiting = (await pool.waiting()).find((each) => each.id.startsWith(`prepare-${id}-`));
      const why = waiting?.why.replaceAll(/ for \d+ s/g, '') ?? last;
      if (why !== undefined && why !== last && !both.aborted) teller.say(`  ${why}`);
      last = why;
    }
  }

  function wanted(place: number, from: string): NodeRequest {
    return {
      id: requestOf(id, place),
      build: `build-prepare-${id}-${place}`,
      job: `prepare ${label}`,
      pipeline: '',
      precedence: 'normal',
      nodes: { label: from, subnodes: 0 },
    };
  }
}

/** They go the way of all used ones; those that somebody wants to look at are held. */
export async function giveBack(
  context: Context,
  pool: Lender,
  { id, keep, by, label }: PreparationRecord,
): Promise<void> {
  const { book } = context;
  const requests = [...book.requests.values()].filter((each) => each.id.startsWith(`prepare-${id}-`));
  if (keep) {
    const mine = new Set<string | undefined>(requests.map((each) => each.id));
    const used = [...book.nodes.values()].filter(
      ({ request, state }) => mine.has(request) && state.phase === 'in-use',
    );
    const kept = used.map((node) => ({ ...node, keep: { reason: `prepared for ${label}`, by } }));
    await book.write({ put: { nodes: kept } });
  }
  for (const request of requests) {
    if (request.state.phase === 'granted') await pool.release(leaseOf(request.id));
    else forget(context, request);
  }
}

/** What preparations of a life before this one had. */
export function giveBackAll(context: Context, pool: Lender): void {
  const left = [...context.book.requests.values()].filter(({ id }) => id.startsWith('prepare-'));
  for (const request of left) {
    if (request.state.phase !== 'granted') forget(context, request);
    // A host that stays is cleaned first, which may take its time.
    else pool.release(leaseOf(request.id)).catch(context.broken);
  }
}
