import type { FastifyInstance, FastifyReply } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { findBuild, listBuilds } from '../builds.ts';
import { BuildQuery, type BuildView, EventQuery, type EventView } from '../contract.ts';
import { listEvents } from '../events.ts';
import { type Html, html, link, page } from '../html.ts';
import { duration, head, moment } from '../page.ts';
import type { ServerPorts } from '../ports.ts';
import { BuildParams } from './builds.ts';

/** The same answers as the API's, as pages: for people without the command line, without a login, without a script. */
export function addPages(app: FastifyInstance, ports: ServerPorts): void {
  const typed = app.withTypeProvider<ZodTypeProvider>();
  const hide = true;

  typed.get('/builds', { schema: { hide, querystring: BuildQuery } }, async (request, reply) => {
    const { builds, next } = await listBuilds(ports, request.query);
    const now = ports.now();
    return send(
      reply,
      'Builds',
      html`${filters(request.query)}
<table>
<thead><tr><th>Build</th><th>Job</th><th>Change</th><th>Project</th><th>Pipeline</th><th>Result</th><th>Started (UTC)</th><th>Time</th></tr></thead>
<tbody>
${builds.map((build) => buildRow(build, now))}</tbody>
</table>
${builds.length === 0 ? html`<p>Nothing was built yet.</p>` : null}
${older('/builds', request.query, next)}`,
    );
  });

  typed.get('/build/:uuid', { schema: { hide, params: BuildParams } }, async (request, reply) => {
    const { build } = await findBuild(ports, request.params.uuid);
    return send(reply, `Build ${build.uuid.slice(0, 7)}`, buildBody(build, ports.now()));
  });

  typed.get('/events', { schema: { hide, querystring: EventQuery } }, async (request, reply) => {
    const { events, next } = await listEvents(ports, request.query);
    return send(
      reply,
      'Events',
      html`<p>What arrived, and what became of it.</p>
<table>
<thead><tr><th>When (UTC)</th><th>What</th><th>Change</th><th>Project</th><th>Who</th><th>Became</th></tr></thead>
<tbody>
${events.map(eventRow)}</tbody>
</table>
${older('/events', request.query, next)}`,
    );
  });
}

function send(reply: FastifyReply, title: string, body: Html): FastifyReply {
  return reply
    .type('text/html; charset=utf-8')
    .header('cache-control', 'no-cache')
    .send(
      page({
        title: `${title} · Stackgate`,
        body: html`${head(title)}
${body}`,
      }),
    );
}

function buildRow(build: BuildView, now: number): Html {
  return html`<tr><td>${link(`/build/${build.uuid}`, build.uuid.slice(0, 7))}</td><td>${among('job', build.job)}</td><td>${build.change === null ? build.ref : among('change', build.change)}</td><td>${among('project', build.project)}</td><td>${among('pipeline', build.pipeline)}</td><td>${verdict(build)}</td><td>${when(build.startedAt)}</td><td>${took(build, now)}</td></tr>
`;
}

function buildBody(build: BuildView, now: number): Html {
  const rows: [string, Html | string | null][] = [
    ['Result', verdict(build)],
    ['Why', build.detail],
    ['Job', among('job', build.job)],
    ['Pipeline', among('pipeline', build.pipeline)],
    ['Project', among('project', build.project)],
    ['Change', build.change === null ? null : among('change', build.change)],
    ['Ref', build.ref],
    ['Voting', build.voting ? 'yes' : 'no'],
    ['Node', build.node],
    ['Asked for', when(build.queuedAt)],
    ['Started', when(build.startedAt)],
    ['Finished', when(build.finishedAt)],
    ['Time', took(build, now)],
    ['UUID', build.uuid],
  ];
  return html`<p>${link(build.url, 'Logs')} · ${link(`/api/v1/builds/${build.uuid}/console`, 'Console')} · ${link(`/api/v1/builds/${build.uuid}`, 'JSON')}</p>
<table>
<tbody>
${rows
  .filter(([, value]) => value !== null && value !== '')
  .map(
    ([name, value]) => html`<tr><th>${name}</th><td>${value}</td></tr>
`,
  )}</tbody>
</table>`;
}

function eventRow(event: EventView): Html {
  const what = event.type ?? event.kind;
  const how = event.via === 'reconcile' ? html` <small>found later</small>` : null;
  return html`<tr><td>${when(event.at)}</td><td>${what}${how}</td><td>${event.change}</td><td>${event.project}</td><td>${event.by}</td><td>${event.note ?? 'waits'}</td></tr>
`;
}

function verdict(build: BuildView): Html {
  const kind =
    build.state === 'running' || build.state === 'waiting'
      ? build.state
      : build.result === 'SUCCESS'
        ? 'success'
        : 'failure';
  return html`<span class="${kind}">${build.result ?? build.state}</span>${build.voting ? '' : ' (non-voting)'}`;
}

function when(at: number | null): string {
  return at === null ? '' : moment(at);
}

function took(build: BuildView, now: number): string {
  return build.startedAt === null ? '' : duration((build.finishedAt ?? now) - build.startedAt);
}

/** A value that leads to the builds that share it. */
function among(name: string, value: string): Html {
  return link(`/builds?${new URLSearchParams({ [name]: value }).toString()}`, value);
}

function filters(query: BuildQuery): Html | null {
  const { limit: _limit, cursor: _cursor, ...wanted } = query;
  const said = Object.entries(wanted).filter(([, value]) => value !== undefined);
  if (said.length === 0) return null;
  return html`<p>Only ${said.map(([name, value]) => html`${name} <b>${value}</b> `)}(<a href="/builds">all</a>)</p>`;
}

function older(path: string, query: object, next: string | null): Html | null {
  if (next === null) return null;
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (name !== 'cursor' && value !== undefined) search.set(name, String(value));
  }
  search.set('cursor', next);
  return html`<p><a href="${path}?${search.toString()}">Older</a></p>`;
}
