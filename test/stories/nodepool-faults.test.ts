import { setMaxListeners } from 'node:events';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { adminOf } from '../../nodepool/admin.ts';
import type { Joiner } from '../../nodepool/joiner.ts';
import type { Launcher } from '../../nodepool/launcher.ts';
import type { LauncherOptions } from '../../nodepool/options.ts';
import type { Provider } from '../../nodepool/provider.ts';
import type { Timer } from '../../nodepool/timer.ts';
import { stopped } from '../../pipelines/fault.ts';
import type { Lease, NodeRequest, Row } from '../../pipelines/ports.ts';
import { memoryPool } from '../../workers/memory/pool.ts';
import { type FakeCloud, fakeCloud } from '../fakes/cloud/cloud.ts';
import { seeded, type VirtualTime, virtualTime } from '../fakes/cloud/time.ts';
import { openVirtualPool, poolConfig, requestFor, siteId } from '../harness/virtualpool.ts';

/** What may go wrong with a machine, one thing at a time, in virtual time. */

const config = poolConfig(`
labels:
  - {name: small, image: small, providers: [cloud]}
  - {name: idle, image: small, min-ready: 1, providers: [cloud]}
  - {name: huge, image: huge, providers: [cloud]}
  - {name: pair, image: small, subnodes: 1, providers: [cloud]}
node-sets:
  - {name: crowd, primary: small, subnodes: 11}
providers:
  - name: cloud
    rate: 0
    max-servers: 10
    boot-timeout: 120
    launch-timeout: 600
    images:
      - {name: small, cores: 2, ram: 8192}
      - {name: huge, cores: 32, ram: 8192}
max-cores-per-job: 24
`);
const minute = 60_000;
const never = new AbortController().signal;
setMaxListeners(0, never);

let time: VirtualTime;
let cloud: FakeCloud;
let rows: Map<string, Row>;
let pool: Launcher;
const lines: string[] = [];

const open = (more: Partial<LauncherOptions> = {}) =>
  openVirtualPool(config, [cloud], time, rows, { log: (line) => lines.push(line), ...more });

beforeEach(async () => {
  time = virtualTime();
  rows = new Map();
  lines.length = 0;
  cloud = fakeCloud('cloud', siteId, {
    quota: 10,
    bootTime: () => 30_000,
    latency: () => 100,
    random: seeded(7),
    timer: time,
  });
  pool = await open();
  await time.run(5 * minute, () => phases().includes('idle ready'));
});
afterEach(async () => {
  await pool[Symbol.asyncDispose]();
});

const phases = () =>
  [...pool.context.book.nodes.values()].map(({ label, state }) => `${label} ${state.phase}`);

/** Waits in virtual time. */
async function lent(request: NodeRequest, within = 30 * minute): Promise<Lease> {
  let lease: Lease | string | undefined;
  const ask = async () => {
    const answer = await pool.acquire(request, never);
    lease = answer.kind === 'granted' ? answer.lease : answer.reason;
  };
  const asked = ask();
  await time.run(within, () => lease !== undefined);
  await asked;
  if (typeof lease !== 'object') throw new Error(lease);
  return lease;
}

/** Everything is gone but the idle node, at our side and at theirs. */
async function clean(): Promise<void> {
  await time.run(60 * minute, () => cloud.machines.size === 1 && phases().join() === 'idle ready');
}

async function returned(lease: Lease): Promise<void> {
  await pool.release(lease.id);
  await clean();
}

test('a machine that dies while it boots is replaced', async () => {
  const asked = pool.acquire(requestFor('small'), never);
  await time.run(minute, () => phases().includes('small building') && cloud.machines.size === 2);
  const [, victim] = [...cloud.machines.keys()];
  cloud.forget(victim ?? '');
  let lease: Lease | undefined;
  void asked.then((answer) => (lease = answer.kind === 'granted' ? answer.lease : undefined));
  await time.run(10 * minute, () => lease !== undefined);
  expect(lease?.nodes[0]?.machine).not.toBe(victim);
  await returned(lease ?? { id: '', nodes: [] });
});

test('a machine that never lets us in is replaced, and says why; too many end the request', async () => {
  await pool[Symbol.asyncDispose]();
  let tests = 0;
  const silent = new Promise<never>(() => undefined);
  pool = await open({
    test: (node) => (node.label === 'small' && tests++ < 1 ? silent : Promise.resolve({ kind: 'fit' })),
  });
  const lease = await lent(requestFor('small'));
  expect(tests).toBe(2);
  await returned(lease);
  await pool[Symbol.asyncDispose]();
  pool = await open({
    test: async (node) =>
      node.label === 'small' ? { kind: 'unfit', reason: 'the disk is full' } : { kind: 'fit' },
  });
  await expect(lent(requestFor('small'))).rejects.toThrow('3 launches failed, at last: the disk is full');
  await clean();
});

