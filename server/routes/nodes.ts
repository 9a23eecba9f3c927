import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { Guard } from '../auth.ts';
import {
  AutoholdRequest,
  NodeAccess,
  NodeDeleteRequest,
  NodeHoldRequest,
  NodeParams,
  NodeRequests,
  OfflineRequest,
  OnlineRequest,
  PoolAnswer,
  PoolHolds,
  PoolLabels,
  PoolNodes,
  PoolProviders,
} from '../contract/nodes.ts';
import type { NodeAdminPort, ServerPorts } from '../ports.ts';
import { Refusal } from '../problem.ts';
import type { NodeTold } from '../told.ts';

/** The node pool: reading is open, changing needs a token and the launcher in this process. */
export function addNodes(app: FastifyInstance, ports: ServerPorts, guard: Guard): void {
  const askers = new WeakMap<FastifyRequest, string>();
  const onRequest = async (request: FastifyRequest) => {
    askers.set(request, guard(request));
  };
  const typed = app.withTypeProvider<ZodTypeProvider>();
  const tags = ['nodes'];
  const read = <T extends z.ZodType>(summary: string, shape: T) => ({
    schema: { summary, tags, response: { 200: shape } },
  });
  typed.get('/api/v1/nodes', read('Nodes of the pool', PoolNodes), async () => ({
    nodes: [...(await pool(ports).nodes())],
  }));
  typed.get(
    '/api/v1/node-requests',
    read('Requests for nodes, and why they wait', NodeRequests),
    async () => ({
      requests: (await pool(ports).requests()).map((each) => ({ ...each, nodes: [...each.nodes] })),
    }),
  );
  typed.get('/api/v1/labels', read('Labels and how many nodes they have', PoolLabels), async () => ({
    labels: (await pool(ports).labels()).map((each) => ({ ...each, providers: [...each.providers] })),
  }));
  typed.get('/api/v1/providers', read('Providers of nodes', PoolProviders), async () => ({
    providers: (await pool(ports).providers()).map((each) => ({ ...each, hosts: [...each.hosts] })),
  }));
  typed.get('/api/v1/holds', read('Autoholds', PoolHolds), async () => ({
    holds: [...(await pool(ports).holds())],
  }));

  typed.get(
    '/api/v1/nodes/:id/access',
    {
      onRequest,
      schema: { summary: 'How a node is entered', tags, params: NodeParams, response: { 200: NodeAccess } },
    },
    async (request) => {
      const access = await pool(ports).access(request.params.id);
      if (access !== undefined) return { ...access, hostKeys: [...access.hostKeys] };
      throw new Refusal(
        404,
        'no-such-node',
        `node ${request.params.id} is not there, or there is nothing on it to look at yet`,
      );
    },
  );

  const change = <B extends z.ZodType>(summary: string, body: B) => ({
    onRequest,
    schema: { summary, tags, body, response: { 200: PoolAnswer } },
  });
  const one = <B extends z.ZodType>(summary: string, body: B) => {
    const { schema, ...rest } = change(summary, body);
    return { ...rest, schema: { ...schema, params: NodeParams } };
  };
  const nothing = z.strictObject({}).nullish();
  typed.post('/api/v1/nodes/:id/hold', one('Keep a node', NodeHoldRequest), (request) =>
    answer(
      admin(ports).hold(
        request.params.id,
        request.body.reason,
        askers.get(request) ?? '',
        request.body.expires,
      ),
    ),
  );
  typed.post('/api/v1/nodes/:id/release', one('Give a held node back', nothing), (request) =>
    answer(admin(ports).release(request.params.id)),
  );
  typed.post('/api/v1/nodes/:id/delete', one('Delete a node', NodeDeleteRequest), (request) =>
    answer(admin(ports).delete(request.params.id, request.body.now)),
  );
  typed.post(
    '/api/v1/offline',
    change('Give a provider or host no new builds', OfflineRequest),
    (request) => {
      const { provider, host, reason } = request.body;
      return answer(admin(ports).offline(provider, host, reason, askers.get(request) ?? ''));
    },
  );
  typed.post('/api/v1/online', change('Give it builds again', OnlineRequest), (request) =>
    answer(admin(ports).online(request.body.provider, request.body.host)),
  );
  typed.post('/api/v1/autohold', change('Keep the nodes of builds that fail', AutoholdRequest), (request) =>
    answer(admin(ports).autohold({ ...request.body, by: askers.get(request) ?? '' })),
  );
  typed.post('/api/v1/autohold/:id/delete', one('End an autohold; its nodes go back', nothing), (request) =>
    answer(admin(ports).autoholdDelete(request.params.id)),
  );
}

function pool(ports: ServerPorts): NonNullable<ServerPorts['pool']> {
  if (ports.pool !== undefined) return ports.pool;
  throw new Refusal(503, 'no-pool', 'this process knows nothing of nodes');
}

function admin(ports: ServerPorts): NodeAdminPort {
  const found = pool(ports).admin();
  if (found !== undefined) return found;
  const hint = 'ask the process whose role is launcher';
  throw new Refusal(409, 'no-launcher', 'this process does not own the nodes', hint);
}

async function answer(told: Promise<NodeTold>): Promise<PoolAnswer> {
  const what = await told;
  if (what.kind === 'absent') throw new Refusal(404, 'not-found', what.reason);
  if (what.kind === 'conflict') throw new Refusal(409, 'node-state', what.reason, what.hint);
  return { note: what.note };
}
