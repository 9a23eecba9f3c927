import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { findBuild } from '../builds.ts';
import { ConsoleQuery } from '../contract.ts';
import { findLog, logSegments, readLog } from '../logfile.ts';
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
      const { logPath } = await findBuild(ports, request.params.uuid);
      const segments = logPath === undefined ? undefined : logSegments(logPath);
      if (segments === undefined) throw new Refusal(404, 'no-console', 'this build never had a console');
      const { offset } = request.query;
      if (wantsEvents(request)) {
        const from = lastEventId(request) ?? offset;
        const signal = stay(reply);
        reply.hijack();
        await sendEvents(
          reply.raw,
          ports.logs.follow(join(ports.logs.root, ...segments), from, signal),
          from,
          signal,
        );
        return reply;
      }
      reply
        .type('text/plain; charset=utf-8')
        .header('cache-control', 'no-store')
        .header('x-accel-buffering', 'no');
      if (request.query.follow) {
        const signal = stay(reply);
        const chunks = ports.logs.follow(join(ports.logs.root, ...segments), offset, signal);
        return reply.send(Readable.from(chunks, { objectMode: false }));
      }
      const target = await findLog(ports.logs.root, [...segments, 'console.txt']);
      if (target.kind !== 'file') return reply.send('');
      return reply.send(skip(readLog(target.path, target.gzip), offset));
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

/** A stream without its first bytes. */
function skip(source: Readable, offset: number): Readable {
  if (offset === 0) return source;
  let left = offset;
  async function* rest() {
    try {
      for await (const chunk of source as AsyncIterable<Buffer>) {
        if (chunk.length > left) yield chunk.subarray(left);
        left = Math.max(0, left - chunk.length);
      }
    } finally {
      source.destroy();
    }
  }
  return Readable.from(rest(), { objectMode: false });
}
