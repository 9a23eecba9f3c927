import type { FastifyInstance } from 'fastify';

/**
 * The web application: its own scripts and styles, its own API, nothing else; and no text becomes markup, whatever a mistake
 * of ours does with it.
 */
export const application =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'";

/** No scripts, no frames, no foreign origins; styles come from one file of ours. */
const pages =
  "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'";

/**
 * For what builds wrote: shown in an origin of its own, where nothing runs and nothing is loaded but pictures and styles
 * of the same folder.
 */
export const strangers =
  "sandbox; default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/** Headers of every answer, unless a route said otherwise. */
export function addHeaders(app: FastifyInstance): void {
  app.addHook('onRequest', async (_request, reply) => {
    reply.headers({
      'content-security-policy': pages,
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-site',
      'permissions-policy': 'camera=(), geolocation=(), microphone=()',
    });
  });
}
