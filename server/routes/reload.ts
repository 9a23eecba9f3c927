import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { Guard } from '../auth.ts';
import { ReloadView } from '../contract.ts';
import type { ReloadOutcome, ServerPorts } from '../ports.ts';
import { Refusal } from '../problem.ts';

/** ms; a data repository may have to be fetched. */
const PATIENCE = 150_000;

/** `POST /api/v1/reload`: the answer comes when the configuration is in force, or says why it is not. */
export function addReload(app: FastifyInstance, ports: ServerPorts, guard: Guard): void {
  const onRequest = async (request: FastifyRequest) => {
    guard(request);
  };
  app.withTypeProvider<ZodTypeProvider>().post(
    '/api/v1/reload',
    {
      onRequest,
      schema: {
        summary: 'Read the configuration again; 422 with every problem if it is refused',
        tags: ['requests'],
        body: z.unknown().optional(),
        response: { 200: ReloadView },
      },
    },
    async () => viewOf(await ports.reload?.(AbortSignal.timeout(PATIENCE))),
  );
}

/** Throws Refusal where nothing took effect that was asked for. */
function viewOf(outcome: ReloadOutcome | undefined): ReloadView {
  if (outcome === undefined) {
    const hint = 'send SIGHUP to the scheduler';
    throw new Refusal(409, 'no-scheduler', 'this process plans nothing, so it has nothing to reload', hint);
  }
  if (outcome.kind === 'refused') {
    const { errors, report } = outcome;
    const text = `${report}\n${errors} ${errors === 1 ? 'error' : 'errors'}: reload refused`;
    throw new Refusal(422, 'config-invalid', text, 'the old configuration stays in force');
  }
  if (outcome.kind === 'failed') throw new Refusal(503, 'reload-failed', outcome.message, outcome.hint);
  if (outcome.kind === 'same') return { changed: false, summary: 'nothing changed', changes: [] };
  return { changed: true, summary: outcome.summary, changes: outcome.changes };
}
