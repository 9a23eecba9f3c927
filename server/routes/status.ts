import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { type ZuulItem, ZuulStatus } from '../contract.ts';
import { matchesTag, takesGzip } from '../http.ts';
import type { ServerPorts } from '../ports.ts';
import { Refusal } from '../problem.ts';

/** ms for which one answer serves everybody: Zuul's `status_expiry`. */
const expiry = 1_000;
/** Bytes from which packing pays. */
const worthPacking = 4_096;

const pack = promisify(gzip);

interface Snapshot {
  readonly status: ZuulStatus;
  readonly text: string;
  readonly etag: string;
  readonly at: number;
  /** Made when it is first wanted. */
  packed?: Promise<Buffer>;
}

/**
 * The status, in Zuul v2's shape and at its addresses, for pages, scripts and dashboards: made, serialised and packed once
 * a second however many ask.
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
    const made = await snapshot();
    publish(reply, made.etag, made.at);
    if (matchesTag(request.headers['if-none-match'], made.etag)) return reply.code(304).send();
    reply.type('application/json; charset=utf-8');
    if (made.text.length < worthPacking || !takesGzip(request.headers['accept-encoding']))
      return reply.send(made.text);
    made.packed ??= pack(made.text, { level: 1 });
    return reply.header('content-encoding', 'gzip').send(await made.packed);
  };
  // The answer was serialised already: a schema with a serializer would do it again for everybody.
  const serializerCompiler = () => (body: unknown) => String(body);
  for (const url of ['/status.json', '/status', '/api/v1/status']) {
    const schema = { summary: "Zuul v2's status.json", tags: ['status'], response: { 200: ZuulStatus } };
    app.get(url, { schema, serializerCompiler }, json);
  }

  app.withTypeProvider<ZodTypeProvider>().get(
    '/status/change/:change',
    {
      schema: {
        summary: "Zuul v2's view of one change: its items in all queues",
        tags: ['status'],
        params: z.object({ change: z.string().max(200) }),
      },
    },
    async (request, reply) => {
      const { status, etag, at } = await snapshot();
      const { change } = request.params;
      const items = status.pipelines
        .flatMap(({ change_queues: queues }) => queues.flatMap(({ heads }) => heads.flat()))
        .filter((item: ZuulItem) => item.id === change);
      const mark = createHash('sha1').update(change).digest('hex').slice(0, 8);
      publish(reply, `${etag.slice(0, -1)}.${mark}"`, at);
      return reply.type('application/json; charset=utf-8').send(JSON.stringify(items));
    },
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
    .header('vary', 'accept-encoding')
    .header('last-modified', new Date(at).toUTCString())
    .header('expires', new Date(at + expiry).toUTCString())
    .header('etag', etag);
}
