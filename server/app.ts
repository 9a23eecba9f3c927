import swagger from '@fastify/swagger';
import Fastify, { type FastifyInstance } from 'fastify';
import { jsonSchemaTransformObject, serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod';
import { tokenGuard } from './auth.ts';
import { addHeaders } from './headers.ts';
import { describeRoutes } from './openapi.ts';
import type { ServerPorts } from './ports.ts';
import { answerErrors, answerFrameworkError } from './problem.ts';
import { addApp } from './routes/app.ts';
import { addBuilds } from './routes/builds.ts';
import { addConsole } from './routes/console.ts';
import { addExplain } from './routes/explain.ts';
import { addHealth } from './routes/health.ts';
import { addLedger } from './routes/ledger.ts';
import { addLive } from './routes/live.ts';
import { addLogs } from './routes/logs.ts';
import { addNodes } from './routes/nodes.ts';
import { addPrepare } from './routes/prepare.ts';
import { addReload } from './routes/reload.ts';
import { addRequests } from './routes/requests.ts';
import { addStatus } from './routes/status.ts';
import { addViews } from './routes/views.ts';
import { addGit } from './small.ts';
import { snapshots } from './snapshot.ts';

/**
 * The door for people and tools, not listening yet. It reads what the ports show and files what people ask for; everything
 * in it can be thrown away and made again at any time.
 */
export function buildServer(ports: ServerPorts): FastifyInstance {
  const app = Fastify({
    logger: false,
    bodyLimit: 256 * 1024,
    // A reader of a console may sit for hours; one that never ends its request may not.
    requestTimeout: 60_000,
    keepAliveTimeout: 72_000,
    forceCloseConnections: true,
    frameworkErrors: answerFrameworkError,
    routerOptions: { maxParamLength: 4_000 },
  });
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  app.removeContentTypeParser('text/plain');
  addHeaders(app);
  answerErrors(app, ports);

  addGit(app, ports.git);

  void app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Stackgate', description: 'Third-party CI for Gerrit', version: ports.version },
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
      tags: ['status', 'builds', 'jobs', 'nodes', 'requests', 'events', 'health'].map((name) => ({ name })),
    },
    transform: describeRoutes,
    transformObject: jsonSchemaTransformObject,
  });
  void app.register(async (routes) => {
    addHealth(routes, ports);
    const snapshot = snapshots(ports);
    const guard = tokenGuard(ports);
    addStatus(routes, snapshot);
    addViews(routes, ports, snapshot);
    addBuilds(routes, ports);
    addConsole(routes, ports);
    addRequests(routes, ports, guard);
    addNodes(routes, ports, guard);
    addPrepare(routes, ports, guard);
    addReload(routes, ports, guard);
    addExplain(routes, ports, guard);
    addLedger(routes, ports, guard);
    addLogs(routes, ports);
    addLive(routes, ports);
    addApp(routes, ports);
    routes.get('/api/v1/openapi.json', { schema: { hide: true } }, async (_request, reply) =>
      reply.header('access-control-allow-origin', '*').send(app.swagger()),
    );
  });
  return app;
}
