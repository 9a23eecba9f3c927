import { randomUUID } from 'node:crypto';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { didYouMean } from '../../jobs/problem.ts';
import type { Fact } from '../../pipelines/event.ts';
import { partParams, passwordsOf } from '../../pipelines/sealed.ts';
import type { Guard } from '../auth.ts';
import { findBuild } from '../builds.ts';
import {
  Accepted,
  DequeueRequest,
  EnqueueRefRequest,
  EnqueueRequest,
  PromoteRequest,
  RunRequest,
  WhoView,
} from '../contract.ts';
import type { ServerPorts } from '../ports.ts';
import { Refusal } from '../problem.ts';
import { BuildParams } from './builds.ts';

/**
 * What people ask for. Each request becomes one fact; the kernel decides what comes of it, and the ledger says so. The id
 * is the asker's (`Idempotency-Key`), so that a request sent twice is one: without a key every request is a new one.
 *
 * Only what can be said without the kernel is refused here: names that the configuration does not have.
 */
export function addRequests(app: FastifyInstance, ports: ServerPorts, guard: Guard): void {
  const askers = new WeakMap<FastifyRequest, string>();
  /** Before the body is read: who may not ask is not listened to. */
  const onRequest = async (request: FastifyRequest) => {
    askers.set(request, guard(request));
  };
  const typed = app.withTypeProvider<ZodTypeProvider>();
  const response = { 202: Accepted };
  const tags = ['requests'];

  async function ask(
    request: FastifyRequest,
    kind: string,
    make: (asked: { at: number; id: string; by: string }) => Fact,
    before?: (id: string) => Promise<void>,
  ): Promise<Accepted> {
    const id = keyOf(request) ?? `${kind}-${randomUUID()}`;
    await before?.(id);
    const asked = { at: ports.now(), id, by: askers.get(request) ?? '' };
    const filed = await ports.file([{ key: `request/${id}`, fact: make(asked) }]);
    return { id, note: filed === 0 ? `asked before as ${id}` : null };
  }

  typed.get(
    '/api/v1/whoami',
    { onRequest, schema: { summary: 'Whose token it is', tags, response: { 200: WhoView } } },
    (request) => ({ name: askers.get(request) ?? '' }),
  );

  typed.post(
    '/api/v1/run',
    { onRequest, schema: { summary: 'Run one job', tags, body: RunRequest, response } },
    async (request, reply) => {
      const { job, change, params, vote } = request.body;
      const config = ports.config();
      if (config !== undefined && !Object.hasOwn(config.jobs, job)) {
        throw unknown('job', job, Object.keys(config.jobs));
      }
      // Without a configuration nobody knows which are passwords: then all are kept like one.
      const passwords = config === undefined ? undefined : passwordsOf(config.jobs[job]);
      const { open, secret } = partParams(params, (name) => passwords?.includes(name) ?? true);
      const sealed = Object.keys(secret);
      const accepted = await ask(
        request,
        'run',
        (asked) => ({
          kind: 'RunRequested',
          ...asked,
          job,
          params: open,
          vote,
          ...(sealed.length === 0 ? {} : { sealed }),
          ...(change === undefined ? {} : { change: changeOf(change) }),
        }),
        async (id) => (sealed.length === 0 ? undefined : await ports.seal(id, secret)),
      );
      return reply.code(202).send(accepted);
    },
  );

  typed.post(
    '/api/v1/enqueue',
    { onRequest, schema: { summary: 'Put a change into a pipeline', tags, body: EnqueueRequest, response } },
    async (request, reply) => {
      const { pipeline, project, change } = request.body;
      checkNames(ports, pipeline, project);
      const [number = '', patchset = ''] = change.split(',');
      const accepted = await ask(request, 'enqueue', (asked) => ({
        kind: 'EnqueueRequested',
        ...asked,
        pipeline,
        project,
        number,
        patchset,
      }));
      return reply.code(202).send(accepted);
    },
  );

  typed.post(
    '/api/v1/enqueue-ref',
    { onRequest, schema: { summary: 'Put a ref into a pipeline', tags, body: EnqueueRefRequest, response } },
    async (request, reply) => {
      const { pipeline, project, ref, oldrev, newrev } = request.body;
      checkNames(ports, pipeline, project);
      const accepted = await ask(request, 'enqueue-ref', (asked) => ({
        kind: 'EnqueueRefRequested',
        ...asked,
        pipeline,
        project,
        ref,
        oldRev: oldrev,
        newRev: newrev,
      }));
      return reply.code(202).send(accepted);
    },
  );

  typed.post(
    '/api/v1/dequeue',
    {
      onRequest,
      schema: { summary: 'Take a change or a ref out of a pipeline', tags, body: DequeueRequest, response },
    },
    async (request, reply) => {
      const { pipeline, project, change, ref } = request.body;
      checkNames(ports, pipeline, undefined);
      const accepted = await ask(request, 'dequeue', (asked) => ({
        kind: 'DequeueRequested',
        ...asked,
        pipeline,
        project,
        ...(change === undefined ? {} : changeOf(change)),
        ...(ref === undefined ? {} : { ref }),
      }));
      return reply.code(202).send(accepted);
    },
  );

  typed.post(
    '/api/v1/promote',
    {
      onRequest,
      schema: { summary: 'Move changes to the head of their queue', tags, body: PromoteRequest, response },
    },
    async (request, reply) => {
      const { pipeline, changes } = request.body;
      checkNames(ports, pipeline, undefined);
      const accepted = await ask(request, 'promote', (asked) => ({
        kind: 'PromoteRequested',
        ...asked,
        pipeline,
        changes,
      }));
      return reply.code(202).send(accepted);
    },
  );

  typed.post(
    '/api/v1/builds/:uuid/cancel',
    {
      onRequest,
      schema: { summary: 'Stop a build', tags, params: BuildParams, body: z.unknown().optional(), response },
    },
    async (request, reply) => {
      const { build } = await findBuild(ports, request.params.uuid);
      if (build.state === 'finished' || build.state === 'canceled') {
        throw new Refusal(409, 'finished', `build ${build.uuid} has ended: ${build.result ?? build.state}`);
      }
      const accepted = await ask(request, 'cancel', (asked) => ({
        kind: 'CancelRequested',
        ...asked,
        build: build.uuid,
      }));
      return reply.code(202).send(accepted);
    },
  );
}

