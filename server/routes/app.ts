import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type Asset, readWebApp } from '../assets.ts';
import { application } from '../headers.ts';
import { html, page } from '../html.ts';
import { matchesTag, takesGzip } from '../http.ts';
import type { ServerPorts } from '../ports.ts';
import { Refusal } from '../problem.ts';

/** Addresses of the application's pages; it reads the rest of the address itself. */
const pages = [
  '/',
  '/builds',
  '/build/:uuid',
  '/build/:uuid/console',
  '/change/:change',
  '/ledger',
  '/jobs',
  '/job/*',
  '/nodes',
  '/config',
  '/run',
];

/** The web application: one document for every page, and its parts, whose names change with their content. */
export function addApp(app: FastifyInstance, ports: ServerPorts): void {
  const built = readWebApp(ports.web);
  const schema = { hide: true };

  const sendPage = (request: FastifyRequest, reply: FastifyReply) => {
    reply.header('content-security-policy', application).header('cache-control', 'no-cache');
    if (built !== undefined) return sendAsset(request, reply, built.page);
    const body = html`<h1>Stackgate</h1>
<p>The web application is not built here; <code>npm run build</code> builds it.
What runs is in <a href="/status.json">status.json</a>, logs are under <a href="/logs/">logs</a>.</p>`;
    return reply.type('text/html; charset=utf-8').send(page({ title: 'Stackgate', body }));
  };
  for (const url of pages) app.get(url, { schema }, sendPage);

  app.get<{ Params: { name: string } }>('/assets/:name', { schema }, (request, reply) => {
    const found = built?.assets.get(request.params.name);
    if (found === undefined) throw new Refusal(404, 'not-found', 'there is nothing at this address');
    reply.header('cache-control', 'public, max-age=31536000, immutable');
    return sendAsset(request, reply, found);
  });
}

function sendAsset(request: FastifyRequest, reply: FastifyReply, asset: Asset): FastifyReply {
  reply.header('etag', asset.etag).header('vary', 'accept-encoding');
  if (matchesTag(request.headers['if-none-match'], asset.etag)) return reply.code(304).send();
  reply.type(asset.type);
  if (asset.gzip !== undefined && takesGzip(request.headers['accept-encoding']))
    return reply.header('content-encoding', 'gzip').send(asset.gzip);
  return reply.send(asset.body);
}
