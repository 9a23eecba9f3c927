import { createHash } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { ZuulItem, ZuulStatus } from '../contract.ts';
import { matchesTag, takesGzip } from '../http.ts';
import { expiry, itemsOf, type Snapshots } from '../snapshot.ts';

/** Bytes from which packing pays. */
const worthPacking = 4_096;

/** The status in Zuul v2's shape and at its addresses, for pages, scripts and dashboards. */
export function addStatus(app: FastifyInstance, snapshot: Snapshots): void {
  const json = async (request: FastifyRequest, reply: FastifyReply) => {
    const made = await snapshot();
    publish(reply, made.etag, made.at);
    if (matchesTag(request.headers['if-none-match'], made.etag)) return reply.code(304).send();
    reply.type('application/json; charset=utf-8');
    if (made.text.length < worthPacking || !takesGzip(request.headers['accept-encoding']))
      return reply.send(made.text);
    return reply.header('content-encoding', 'gzip').send(await made.packed());
  };
  // Both answers are text already: a serializer would do it again for everybody who asks.
  const serializerCompiler = () => (body: unknown) => String(body);
  for (const url of ['/status.json', '/status', '/api/v1/status']) {
    const schema = { summary: "Zuul v2's status.json", tags: ['status'], response: { 200: ZuulStatus } };
    app.get(url, { schema, serializerCompiler }, json);
  }

  app.withTypeProvider<ZodTypeProvider>().get(
    '/status/change/:change',
    {
      serializerCompiler,
      schema: {
        summary: "Zuul v2's view of one change: its items in all queues",
        tags: ['status'],
        params: z.object({ change: z.string().max(200) }),
        response: { 200: z.array(ZuulItem) },
      },
    },
    async (request, reply) => {
      const { status, etag, at } = await snapshot();
      const { change } = request.params;
      const items = itemsOf(status)
        .filter(({ item }) => item.id === change)
        .map(({ item }) => item);
      const mark = createHash('sha1').update(change).digest('hex').slice(0, 8);
      publish(reply, `${etag.slice(0, -1)}.${mark}"`, at);
      reply.type('application/json; charset=utf-8');
      return reply.serializer((body: unknown) => JSON.stringify(body)).send(items);
    },
  );
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