test('a machine that goes away under a build is lost; nothing else is built on it', async () => {
  const lease = await lent(requestFor('small'));
  cloud.forget(lease.nodes[0]?.machine ?? '');
  await time.run(5 * minute, () => phases().includes('small lost'));
  expect(await pool.lease(lease.id)).toEqual(lease);
  const other = await lent(requestFor('small'));
  expect(other.nodes[0]?.node).not.toBe(lease.nodes[0]?.node);
  await pool.release(lease.id);
  await returned(other);
});

test('an idle machine that goes away is replaced', async () => {
  const [before] = cloud.machines.keys();
  cloud.forget(before ?? '');
  await time.run(10 * minute, () => phases().join() === 'idle ready' && !cloud.machines.has(before ?? ''));
  await clean();
});

test('delete that fails five times is tried again until it is done', async () => {
  const lease = await lent(requestFor('small'));
  for (let count = 0; count < 5; count++) cloud.next.delete.push({ kind: 'transient', reason: '503' });
  await returned(lease);
  expect(cloud.calls.delete).toBeGreaterThanOrEqual(6);
});

test('a lost answer makes no second machine', async () => {
  const create = cloud.create.bind(cloud);
  let lose = true;
  cloud.create = async (order, signal) => {
    const answer = await create(order, signal);
    if (!lose) return answer;
    lose = false;
    return { kind: 'transient', reason: 'the connection broke' };
  };
  const made = cloud.made;
  const lease = await lent(requestFor('small'));
  expect(cloud.made - made).toBe(1);
  await returned(lease);
});

test('machines of ours that nobody knows are deleted after two lists, those of others are not', async () => {
  const stray = { kind: { label: 'small', properties: {} }, site: siteId, again: false };
  const leak = cloud.create({ ...stray, node: '9999999999' }, never);
  await time.run(minute, () => cloud.machines.size === 2);
  await leak;
  await time.run(minute, () => cloud.calls.list >= 1);
  await clean();
  expect(lines).toContain('leaked machine');
});

test('a quota that others use up makes requests wait, in words, and costs few calls', async () => {
  const held = [];
  for (let count = 0; count < 9; count++) held.push(await lent(requestFor('small', { job: 'tempest' })));
  const refused = cloud.refused;
  let late: Lease | undefined;
  void pool
    .acquire(requestFor('small'), never)
    .then((answer) => (late = answer.kind === 'granted' ? answer.lease : undefined));
  await time.run(
    10 * minute,
    () => phases().filter((phase) => phase === 'idle deleting' || phase === 'idle ready').length === 0,
  );
  // The idle node made room for it.
  await time.run(10 * minute, () => late !== undefined);
  const next = pool.acquire(requestFor('small'), never);
  await time.run(minute, () => pool.context.waiters.size === 1);
  await time.run(20 * minute, () => time.now() % minute === 0).catch(() => undefined);
  expect((await pool.waiting())[0]?.why).toMatch(
    /cloud: 10 of 10 servers are taken and it wants 1; next in line/,
  );
  expect(cloud.refused - refused).toBeLessThanOrEqual(6);
  for (const lease of held) await pool.release(lease.id);
  let last: Lease | undefined;
  void next.then((answer) => (last = answer.kind === 'granted' ? answer.lease : undefined));
  await time.run(10 * minute, () => last !== undefined);
  if (late !== undefined) await pool.release(late.id);
  await returned(last ?? { id: '', nodes: [] });
});

test('what can never be is refused at once', async () => {
  await expect(lent(requestFor('crowd'))).rejects.toThrow('it wants 12 servers and may have 10');
  await expect(lent(requestFor('huge'))).rejects.toThrow('it wants 32 vCPUs, and a job may have 24');
  await expect(lent(requestFor('smal'))).rejects.toThrow('no node fits the label "smal"');
});

test('a person drains a provider, holds, releases and deletes', async () => {
  const admin = adminOf(pool.context);
  const lease = await lent(requestFor('small'));
  const id = lease.nodes[0]?.node ?? '';
  expect(await admin.delete(id, false)).toMatchObject({ kind: 'conflict' });
  expect(await admin.hold('12345', 'x', 'me')).toMatchObject({ kind: 'absent' });
  expect(await admin.hold(id, 'look at br-ex', 'me', 60 * minute)).toMatchObject({ kind: 'done' });
  expect(await admin.offline('cloud', undefined, 'maintenance', 'me')).toMatchObject({ kind: 'done' });
  const asked = pool.acquire(requestFor('small'), never);
  await time.run(minute, () => pool.context.waiters.size === 1);
  expect((await pool.waiting())[0]?.why).toContain('cloud: offline: maintenance');
  await pool.release(lease.id);
  expect(phases()).toContain('small held');
  expect(await admin.online('cloud', undefined)).toMatchObject({ kind: 'done' });
  let next: Lease | undefined;
  void asked.then((answer) => (next = answer.kind === 'granted' ? answer.lease : undefined));
  await time.run(10 * minute, () => next !== undefined);
  await pool.release(next?.id ?? '');
  // Held for an hour, then it goes by itself.
  expect(phases()).toContain('small held');
  await time.run(70 * minute, () => !phases().includes('small held'));
  await clean();
});

