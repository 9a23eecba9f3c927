import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { strangers } from '../headers.ts';
import { type Html, html, link, page } from '../html.ts';
import { matchesTag, takesGzip } from '../http.ts';
import { findLog, type LogEntry, type LogTarget, listFolder, logSegments, readLog } from '../logfile.ts';
import { typeByContent, typeByName } from '../logtype.ts';
import { type Manifest, readManifest } from '../manifest.ts';
import type { ServerPorts } from '../ports.ts';
import { Refusal } from '../problem.ts';
import { style } from '../style.ts';

const mostEntries = 5_000;

/**
 * Logs as third-party CIs must show them: by address, in the browser, without a login, folder by folder (D1, D2). Files
 * are found with and without the `.gz` they have on disk; what is packed is sent packed to whoever takes it.
 */
export function addLogs(app: FastifyInstance, ports: ServerPorts): void {
  const handler = async (request: FastifyRequest, reply: FastifyReply) => {
    const [path = ''] = (request.raw.url ?? '').slice('/logs'.length).split('?');
    const segments = logSegments(path);
    if (segments === undefined) throw new Refusal(404, 'no-such-log', 'there is no such log');
    const target = await findLog(ports.logs.root, segments);
    reply.header('access-control-allow-origin', '*');
    if (target.kind === 'folder')
      return sendFolder(reply, ports.logs.root, target.path, segments, path.endsWith('/'));
    if (target.kind === 'file' && !path.endsWith('/')) return sendFile(request, reply, target);
    if (segments.length === 0) return sendPage(reply, segments, { entries: [], more: 0 }, null);
    throw new Refusal(
      404,
      'no-such-log',
      'there is no such log',
      'logs are kept for a month unless the operator says otherwise',
    );
  };
  const schema = { hide: true };
  app.get('/style.css', { schema }, (_request, reply) =>
    reply.type('text/css; charset=utf-8').header('cache-control', 'public, max-age=3600').send(style),
  );
  app.get('/logs', { schema }, handler);
  app.get('/logs/*', { schema }, handler);
}

async function sendFolder(
  reply: FastifyReply,
  root: string,
  path: string,
  segments: readonly string[],
  slash: boolean,
) {
  if (!slash) return reply.redirect(`${hrefOf(segments)}/`, 301);
  const [listed, manifest] = await Promise.all([listFolder(path, mostEntries), readManifest(root, segments)]);
  return sendPage(
    reply,
    segments,
    listed,
    typeof manifest === 'string' ? null : summaryOf(manifest, segments),
  );
}

/** What came of the build whose folder it is: links in review comments lead here, and this needs no script. */
function summaryOf({ uuid, job, result, detail, ...about }: Manifest, segments: readonly string[]): Html {
  const change = about.change === undefined ? null : `${about.change},${about.patchset ?? ''}`;
  const kind = result === 'SUCCESS' ? 'success' : 'failure';
  const build = uuid !== undefined && /^[0-9a-f]{32}$/.test(uuid) ? `/build/${uuid}` : undefined;
  return html`<p><b class="${kind}">${result}</b> ${job} ${about.project} ${change}</p>
<p>${detail}</p>
<p><a href="${hrefOf([...segments, 'console.txt'])}">Console</a> ${link(build, 'The page of this build')}</p>`;
}

function sendPage(
  reply: FastifyReply,
  segments: readonly string[],
  { entries, more }: { entries: readonly LogEntry[]; more: number },
  summary: Html | null,
) {
  const title = `/logs/${segments.map((name) => `${name}/`).join('')}`;
  const crumbs = segments.map(
    (name, n) => html` / <a href="${hrefOf(segments.slice(0, n + 1))}/">${name}</a>`,
  );
  const body = html`<h1><a href="/">Stackgate</a> / <a href="/logs/">logs</a>${crumbs}</h1>
${summary}
<table>
<thead><tr><th>Name</th><th>Size</th><th>Modified (UTC)</th></tr></thead>
<tbody>
${entries.map((entry) => row(segments, entry))}
</tbody>
</table>
${entries.length === 0 ? html`<p>Nothing is here.</p>` : null}
${more === 0 ? null : html`<p>${more} more are not listed.</p>`}`;
  return reply
    .type('text/html; charset=utf-8')
    .header('cache-control', 'no-cache')
    .send(page({ title, body }));
}

function row(segments: readonly string[], entry: LogEntry) {
  const href = `${hrefOf([...segments, entry.name])}${entry.folder ? '/' : ''}`;
  const when = entry.mtime.toISOString().replace('T', ' ').slice(0, 19);
  return html`<tr><td><a href="${href}">${entry.name}${entry.folder ? '/' : ''}</a></td><td class="number">${entry.folder ? '' : bytes(entry.size)}</td><td>${when}</td></tr>
`;
}

function hrefOf(segments: readonly string[]): string {
  return ['/logs', ...segments.map(encodeURIComponent)].join('/');
}

function bytes(size: number): string {
  if (size < 1024) return `${size} B`;
  const units = ['KiB', 'MiB', 'GiB', 'TiB'];
  let value = size / 1024;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value.toFixed(1)} ${units[unit] ?? ''}`;
}

async function sendFile(
  request: FastifyRequest,
  reply: FastifyReply,
  target: Extract<LogTarget, { kind: 'file' }>,
) {
  // `console.txt.gz` asked for by its own name is shown like `console.txt`; an archive stays an archive.
  const inner = target.gzip ? target.name : target.name.replace(/\.gz$/i, '');
  const packed = target.gzip || inner !== target.name;
  const byName = typeByName(inner);
  const shown = packed && byName !== 'application/octet-stream';
  const type = byName ?? (packed ? 'text/plain; charset=utf-8' : await typeByContent(target.path));
  const etag = `"${target.size.toString(36)}-${target.mtime.getTime().toString(36)}"`;
  reply
    .type(packed && !shown && !target.gzip ? 'application/gzip' : type)
    .header('content-security-policy', strangers)
    .header('cross-origin-resource-policy', 'cross-origin')
    .header('cache-control', 'no-cache')
    .header('last-modified', target.mtime.toUTCString())
    .header('etag', `W/${etag}`)
    .header('vary', 'accept-encoding');
  if (type === 'application/octet-stream') reply.header('content-disposition', 'attachment');
  if (matchesTag(request.headers['if-none-match'], etag)) return reply.code(304).send();
  const unpack = (shown || target.gzip) && !takesGzip(request.headers['accept-encoding']);
  if ((shown || target.gzip) && !unpack) reply.header('content-encoding', 'gzip');
  // A running console grows while it is sent: no length is promised.
  if (request.method === 'HEAD') return reply.send();
  return reply.send(readLog(target.path, unpack));
}
