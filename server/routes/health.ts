import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { asFault } from '../../pipelines/fault.ts';
import { HealthView } from '../contract.ts';
import type { Probe, ServerPorts } from '../ports.ts';

/** ms for one probe. */
const patience = 3_000;

/** Lives (`/healthz`), is of use (`/readyz`, which names every part that is not), and how it does (`/metrics`). */
export function addHealth(
  app: FastifyInstance,
  ports: Pick<ServerPorts, 'version' | 'probes' | 'metrics'>,
): void {
  const typed = app.withTypeProvider<ZodTypeProvider>();

  async function health(): Promise<HealthView> {
    const parts = Object.fromEntries(
      await Promise.all(
        Object.entries(ports.probes).map(async ([name, probe]) => [name, await ask(probe)] as const),
      ),
    );
    return { ready: Object.values(parts).every(({ ok }) => ok), version: ports.version, parts };
  }

  typed.get(
    '/healthz',
    {
      schema: {
        summary: 'The process lives',
        tags: ['health'],
        response: { 200: z.object({ alive: z.literal(true) }) },
      },
    },
    async (_request, reply) => {
      reply.header('cache-control', 'no-store');
      return { alive: true as const };
    },
  );
  typed.get(
    '/readyz',
    {
      schema: {
        summary: 'The process is of use; 503 and names if a part is not',
        tags: ['health'],
        response: { 200: HealthView, 503: HealthView },
      },
    },
    async (_request, reply) => {
      const view = await health();
      return reply
        .code(view.ready ? 200 : 503)
        .header('cache-control', 'no-store')
        .send(view);
    },
  );
  typed.get(
    '/api/v1/health',
    {
      schema: {
        summary: 'The same as readyz for people: an answer is always a good answer',
        tags: ['health'],
        response: { 200: HealthView },
      },
    },
    async (_request, reply) => {
      reply.header('cache-control', 'no-store');
      return health();
    },
  );
  const about = { summary: 'How it does, for Prometheus', tags: ['health'], produces: ['text/plain'] };
  app.get('/metrics', { schema: about }, async (_request, reply) =>
    reply.type(ports.metrics.contentType).send(await ports.metrics.metrics()),
  );
}

async function ask(probe: Probe): Promise<HealthView['parts'][string]> {
  const signal = AbortSignal.timeout(patience);
  const late = new Promise<HealthView['parts'][string]>((done) => {
    const detail = `no answer within ${patience / 1000} s`;
    signal.addEventListener('abort', () => done({ ok: false, detail }), { once: true });
  });
  try {
    return await Promise.race([probe(signal), late]);
  } catch (caught) {
    const { message, hint } = asFault(caught);
    return { ok: false, detail: hint === undefined ? message : `${message} (${hint})` };
  }
}
