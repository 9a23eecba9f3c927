import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { Guard } from '../auth.ts';
import { NodeParams, PoolAnswer } from '../contract/nodes.ts';
import { Preparations, PreparedImages, PrepareRequest, PrepareStarted } from '../contract/prepare.ts';
import type { ServerPorts } from '../ports.ts';
import type { PreparePort } from '../preparing.ts';
import { Refusal } from '../problem.ts';
import type { NodeTold } from '../told.ts';

/** Preparing machines. What a site's scripts say may be nobody else's business, so reading needs a token, too. */
export function addPrepare(app: FastifyInstance, ports: ServerPorts, guard: Guard): void {
  const askers = new WeakMap<FastifyRequest, string>();
  const onRequest = async (request: FastifyRequest) => {
    askers.set(request, guard(request));
  };
  const typed = app.withTypeProvider<ZodTypeProvider>();
  const tags = ['nodes'];

  typed.post(
    '/api/v1/prepare',
    {
      onRequest,
      schema: {
        summary: 'Prepare the machines of a label',
        tags,
        body: PrepareRequest,
        response: { 200: PrepareStarted },
      },
    },
    async (request) => {
      const { label, ...wish } = request.body;
      const told = await preparing(ports).start(label, wish, askers.get(request) ?? '');
      if (told.kind !== 'started') throw refused(told);
      return { preparations: told.preparations.map(copied), remarks: [...told.remarks] };
    },
  );
  typed.get(
    '/api/v1/prepare',
    {
      onRequest,
      schema: { summary: 'Preparations, and what they say', tags, response: { 200: Preparations } },
    },
    async () => ({ preparations: preparing(ports).list().map(copied) }),
  );
  typed.get(
    '/api/v1/images',
    { onRequest, schema: { summary: 'Prepared images', tags, response: { 200: PreparedImages } } },
    async () => ({ images: [...preparing(ports).images()] }),
  );
  typed.post(
    '/api/v1/images/:id/delete',
    {
      onRequest,
      schema: {
        summary: 'Delete a prepared image',
        tags,
        params: NodeParams,
        body: z.strictObject({}).nullish(),
        response: { 200: PoolAnswer },
      },
    },
    async (request) => {
      const told = await preparing(ports).dropImage(request.params.id);
      if (told.kind !== 'done') throw refused(told);
      return { note: told.note };
    },
  );
}

function preparing(ports: ServerPorts): PreparePort {
  const found = ports.prepare?.();
  if (found !== undefined) return found;
  const hint = 'ask the process whose role is launcher';
  throw new Refusal(409, 'no-launcher', 'this process does not own the nodes', hint);
}

function refused(told: NodeTold): Refusal {
  if (told.kind === 'absent') return new Refusal(404, 'not-found', told.reason);
  if (told.kind === 'conflict') return new Refusal(409, 'node-state', told.reason, told.hint);
  return new Refusal(500, 'bug', told.note);
}

function copied<T extends { readonly lines: readonly unknown[] }>(record: T) {
  return { ...record, lines: [...record.lines] as [...T['lines']] };
}
