import { randomBytes } from 'node:crypto';
import type { FastifyInstance, FastifyReply } from 'fastify';
import type { ServerPorts } from '../ports.ts';
import { Refusal } from '../problem.ts';
import { frameOf, openEvents } from '../stream.ts';

/** ms between looks at whether anything changed, and so between two words to a page. */
const beat = 1_000;
const mostStreams = 5_000;

/**
 * Says that something changed, never what: a page asks again for what it shows. One look a second for all pages. The id of
 * an event names a state of this process, so that a page which comes back is told at once if it missed anything.
 */
export function addLive(app: FastifyInstance, ports: ServerPorts): void {
  const boot = randomBytes(4).toString('hex');
  const open = new Set<(frame: string) => void>();
  let seen: unknown;
  let count = 0;
  let timer: NodeJS.Timeout | undefined;
  const id = () => `${boot}-${count}`;

  function look(): void {
    const now = ports.revision();
    if (now === seen) return;
    seen = now;
    count += 1;
    const frame = frameOf(id(), { at: ports.now() }, 'changed');
    for (const send of open) send(frame);
  }

  function listen(reply: FastifyReply, last: string | undefined): void {
    const gone = new AbortController();
    const stream = openEvents(reply.raw, gone.signal);
    let busy = false;
    const send = (frame: string) => {
      // Whoever is slow misses words, not news: the next one says the same.
      if (busy) return;
      busy = true;
      stream.send(frame).then(
        () => (busy = false),
        () => stream.close(),
      );
    };
    reply.raw.once('close', () => {
      gone.abort();
      stream.close();
      open.delete(send);
      if (open.size === 0) clearInterval(timer);
    });
    if (open.size === 0) timer = setInterval(look, beat);
    look();
    open.add(send);
    if (last !== id()) send(frameOf(id(), { at: ports.now() }, 'changed'));
  }

  app.addHook('onClose', () => clearInterval(timer));
  app.get(
    '/api/v1/live',
    {
      schema: {
        summary: 'Says that something changed, as server-sent events; at most once a second',
        tags: ['status'],
        produces: ['text/event-stream'],
      },
    },
    (request, reply) => {
      if (open.size >= mostStreams)
        throw new Refusal(503, 'too-many-readers', 'too many pages listen already', 'ask again now and then');
      const last = request.headers['last-event-id'];
      reply.hijack();
      listen(reply, typeof last === 'string' ? last : undefined);
    },
  );
}
