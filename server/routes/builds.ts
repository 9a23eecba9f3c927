import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { listBuilds } from '../builds.ts';
import { BuildDetail, BuildPage, BuildQuery, EventPage, EventQuery, RunView } from '../contract.ts';
import { buildDetails } from '../detail.ts';
import { listEvents } from '../events.ts';
import type { ServerPorts } from '../ports.ts';
import { Refusal } from '../problem.ts';

export const BuildParams = z.object({
  uuid: z.string().regex(/^[0-9a-f]{4,32}$/, 'expected a build uuid, or at least its first 4 digits'),
});

/** What was built, is built, and what arrived: everything that is only read. */
export function addBuilds(app: FastifyInstance, ports: ServerPorts): void {
  const typed = app.withTypeProvider<ZodTypeProvider>();
  const detail = buildDetails(ports);
  typed.get(
    '/api/v1/builds',
    {
      schema: {
        summary: 'Builds, newest first; those that wait or run come before',
        tags: ['builds'],
        querystring: BuildQuery,
        response: { 200: BuildPage },
      },
    },
    (request) => listBuilds(ports, request.query),
  );
  typed.get(
    '/api/v1/builds/:uuid',
    {
      schema: {
        summary: 'One build: its result, whose fault, the end of its console, artifacts, parameters',
        tags: ['builds'],
        params: BuildParams,
        response: { 200: BuildDetail },
      },
    },
    (request) => detail(request.params.uuid),
  );
  typed.get(
    '/api/v1/run/:id',
    {
      schema: {
        summary: 'What became of a run that was asked for',
        tags: ['requests'],
        params: z.object({ id: z.string().max(100) }),
        response: { 200: RunView },
      },
    },
    async (request) => {
      const run = await ports.run(request.params.id);
      if (run === undefined) throw new Refusal(404, 'no-such-run', 'nobody asked for a run with this id');
      return run;
    },
  );
  typed.get(
    '/api/v1/events',
    {
      schema: {
        summary: 'The ledger: what arrived and what became of it, newest first',
        tags: ['events'],
        querystring: EventQuery,
        response: { 200: EventPage },
      },
    },
    (request) => listEvents(ports, request.query),
  );
}
