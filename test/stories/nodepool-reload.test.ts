import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Launcher } from '../../nodepool/launcher.ts';
import type { Provider } from '../../nodepool/provider.ts';
import { openStaticProvider } from '../../nodepool/providers/static.ts';
import { providerViews, readPoolRows, saidOf } from '../../nodepool/views.ts';
import type { Lease, NodeRequest, Row } from '../../pipelines/ports.ts';
import { memoryPool } from '../../workers/memory/pool.ts';
import { type FakeCloud, fakeCloud } from '../fakes/cloud/cloud.ts';
import { seeded, type VirtualTime, virtualTime } from '../fakes/cloud/time.ts';
import { openVirtualPool, poolConfig, requestFor, siteId } from '../harness/virtualpool.ts';

/** Another nodepool.yaml takes effect while nodes exist: what it no longer has is drained, also over a restart. */

const minute = 60_000;
const never = new AbortController().signal;
const label = (name: string, ...providers: string[]) =>
  `  - {name: ${name}, image: small, providers: [${providers.join(', ')}]}\n`;
const cloudOf = (name: string, more = '') =>
  `  - {name: ${name}, rate: 0, max-servers: 10, images: [{name: small}]${more}}\n`;
const rackOf = (...hosts: string[]) =>
  `  - {driver: static, name: rack, nodes: [${hosts.map((host) => `{${host}, labels: [array], cleanup: [/bin/true]}`).join(', ')}]}\n`;
const file = (labels: string, providers: string) =>
  poolConfig(`${labels === '' ? '' : `labels:\n${labels}`}providers:\n${providers}`);

let time: VirtualTime;
let clouds: Map<string, FakeCloud>;
let rows: Map<string, Row>;
let pool: Launcher | undefined;
/** Where a rack's host was entered, and where it was cleaned. */
let cleaned: string[];
const lines: string[] = [];

beforeEach(() => {
  time = virtualTime();
  clouds = new Map();
  rows = new Map();
  cleaned = [];
  lines.length = 0;
});
afterEach(async () => {
  await pool?.[Symbol.asyncDispose]();
});

function cloud(name: string): FakeCloud {
  const known = clouds.get(name);
  if (known !== undefined) return known;
  const made = fakeCloud(name, siteId, {
    quota: 20,
    bootTime: () => 30_000,
    latency: () => 100,
    random: seeded(3),
    timer: time,
  });
  clouds.set(name, made);
  return made;
}

async function open(config: Parameters<typeof openVirtualPool>[0]): Promise<Launcher> {
  await pool?.[Symbol.asyncDispose]();
  pool = await openVirtualPool(config, [], time, rows, {
    log: (line) => lines.push(line),
    open: ({ name, given }): Provider => {
      if (given.driver !== 'static') return cloud(name);
      const rack = openStaticProvider(given, {
        forget: async (host, build) => void cleaned.push(`${host.address} ${build}`),
      });
      // Nobody answers at these addresses.
      const create: Provider['create'] = async ({ node, place = '' }) => {
        const address = given.nodes.find((each) => place.startsWith(`${each.name}/`))?.host ?? '';
        return { kind: 'created', machine: { id: place, node, state: 'active', address } };
      };
      return { ...rack, create, delete: (of, signal) => rack.delete(of, signal) };
    },
  });
  return pool;
}

async function lent(from: Launcher, request: NodeRequest): Promise<Lease> {
  let lease: Lease | string | undefined;
  const ask = async () => {
    const answer = await from.acquire(request, never);
    lease = answer.kind === 'granted' ? answer.lease : answer.reason;
  };
  const asked = ask();
  await time.run(30 * minute, () => lease !== undefined);
  await asked;
  if (typeof lease !== 'object') throw new Error(lease);
  return lease;
}

const nodesAt = (from: Launcher, provider: string) =>
  [...from.context.book.nodes.values()].filter((node) => node.provider === provider);
const offlineOf = async (config: Parameters<typeof openVirtualPool>[0]) =>
  providerViews(config.providers.map(saidOf), await readPoolRows(memoryPool(rows)));

test('labels, quotas and providers are there at once', async () => {
  const before = file(label('one', 'a'), cloudOf('a'));
  const now = await open(before);
  await now.reconfigure(
    file(label('one', 'a') + label('two', 'b'), cloudOf('a').replace('10', '1') + cloudOf('b')),
  );
  const two = await lent(now, requestFor('two'));
  expect(two.nodes[0]?.provider).toBe('b');
  const one = await lent(now, requestFor('one'));
  const waits = now.acquire(requestFor('one'), AbortSignal.timeout(60_000));
  expect((await now.waiting())[0]?.why).toContain('a: 1 of 1 servers are taken');
  await now.reconfigure(file(label('one', 'a') + label('two', 'b'), cloudOf('a') + cloudOf('b')));
  let granted = false;
  const wait = async () => {
    granted = (await waits).kind === 'granted';
  };
  const waited = wait();
  await time.run(10 * minute, () => granted);
  await waited;
  await now.release(one.id);
});