/** The asker's own id. It becomes part of action ids, so it looks like one. */
function keyOf(request: FastifyRequest): string | undefined {
  const header = request.headers['idempotency-key'];
  if (header === undefined) return undefined;
  if (typeof header === 'string' && /^[a-z][A-Za-z0-9._-]{7,99}$/.test(header)) return header;
  throw new Refusal(
    400,
    'invalid-request',
    'Idempotency-Key must begin with a small letter and have 8 to 100 letters, digits, dots, dashes and underscores',
  );
}

function changeOf(text: string): { number: string; patchset?: string } {
  const [number = '', patchset] = text.split(',');
  return patchset === undefined ? { number } : { number, patchset };
}

function checkNames(ports: ServerPorts, pipeline: string, project: string | undefined): void {
  const layout = ports.config()?.layout;
  if (layout === undefined) return;
  const names = layout.pipelines.map(({ name }) => name);
  if (!names.includes(pipeline)) throw unknown('pipeline', pipeline, names);
  if (project !== undefined && !Object.hasOwn(layout.projects, project)) {
    throw unknown('project', project, Object.keys(layout.projects));
  }
}

function unknown(what: string, name: string, names: readonly string[]): Refusal {
  const near = didYouMean(name, names);
  return new Refusal(
    422,
    `unknown-${what}`,
    `there is no ${what} ${JSON.stringify(name)}`,
    near === undefined ? undefined : `did you mean \`${near}\`?`,
  );
}
