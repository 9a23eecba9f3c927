import { expect, test } from 'vitest';
import type { Lease } from '../../pipelines/ports.ts';
import { fakeCloud } from '../fakes/cloud/cloud.ts';
import { seeded, virtualTime } from '../fakes/cloud/time.ts';
import { openVirtualPool, poolConfig, requestFor, siteId } from '../harness/virtualpool.ts';

/** `max-concurrency`: how many nodes a provider launches at a time, in virtual time. */

const config = poolConfig(`
labels:
  - {name: small, providers: [cloud]}
  - {name: idle, min-ready: 3, providers: [cloud]}
node-sets:
  - {name: triple, primary: small, subnodes: 2}
  - {name: pair, primary: small, subnodes: 1}
providers:
  - {name: cloud, rate: 0, max-servers: 20, max-concurrency: 2, boot-timeout: 120, launch-timeout: 600}
`);
const minute = 60_000;
const never = new AbortController().signal;

function openCloud() {
  const time = virtualTime();
  const cloud = fakeCloud('cloud', siteId, {
    quota: 20,
    bootTime: () => 30_000,
    latency: () => 100,
    random: seeded(3),
    timer: time,
  });
  return { time, cloud };
}

test('no more nodes are launched at a time than max-concurrency, a larger set alone; who waits is told so', async () => {
  const { time, cloud } = openCloud();
  const granted: string[] = [];
  const said = new Set<string>();
  await using pool = await openVirtualPool(config, [cloud], time);
  const launching = () =>
    [...pool.context.book.nodes.values()].filter(({ state }) =>
      ['building', 'testing'].includes(state.phase),
    );
  let most = 0;
  const look = async () => {
    most = Math.max(most, launching().length);
    for (const { why } of await pool.waiting()) said.add(why);
    // A set of three goes when nothing else is on its way, and alone.
    const owners = new Set(launching().map((node) => node.request));
    if (launching().length > 2) expect(owners.size).toBe(1);
  };
  const ask = async (label: string) => {
    const answer = await pool.acquire(requestFor(label), never);
    if (answer.kind === 'granted') granted.push(label);
  };
  const asked = ['small', 'small', 'triple', 'small', 'pair'].map(ask);
  for (let at = 0; granted.length < 5 && at < 60; at++) {
    const until = time.now() + 10_000;
    await time.run(11_000, () => time.now() >= until || granted.length === 5).catch(() => undefined);
    await look();
  }
  await Promise.all(asked);
  // In the order they came: the small one behind does not starve the set.
  expect(granted).toEqual(['small', 'small', 'triple', 'small', 'pair']);
  expect(most).toBe(3);
  expect([...said]).toContainEqual(
    'cloud: 2 nodes are being launched, and max-concurrency is 2; next in line',
  );
  // What is kept ready comes last, and at the same pace.
  await time.run(10 * minute, () => {
    expect(launching().length).toBeLessThanOrEqual(2);
    return (
      [...pool.context.book.nodes.values()].filter(
        ({ label, state }) => label === 'idle' && state.phase === 'ready',
      ).length === 3
    );
  });
});

test('pools of one provider launch at one pace, and a set comes from one of them', async () => {
  const { time, cloud } = openCloud();
  const pools = poolConfig(`
labels: [{name: small}]
node-sets: [{name: pair, primary: small, subnodes: 1}]
providers:
  - name: cloud
    rate: 0
    max-concurrency: 2
    pools:
      - {name: a, max-servers: 1, labels: [{name: small, cloud-image: x, min-ram: 1}]}
      - {name: b, max-servers: 3, labels: [{name: small, cloud-image: x, min-ram: 1}]}
`);
  await using pool = await openVirtualPool(pools, [], time, new Map(), {
    open: ({ name }) => Object.assign(Object.create(cloud), { name }),
  });
  const leases: Lease[] = [];
  const ask = async (label: string) => {
    const answer = await pool.acquire(requestFor(label), never);
    if (answer.kind === 'granted') leases.push(answer.lease);
  };
  const asked = ['pair', 'small'].map(ask);
  expect((await pool.waiting()).map(({ why }) => why)).toEqual([
    expect.stringContaining('0 of 2 nodes are ready'),
    expect.stringContaining('2 nodes are being launched, and max-concurrency is 2'),
  ]);
  await time.run(10 * minute, () => leases.length === 2);
  await Promise.all(asked);
  expect(leases.map(({ nodes }) => nodes.map(({ provider }) => provider))).toEqual([
    ['cloud.b', 'cloud.b'],
    [expect.stringMatching(/^cloud\.[ab]$/)],
  ]);
});

test('a restart in the middle counts what is on its way', async () => {
  const { time, cloud } = openCloud();
  const rows = new Map();
  const first = await openVirtualPool(config, [cloud], time, rows);
  await time.run(minute, () => first.context.book.nodes.size === 2 && cloud.machines.size === 2);
  await first[Symbol.asyncDispose]();
  await using pool = await openVirtualPool(config, [cloud], time, rows);
  let lease: Lease | undefined;
  const ask = async () => {
    const answer = await pool.acquire(requestFor('small'), never);
    lease = answer.kind === 'granted' ? answer.lease : undefined;
  };
  const asked = ask();
  const [waiting] = await pool.waiting();
  expect(waiting?.why).toContain('2 nodes are being launched, and max-concurrency is 2');
  await time.run(10 * minute, () => lease !== undefined);
  await asked;
});
