import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { findBuild } from '../builds.ts';
import { consoleNow, consoleToEnd } from '../consoles.ts';
import { ConsoleQuery } from '../contract.ts';
import { logSegments } from '../logfile.ts';
import type { ServerPorts } from '../ports.ts';
import { Refusal } from '../problem.ts';
import { sendEvents } from '../stream.ts';
import { BuildParams } from './builds.ts';

/** Readers that stay at a time; each holds a socket and a watch on a folder. */
const mostReaders = 500;

/**
 * The console of a build. Three ways to read it, all by byte offset: what is there now (text), what is there and what comes
 * (`follow=1`, text), or as server-sent events (`Accept: text/event-stream`), which browsers take up again by themselves
 * with `Last-Event-ID`, the offset behind the last piece they got.
 */
export function addConsole(app: FastifyInstance, ports: ServerPorts): void {
  let readers = 0;

  /** Aborts when the reader hangs up; counts it until then. */
  function stay(reply: FastifyReply): AbortSignal {
    if (readers >= mostReaders)
      throw new Refusal(503, 'too-many-readers', 'too many consoles are followed', 'try again soon');
    readers += 1;
    const gone = new AbortController();
    reply.raw.once('close', () => {
      readers -= 1;
      gone.abort();
    });
    return gone.signal;
  }

  app.withTypeProvider<ZodTypeProvider>().get(
    '/api/v1/builds/:uuid/console',
    {
      schema: {
        summary: 'Console of a build, as text or as server-sent events',
        tags: ['builds'],
        params: BuildParams,
        querystring: ConsoleQuery,
        produces: ['text/plain', 'text/event-stream'],
      },
    },
    async (request, reply) => {
      const { build, logPath } = await findBuild(ports, request.params.uuid);
      const segments = logPath === undefined ? undefined : logSegments(logPath);
      if (segments === undefined) throw new Refusal(404, 'no-console', 'this build never had a console');
      const events = wantsEvents(request);
      const offset = (events ? lastEventId(request) : undefined) ?? request.query.offset;
      const running = build.state === 'waiting' || build.state === 'running';
      const gone = stay(reply);
      const chunks =
        running && (events || request.query.follow)
          ? consoleToEnd(ports, build.uuid, segments, offset, gone)
          : consoleNow(ports, segments, offset);
      if (events) {
        reply.hijack();
        await sendEvents(reply.raw, chunks, offset, gone);
        return reply;
      }
      return reply
        .type('text/plain; charset=utf-8')
        .header('cache-control', 'no-store')
        .header('x-accel-buffering', 'no')
        .send(Readable.from(chunks, { objectMode: false }));
    },
  );
}

function wantsEvents(request: FastifyRequest): boolean {
  return request.headers.accept?.includes('text/event-stream') === true;
}

function lastEventId(request: FastifyRequest): number | undefined {
  const header = request.headers['last-event-id'];
  return typeof header === 'string' && /^\d{1,15}$/.test(header) ? Number(header) : undefined;
}
