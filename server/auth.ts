import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import type { TokenRule } from './ports.ts';
import { Refusal } from './problem.ts';

/**
 * Reading is open, as third-party CIs must be read by everybody; asking for anything needs a bearer token. Only hashes are
 * known here, and every one of them is compared, whichever matches.
 */
export function whoAsks(request: FastifyRequest, tokens: readonly TokenRule[]): string {
  const match = /^Bearer ([\x21-\x7e]{1,500})$/i.exec(request.headers.authorization ?? '');
  const token = match?.[1];
  if (token === undefined) {
    throw new Refusal(
      401,
      'token-missing',
      'this needs a token',
      'send `Authorization: Bearer TOKEN`; a running server keeps one in its data directory, in the file `token`',
    );
  }
  const digest = createHash('sha256').update(token).digest();
  let name: string | undefined;
  for (const rule of tokens) {
    const known = Buffer.from(rule.sha256, 'hex');
    if (known.length === digest.length && timingSafeEqual(known, digest)) name ??= rule.name;
  }
  if (name === undefined) throw new Refusal(401, 'token-unknown', 'this token is not known here');
  return name;
}
