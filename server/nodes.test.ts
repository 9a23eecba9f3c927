import { afterEach, expect, test } from 'vitest';
import { adminOf } from '../nodepool/admin.ts';
import {
  holdView,
  labelViews,
  nodeView,
  providerViews,
  readPoolRows,
  requestView,
} from '../nodepool/views.ts';
import { fakeCloud } from '../test/fakes/cloud/cloud.ts';
import { virtualTime } from '../test/fakes/cloud/time.ts';
import { house } from '../test/fakes/house.ts';
import { openVirtualPool, poolConfig, requestFor, siteId } from '../test/harness/virtualpool.ts';
import { buildServer } from './app.ts';
import { NodeRequests, PoolHolds, PoolLabels, PoolNodes, PoolProviders } from './contract/nodes.ts';
import type { PoolPort } from './ports.ts';

/** The door before a real pool over a cloud in memory. */
const closes: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closes.splice(0).reverse()) await close();
});

async function door(isLauncher = true) {
  const config = poolConfig(
    'labels: [{name: small, min-ready: 1, providers: [cloud]}]\nproviders: [{name: cloud, max-servers: 2}]',
  );
  const time = virtualTime();
  const habits = { quota: 9, bootTime: () => 1000, latency: () => 10, random: () => 0.5, timer: time };
  const pool = await openVirtualPool(config, [fakeCloud('cloud', siteId, habits)], time);
  const rows = () => readPoolRows(pool.context.options.records);
  const port: PoolPort = {
    nodes: async () => (await rows()).nodes.map(nodeView),
    async requests() {
      const { nodes, requests } = await rows();
      return requests.map((each) => requestView(each, nodes, undefined));
    },
    labels: async () => labelViews(config, await rows()),
    providers: async () =>
      providerViews([{ name: 'cloud', driver: 'openstack', limit: 2, hosts: [] }], await rows()),
    holds: async () => (await rows()).holds.map(holdView),
    access: async () => undefined,
    admin: () => (isLauncher ? adminOf(pool.context) : undefined),
  };
  const app = buildServer({ ...house().ports(), pool: port });
  closes.push(
    async () => {
      await pool[Symbol.asyncDispose]();
    },
    async () => {
      await app.close();
    },
  );
  await time.run(60_000, () =>
    [...pool.context.book.nodes.values()].some((node) => node.state.phase === 'ready'),
  );
  const post = (url: string, payload: object, token = 'sesame') =>
    app.inject({ method: 'POST', url, payload, headers: { authorization: `Bearer ${token}` } });
  return { app, pool, time, post };
}

test('shows nodes, labels, providers, requests and holds', async () => {
  const { app, pool, time } = await door();
  let granted = false;
  const asked = pool.acquire(requestFor('small', { job: 'tempest' }), new AbortController().signal);
  void asked.finally(() => (granted = true));
  await time.run(60_000, () => granted);
  const nodes = PoolNodes.parse((await app.inject('/api/v1/nodes')).json()).nodes;
  expect(nodes.find((node) => node.state === 'in-use')).toMatchObject({
    provider: 'cloud',
    label: 'small',
    job: 'tempest',
  });
  const { requests } = NodeRequests.parse((await app.inject('/api/v1/node-requests')).json());
  expect(requests).toMatchObject([{ job: 'tempest', label: 'small', state: 'granted' }]);
  const { labels } = PoolLabels.parse((await app.inject('/api/v1/labels')).json());
  expect(labels).toMatchObject([{ name: 'small', minReady: 1, inUse: 1 }]);
  const { providers } = PoolProviders.parse((await app.inject('/api/v1/providers')).json());
  expect(providers).toMatchObject([{ name: 'cloud', limit: 2, offline: null }]);
  expect(PoolHolds.parse((await app.inject('/api/v1/holds')).json())).toEqual({ holds: [] });
});

test('changes the pool for who may, and says what became of it', async () => {
  const { app, pool, post } = await door();
  const [id = ''] = pool.context.book.nodes.keys();
  expect((await post(`/api/v1/nodes/${id}/hold`, { reason: 'look' }, 'wrong')).statusCode).toBe(401);
  expect((await post('/api/v1/nodes/99/hold', { reason: 'look' })).statusCode).toBe(404);
  expect((await post(`/api/v1/nodes/${Number(id)}/hold`, { reason: 'look' })).json()).toEqual({
    note: `node ${id} is held`,
  });
  const held = PoolNodes.parse((await app.inject('/api/v1/nodes')).json()).nodes.find(
    (node) => node.id === id,
  );
  expect(held).toMatchObject({ state: 'held', reason: 'look' });
  expect((await post(`/api/v1/nodes/${id}/hold`, { reason: 'again' })).statusCode).toBe(409);
  expect((await post(`/api/v1/nodes/${id}/release`, {})).statusCode).toBe(200);
  expect((await post('/api/v1/offline', { provider: 'clod', reason: 'x' })).json()).toMatchObject({
    detail: 'there is no provider clod; known: cloud',
  });
  expect((await post('/api/v1/offline', { provider: 'cloud', reason: 'maintenance' })).statusCode).toBe(200);
  expect((await post('/api/v1/online', { provider: 'cloud' })).statusCode).toBe(200);
  const autohold = await post('/api/v1/autohold', { project: 'p', job: 'j', reason: 'flaky', count: 2 });
  const hold: { note: string } = autohold.json();
  expect(PoolHolds.parse((await app.inject('/api/v1/holds')).json()).holds).toMatchObject([
    { id: hold.note, count: 2 },
  ]);
  expect((await post(`/api/v1/autohold/${hold.note}/delete`, {})).statusCode).toBe(200);
});

test('a process that does not own the nodes says who does', async () => {
  const { post } = await door(false);
  const answer = await post('/api/v1/nodes/1/delete', {});
  expect(answer.statusCode).toBe(409);
  expect(answer.json()).toMatchObject({
    code: 'no-launcher',
    hint: 'ask the process whose role is launcher',
  });
});
