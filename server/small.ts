import Fastify, { type FastifyInstance } from 'fastify';
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod';
import { addHeaders } from './headers.ts';
import type { ServerPorts } from './ports.ts';
import { answerErrors } from './problem.ts';
import { addHealth } from './routes/health.ts';

/** The door of a process that is no server: health, metrics, and git where repositories lie. Reading only, no token. */
export function buildSmallServer(
  ports: Pick<ServerPorts, 'version' | 'probes' | 'metrics' | 'git'>,
): FastifyInstance {
  const app = Fastify({
    logger: false,
    bodyLimit: 1024,
    requestTimeout: 60_000,
    keepAliveTimeout: 72_000,
    forceCloseConnections: true,
  });
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  addHeaders(app);
  answerErrors(app, {});
  addGit(app, ports.git);
  addHealth(app, ports);
  return app;
}

/** git answers by itself, before anything reads the body. */
export function addGit(app: FastifyInstance, git: ServerPorts['git']): void {
  if (git === undefined) return;
  app.addHook('onRequest', async (request, reply) => {
    if (request.raw.url?.startsWith('/p/') !== true) return;
    if (git(request.raw, reply.raw)) reply.hijack();
  });
}