test('a provider that is taken out is drained: builds end, idle nodes go, then it is closed; over a restart, too', async () => {
  const labels = label('one', 'a', 'b').replace('}', ', min-ready: 2}');
  const before = file(labels, cloudOf('a', ', priority: 1') + cloudOf('b'));
  const first = await open(before);
  await time.run(
    10 * minute,
    () => nodesAt(first, 'a').filter(({ state }) => state.phase === 'ready').length === 2,
  );
  const lease = await lent(first, requestFor('one'));
  expect(lease.nodes[0]?.provider).toBe('a');
  const after = file(label('one', 'b'), cloudOf('b'));
  await first.reconfigure(after);
  await time.run(10 * minute, () => nodesAt(first, 'a').length === 1 && cloud('a').machines.size === 1);
  expect(nodesAt(first, 'a')[0]?.state.phase).toBe('in-use');
  expect(await offlineOf(after)).toContainEqual(
    expect.objectContaining({
      name: 'a',
      nodes: 1,
      offline: 'taken out of nodepool.yaml; closed when its last node is gone',
    }),
  );
  // The next life reads the file that no longer has it, and still knows how to delete its node.
  const second = await open(after);
  expect((await lent(second, requestFor('one'))).nodes[0]?.provider).toBe('b');
  expect(await second.lease(lease.id)).toEqual(lease);
  await second.release(lease.id);
  await time.run(10 * minute, () => cloud('a').machines.size === 0 && !second.context.desks.all.has('a'));
  expect(lines).toContain('provider closed');
  expect((await offlineOf(after)).map(({ name }) => name)).toEqual(['b']);
  expect(JSON.stringify([...rows.values()].find(({ table }) => table === 'config'))).not.toContain(
    '{name: a',
  );
});

test('a request whose provider is taken out while its node boots gets another one', async () => {
  const now = await open(file(label('one', 'a'), cloudOf('a')));
  let lease: Lease | undefined;
  const ask = async () => {
    const answer = await now.acquire(requestFor('one'), never);
    lease = answer.kind === 'granted' ? answer.lease : undefined;
  };
  const asked = ask();
  await time.run(minute, () => cloud('a').machines.size === 1);
  await now.reconfigure(file(label('one', 'b'), cloudOf('b')));
  await time.run(10 * minute, () => lease !== undefined && cloud('a').machines.size === 0);
  await asked;
  expect(lease?.nodes[0]?.provider).toBe('b');
});

test('a cloud that becomes another cloud under its name begins when the nodes of the old one are gone', async () => {
  const now = await open(file(label('one', 'a'), cloudOf('a', ', cloud: east')));
  const lease = await lent(now, requestFor('one'));
  await now.reconfigure(file(label('one', 'a'), cloudOf('a', ', cloud: west')));
  let next: Lease | undefined;
  const ask = async () => {
    const answer = await now.acquire(requestFor('one'), never);
    next = answer.kind === 'granted' ? answer.lease : undefined;
  };
  const asked = ask();
  expect((await now.waiting())[0]?.why).toBe(
    'a: nodepool.yaml names another one now; it begins when the last node of the old one is gone; next in line',
  );
  await now.release(lease.id);
  await time.run(10 * minute, () => next !== undefined);
  await asked;
  expect(now.context.desks.all.get('a')?.config.given).toMatchObject({ cloud: 'west' });
});

test('a host with another address is used there when the build at the old one has ended and was cleaned away', async () => {
  const before = file('', rackOf('name: one, host: 192.0.2.1', 'name: two, host: 192.0.2.2'));
  const after = file('', rackOf('name: one, host: 192.0.2.9'));
  const first = await open(before);
  const one = await lent(first, requestFor('one'));
  const two = await lent(first, requestFor('two'));
  await first.reconfigure(after);
  const second = await open(after);
  let next: Lease | undefined;
  const ask = async () => {
    const answer = await second.acquire(requestFor('one'), never);
    next = answer.kind === 'granted' ? answer.lease : undefined;
  };
  const asked = ask();
  expect((await second.waiting())[0]?.why).toContain(
    'one: has another address in nodepool.yaml; used there when the last build at the old one has ended',
  );
  expect((await second.acquire(requestFor('two'), never)).kind).toBe('refused');
  expect((await offlineOf(after))[0]?.hosts).toEqual([
    { name: 'one', offline: expect.stringContaining('has another address') },
    { name: 'two', offline: expect.stringContaining('taken out of nodepool.yaml') },
  ]);
  await second.release(one.id);
  await second.release(two.id);
  await time.run(10 * minute, () => next !== undefined);
  await asked;
  expect(cleaned.map((each) => each.split(' ')[0])).toEqual(['192.0.2.1', '192.0.2.2']);
  expect(next?.nodes[0]?.address).toBe('192.0.2.9');
  expect((await offlineOf(after))[0]?.hosts).toEqual([{ name: 'one', offline: null }]);
});

test('a set that has another form now is put together anew; one that is gone is refused', async () => {
  const sets = (subnodes: number) =>
    poolConfig(
      `labels:\n${label('one', 'a')}node-sets: [{name: set, primary: one, subnodes: ${subnodes}}]\nproviders:\n${cloudOf('a')}`,
    );
  const now = await open(sets(2));
  const answers: string[] = [];
  const ask = async (name: string) => {
    const answer = await now.acquire(requestFor(name), never);
    answers.push(answer.kind === 'granted' ? `${answer.lease.nodes.length} nodes` : answer.reason);
  };
  const asked = ask('set');
  await time.run(minute, () => cloud('a').machines.size === 3);
  await now.reconfigure(sets(1));
  await time.run(10 * minute, () => answers.length === 1);
  await asked;
  expect(answers).toEqual(['2 nodes']);
  const named = now.acquire(requestFor('x', { nodes: { label: 'set' } }), never);
  await now.reconfigure(file(label('one', 'a'), cloudOf('a')));
  expect(await named).toMatchObject({
    kind: 'refused',
    reason: expect.stringContaining('no node fits the label "set"'),
  });
});
