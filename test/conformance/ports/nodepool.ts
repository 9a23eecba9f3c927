import { expect, test } from 'vitest';
import type { Precedence } from '../../../pipelines/action.ts';
import { Fault } from '../../../pipelines/fault.ts';
import type { Lease, NodePool, NodeRequest } from '../../../pipelines/ports.ts';

/** What every `NodePool` must do. `pool()` opens one with two places for the label `small`, afresh or again on the same data. */
export interface NodePoolFixture {
  pool(): Promise<NodePool>;
}

let count = 0;

export function requestOf(
  more: Partial<NodeRequest> & { label?: string; subnodes?: number } = {},
): NodeRequest {
  count += 1;
  const { label = 'small', subnodes = 0, ...rest } = more;
  const precedence: Precedence = 'normal';
  return {
    id: `acquire-${count}`,
    build: `build-${`${count}`.padStart(32, '0')}`,
    job: `job-${count}`,
    pipeline: 'check',
    precedence,
    nodes: { label, subnodes },
    ...rest,
  };
}

const soon = () => AbortSignal.timeout(20_000);

async function granted(pool: NodePool, request: NodeRequest, signal = soon()): Promise<Lease> {
  const answer = await pool.acquire(request, signal);
  if (answer.kind !== 'granted') throw new Error(answer.reason);
  return answer.lease;
}

export function nodePoolSuite(fixture: () => NodePoolFixture): void {
  const open = () => fixture().pool();

  test('lends a node, and takes it back twice', async () => {
    await using pool = await open();
    const lease = await granted(pool, requestOf());
    expect(lease.nodes).toHaveLength(1);
    expect(lease.nodes[0]).toMatchObject({ role: 'primary' });
    expect(await pool.lease(lease.id)).toEqual(lease);
    await pool.release(lease.id);
    await pool.release(lease.id);
    await pool.release('lease-that-never-was');
    expect(await pool.lease(lease.id)).toBe(undefined);
  });

  test('asking again answers the same lease, also after a restart', async () => {
    const request = requestOf();
    let first: Lease;
    {
      await using pool = await open();
      first = await granted(pool, request);
      expect(await granted(pool, request)).toEqual(first);
    }
    await using pool = await open();
    expect(await pool.lease(first.id)).toEqual(first);
    expect(await granted(pool, request)).toEqual(first);
    // Even one that was cancelled meanwhile learns what it holds.
    expect(await granted(pool, request, AbortSignal.abort())).toEqual(first);
    await pool.release(first.id);
  });

  test('no more leases than places; the others wait, and say why', async () => {
    await using pool = await open();
    const first = await granted(pool, requestOf({ job: 'tempest' }));
    const second = await granted(pool, requestOf());
    const third = pool.acquire(requestOf({ job: 'waits' }), soon());
    await Promise.resolve();
    const waiting = await pool.waiting();
    expect(waiting).toHaveLength(1);
    expect(waiting[0]).toMatchObject({ job: 'waits' });
    expect(waiting[0]?.why).toContain('tempest');
    await pool.release(first.id);
    const answer = await third;
    expect(answer.kind).toBe('granted');
    expect(await pool.waiting()).toEqual([]);
    await pool.release(second.id);
    if (answer.kind === 'granted') await pool.release(answer.lease.id);
  });

  test('two leases never share a place, also when asked for at once', async () => {
    await using pool = await open();
    let active = 0;
    let most = 0;
    const ids = new Set<string>();
    await Promise.all(
      Array.from({ length: 20 }, async () => {
        const lease = await granted(pool, requestOf());
        const id = lease.nodes[0]?.id ?? '';
        expect(ids.has(id)).toBe(false);
        ids.add(id);
        active += 1;
        most = Math.max(most, active);
        await new Promise((resolve) => setTimeout(resolve, 1));
        active -= 1;
        ids.delete(id);
        await pool.release(lease.id);
      }),
    );
    expect(most).toBeLessThanOrEqual(2);
  });

  test('high before normal before low, among equals in order of arrival', async () => {
    await using pool = await open();
    const held = [await granted(pool, requestOf()), await granted(pool, requestOf())];
    const order: string[] = [];
    const wanted = [
      ['low', 'a'],
      ['normal', 'b'],
      ['high', 'c'],
      ['normal', 'd'],
      ['high', 'e'],
    ] as const;
    const all = wanted.map(async ([precedence, job]) => {
      const lease = await granted(pool, requestOf({ precedence, job }));
      order.push(job);
      await pool.release(lease.id);
    });
    await Promise.resolve();
    expect((await pool.waiting()).map((each) => each.job)).toEqual(['c', 'e', 'b', 'd', 'a']);
    await pool.release(held[0]?.id ?? '');
    await Promise.all(all);
    expect(order).toEqual(['c', 'e', 'b', 'd', 'a']);
    await pool.release(held[1]?.id ?? '');
  });

  test('who gives up waits no longer', async () => {
    await using pool = await open();
    const held = [await granted(pool, requestOf()), await granted(pool, requestOf())];
    const stop = new AbortController();
    const waits = pool.acquire(requestOf(), stop.signal);
    stop.abort(new Fault('stopped', 'superseded'));
    await expect(waits).rejects.toMatchObject({ code: 'stopped' });
    expect(await pool.waiting()).toEqual([]);
    await Promise.all(held.map((lease) => pool.release(lease.id)));
    const next = await granted(pool, requestOf());
    await pool.release(next.id);
  });

  test('what can never be is refused at once, with the reason', async () => {
    await using pool = await open();
    for (const [request, why] of [
      [requestOf({ label: 'huge' }), /"huge".*small/],
      [requestOf({ label: 'small && !small' }), /label/],
      [requestOf({ label: 'small &&' }), /label expression/],
      [requestOf({ subnodes: 100 }), /101/],
    ] as const) {
      const answer = await pool.acquire(request, soon());
      expect(answer.kind === 'refused' ? answer.reason : answer).toMatch(why);
    }
    const any = await granted(pool, requestOf({ label: '' }));
    await pool.release(any.id);
  });
}