test('the nodes of a job that fails are held, as often as was asked', async () => {
  await pool[Symbol.asyncDispose]();
  let result = 'FAILURE';
  pool = await open({ ended: async () => ({ job: 'dvr', project: 'neutron', change: '12,3', result }) });
  const admin = adminOf(pool.context);
  await admin.autohold({ project: 'neutron', job: 'dvr', reason: 'flaky', by: 'me', count: 1 });
  result = 'ABORTED';
  await pool.release((await lent(requestFor('pair'))).id);
  expect(phases()).not.toContain('pair held');
  result = 'FAILURE';
  await pool.release((await lent(requestFor('pair'))).id);
  expect(phases().filter((phase) => phase === 'pair held')).toHaveLength(2);
  await pool.release((await lent(requestFor('pair'))).id);
  expect(phases().filter((phase) => phase === 'pair held')).toHaveLength(2);
  const [hold] = pool.context.book.holds.values();
  expect(await admin.autoholdDelete(hold?.id ?? '')).toMatchObject({ kind: 'done' });
  await clean();
});

describe('killed at every step', () => {
  /** A life whose outside stops answering when it is killed: nothing it does afterwards has an effect. */
  function mortal(killAt: string | undefined, seen: Set<string>): Partial<LauncherOptions> {
    let dead = false;
    const gone = new Promise<never>(() => undefined);
    const guard = <T>(work: () => Promise<T>): Promise<T> =>
      dead ? gone : work().then((value) => (dead ? gone : value));
    const records = memoryPool(rows);
    const timer: Timer = {
      now: () => time.now(),
      sleep: (ms, signal) => guard(() => time.sleep(ms, signal)),
    };
    const provider: Provider = {
      ...cloud,
      create: (order, signal) => guard(() => cloud.create(order, signal)),
      delete: (of, signal) => guard(() => cloud.delete(of, signal)),
      list: (signal) => guard(() => cloud.list(signal)),
      probe: (kinds, signal) => guard(() => cloud.probe(kinds, signal)),
    };
    const join: Joiner = {
      up: () => guard(async () => ({ kind: 'joined' })),
      down: () => guard(async () => undefined),
    };
    return {
      timer,
      join,
      records: { ...records, commit: (patch) => guard(() => records.commit(patch)) },
      open: () => provider,
      passed(name) {
        seen.add(name);
        if (name === killAt) dead = true;
      },
    };
  }

  async function story(killAt: string | undefined, seen: Set<string>): Promise<void> {
    await pool[Symbol.asyncDispose]();
    const request = requestFor('pair');
    pool = await open(mortal(killAt, seen));
    const first = pool;
    const life = (async () => {
      const answer = await first.acquire(request, never);
      if (answer.kind !== 'granted') throw new Error(answer.reason);
      await first.release(answer.lease.id);
      return true;
    })();
    let ended = false;
    void life.then(() => (ended = true)).catch(() => undefined);
    await time
      .run(20 * minute, () => (ended && phases().join() === 'idle ready') || seen.has(killAt ?? '?'))
      .catch(() => undefined);
    if (killAt === undefined) return;
    // Whoever asked asks again; the pool reads what was written.
    pool = await open();
    const lease = await lent(request);
    expect(lease.nodes).toHaveLength(2);
    for (const node of lease.nodes) expect(cloud.machines.has(node.machine ?? '')).toBe(true);
    await returned(lease);
    first.context.waiters.clear();
  }

  test('the next life leaks nothing and loses nothing', async () => {
    const steps = new Set<string>();
    await story(undefined, steps);
    expect([...steps]).toEqual(
      expect.arrayContaining([
        'request.waiting.before',
        'request.allocated.after',
        'node.building.before',
        'node.testing.after',
        'node.ready.before',
        'request.granted.after',
        'node.in-use.after',
        'node.used.before',
        'node.deleting.after',
        'node.gone.before',
      ]),
    );
    for (const step of steps) await story(step, new Set());
  });
});

test('who gives up leaves nodes that others may have', async () => {
  const stop = new AbortController();
  const asked = pool.acquire(requestFor('small'), stop.signal);
  await time.run(minute, () => phases().includes('small building') && cloud.machines.size === 2);
  stop.abort(stopped('superseded'));
  await expect(asked).rejects.toMatchObject({ code: 'stopped' });
  const made = cloud.made;
  const lease = await lent(requestFor('small'));
  expect(cloud.made).toBe(made);
  await returned(lease);
});
