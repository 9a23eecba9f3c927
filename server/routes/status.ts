import { createHash } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { ZuulItem, ZuulStatus } from '../contract.ts';
import { page } from '../html.ts';
import { statusBody, style } from '../page.ts';
import type { ServerPorts } from '../ports.ts';
import { Refusal } from '../problem.ts';

/** ms for which one answer serves everybody: Zuul's `status_expiry`. */
const expiry = 1_000;

interface Snapshot {
  readonly status: ZuulStatus;
  readonly text: string;
  readonly etag: string;
  readonly at: number;
}

/**
 * The status, in Zuul v2's shape and at its addresses, for pages, scripts and dashboards: made and serialised once a second
 * however many ask.
 */
export function addStatus(app: FastifyInstance, ports: ServerPorts): void {
  let latest: Promise<Snapshot> | undefined;
  let madeAt = Number.NEGATIVE_INFINITY;

  function snapshot(): Promise<Snapshot> {
    const now = ports.now();
    if (latest === undefined || now - madeAt >= expiry || now < madeAt) {
      madeAt = now;
      const making = make(ports, now);
      latest = making;
      making.catch(() => {
        if (latest === making) latest = undefined;
      });
    }
    return latest;
  }

  const json = async (request: FastifyRequest, reply: FastifyReply) => {
    const { text, etag, at } = await snapshot();
    publish(reply, etag, at);
    if (request.headers['if-none-match']?.includes(etag) === true) return reply.code(304).send();
    return reply.type('application/json; charset=utf-8').send(text);
  };
  for (const url of ['/status.json', '/status', '/api/v1/status']) {
    app.get(url, { schema: { summary: "Zuul v2's status.json", tags: ['status'] } }, json);
  }

  app.get<{ Params: { change: string } }>('/status/change/:change', async (request, reply) => {
    const { status, etag, at } = await snapshot();
    const { change } = request.params;
    const items = status.pipelines
      .flatMap(({ change_queues: queues }) => queues.flatMap(({ heads }) => heads.flat()))
      .filter((item: ZuulItem) => item.id === change);
    publish(
      reply,
      `${etag.slice(0, -1)}.${createHash('sha1').update(change).digest('hex').slice(0, 8)}"`,
      at,
    );
    return reply.type('application/json; charset=utf-8').send(JSON.stringify(items));
  });

  app.get('/', async (_request, reply) => {
    const { status, at } = await snapshot();
    reply.type('text/html; charset=utf-8').header('cache-control', 'no-cache').header('refresh', '30');
    return reply.send(page({ title: 'Stackgate', body: statusBody(status, at, ports.version) }));
  });

  app.get('/style.css', (_request, reply) =>
    reply.type('text/css; charset=utf-8').header('cache-control', 'public, max-age=3600').send(style),
  );
}

async function make(ports: ServerPorts, now: number): Promise<Snapshot> {
  const status = await ports.status(now);
  const text = JSON.stringify(status);
  const etag = `"${createHash('sha1').update(text).digest('base64url')}"`;
  if (text === undefined) throw new Refusal(503, 'no-status', 'there is no status yet');
  return { status, text, etag, at: now };
}

function publish(reply: FastifyReply, etag: string, at: number): void {
  reply
    .header('access-control-allow-origin', '*')
    .header('cross-origin-resource-policy', 'cross-origin')
    .header('cache-control', `public, max-age=${expiry / 1000}`)
    .header('last-modified', new Date(at).toUTCString())
    .header('expires', new Date(at + expiry).toUTCString())
    .header('etag', etag);
}
