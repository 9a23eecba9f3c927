import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod';
import { Fault } from '../pipelines/fault.ts';
import type { ProblemView } from './contract.ts';
import type { ServerPorts } from './ports.ts';

/** A request that is answered with an error: status, stable code, one sentence, what to do next (RFC 9457). */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly status: number;
  readonly code: string;
  readonly hint: string | null;

  constructor(status: number, code: string, detail: string, hint?: string) {
    super(detail);
    this.status = status;
    this.code = code;
    this.hint = hint ?? null;
  }
}

const titles: Readonly<Record<number, string>> = {
  400: 'Bad request',
  401: 'Who are you?',
  404: 'Not found',
  405: 'Method not allowed',
  409: 'Conflict',
  413: 'Too large',
  415: 'Unsupported media type',
  422: 'Cannot be done',
  429: 'Slow down',
  500: 'Our mistake',
  503: 'Not now',
};

/** Every error leaves as problem+json. What is our own mistake is told to the operator, not to the asker. */
export function answerErrors(app: FastifyInstance, ports: Pick<ServerPorts, 'log'>): void {
  app.setErrorHandler((error: FastifyError, _request, reply) => {
    const refusal = refusalOf(error);
    if (refusal.status >= 500) ports.log?.({ message: `a request failed: ${error.message}`, error });
    return sendProblem(reply, refusal);
  });
  app.setNotFoundHandler((_request, reply) =>
    sendProblem(reply, new Refusal(404, 'not-found', 'there is nothing at this address')),
  );
}

/** Errors before routing, such as an address that is no address. */
export function answerFrameworkError(
  error: FastifyError,
  _request: FastifyRequest,
  reply: FastifyReply,
): void {
  void sendProblem(reply, refusalOf(error));
}

export function sendProblem(reply: FastifyReply, refusal: Refusal): FastifyReply {
  if (refusal.status === 429) reply.header('retry-after', '60');
  if (refusal.status === 401) reply.header('www-authenticate', 'Bearer realm="stackgate"');
  return reply
    .code(refusal.status)
    .header('cache-control', 'no-store')
    .type('application/problem+json')
    .serializer((body: unknown) => JSON.stringify(body))
    .send(problemOf(refusal));
}

function problemOf(refusal: Refusal): ProblemView {
  return {
    type: 'about:blank',
    title: titles[refusal.status] ?? 'Error',
    status: refusal.status,
    detail: refusal.message,
    code: refusal.code,
    hint: refusal.hint,
  };
}

function refusalOf(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  if (error instanceof Fault) {
    return new Refusal(error.retry ? 503 : 500, error.code, error.message, error.hint);
  }
  if (hasZodFastifySchemaValidationErrors(error)) {
    const said = error.validation.map(({ instancePath, message }) =>
      `${instancePath.replace(/^\//, '').replaceAll('/', '.')} ${message ?? ''}`.trim(),
    );
    return new Refusal(400, 'invalid-request', said.join('; '));
  }
  const status =
    typeof error === 'object' && error !== null && 'statusCode' in error ? Number(error.statusCode) : 500;
  if (status >= 400 && status < 500 && error instanceof Error) {
    return new Refusal(status, 'invalid-request', error.message);
  }
  return new Refusal(500, 'bug', 'the server made a mistake; its log says more');
}
