import type { ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { findBuild } from '../builds.ts';
import { type Piece, piecesOf } from '../channel.ts';
import { consoleNow, consoleToEnd } from '../consoles.ts';
import { ConsoleQuery } from '../contract.ts';
import { logSegments } from '../logfile.ts';
import type { ServerPorts } from '../ports.ts';
import { Refusal } from '../problem.ts';
import { consoleReaders } from '../readers.ts';
import { frameOf, openEvents } from '../stream.ts';
import { BuildParams } from './builds.ts';

/** Texts that are followed at a time; each holds a socket and a watch on a folder. */
const mostTexts = 200;
/** Streams of events at a time. Those of one console share its watch; each holds a socket. */
const mostStreams = 5_000;

/**
 * The console of a build. Three ways to read it, all by byte offset: what is there now (text), what is there and what comes
 * (`follow=1`, text), or as server-sent events (`Accept: text/event-stream`), which browsers take up again by themselves
 * with `Last-Event-ID`, the offset behind the last piece they got.
 */
export function addConsole(app: FastifyInstance, ports: ServerPorts): void {
  const readers = consoleReaders(ports);
  const texts = { now: 0, most: mostTexts };
  const streams = { now: 0, most: mostStreams };

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
      const gone = stay(reply, events ? streams : texts);
      const running = build.state === 'waiting' || build.state === 'running';
      if (!events) {
        const chunks =
          running && request.query.follow
            ? consoleToEnd(ports, build.uuid, segments, offset, gone)
            : consoleNow(ports, segments, offset);
        return reply
          .type('text/plain; charset=utf-8')
          .header('cache-control', 'no-store')
          .header('x-accel-buffering', 'no')
          .send(Readable.from(chunks, { objectMode: false }));
      }
      const pieces = running
        ? readers.read(build.uuid, segments, offset, gone)
        : piecesOf(consoleNow(ports, segments, offset), offset);
      reply.hijack();
      await sendPieces(reply.raw, pieces, offset, gone);
      return reply;
    },
  );
}

/** Aborts when the reader hangs up; counts it until then. */
function stay(reply: FastifyReply, places: { now: number; readonly most: number }): AbortSignal {
  if (places.now >= places.most)
    throw new Refusal(503, 'too-many-readers', 'too many consoles are followed', 'try again soon');
  places.now += 1;
  const gone = new AbortController();
  reply.raw.once('close', () => {
    places.now -= 1;
    gone.abort();
  });
  return gone.signal;
}

/** `{"text": "..."}` with the byte offset behind it as id, then `event: end`. */
async function sendPieces(
  res: ServerResponse,
  pieces: AsyncIterable<Piece>,
  from: number,
  gone: AbortSignal,
): Promise<void> {
  const stream = openEvents(res, gone);
  let offset = from;
  try {
    for await (const piece of pieces) {
      if (gone.aborted) return;
      await stream.send(piece.frame);
      offset = piece.to;
    }
    if (!gone.aborted) await stream.send(frameOf(offset, {}, 'end'));
  } catch (caught) {
    // The reader is gone, or the file is: either way it may ask again from where it was.
    if (!gone.aborted) res.destroy(caught instanceof Error ? caught : undefined);
  } finally {
    stream.close();
  }
}

function wantsEvents(request: FastifyRequest): boolean {
  return request.headers.accept?.includes('text/event-stream') === true;
}

function lastEventId(request: FastifyRequest): number | undefined {
  const header = request.headers['last-event-id'];
  return typeof header === 'string' && /^\d{1,15}$/.test(header) ? Number(header) : undefined;
}
