import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import type { ServerPorts, TokenRule } from './ports.ts';
import { Refusal } from './problem.ts';

/** Wrong tokens that one address may send in one minute; after that none of its tokens is looked at. */
const mostFailures = 10;
const minute = 60_000;
/** Addresses that are remembered. */
const mostAddresses = 10_000;

/** Answers whose token a request carries, and refuses it otherwise. */
export type Guard = (request: FastifyRequest) => string;

/**
 * Reading is open, as third-party CIs must be read by everybody; asking for anything needs a bearer token. It comes in a
 * header that no other site's page can make a browser send, and never in a cookie: nobody can act in another's name.
 */
export function tokenGuard({ tokens, now }: Pick<ServerPorts, 'tokens' | 'now'>): Guard {
  const failures = new Map<string, { since: number; count: number }>();

  function failed(address: string): void {
    const known = failures.get(address);
    if (known !== undefined && now() - known.since < minute) known.count += 1;
    else {
      failures.delete(address);
      failures.set(address, { since: now(), count: 1 });
    }
    const [oldest] = failures.keys();
    if (failures.size > mostAddresses && oldest !== undefined) failures.delete(oldest);
  }

  return (request) => {
    const token = /^Bearer ([\x21-\x7e]{1,500})$/i.exec(request.headers.authorization ?? '')?.[1];
    if (token === undefined) {
      throw new Refusal(
        401,
        'token-missing',
        'this needs a token',
        'send `Authorization: Bearer TOKEN`; a running server keeps one in its data directory, in the file `token`',
      );
    }
    const known = failures.get(request.ip);
    if (known !== undefined && known.count >= mostFailures && now() - known.since < minute) {
      throw new Refusal(
        429,
        'too-many-failures',
        'too many wrong tokens came from this address',
        'try again in a minute',
      );
    }
    const name = ownerOf(token, tokens);
    if (name !== undefined) return name;
    failed(request.ip);
    throw new Refusal(401, 'token-unknown', 'this token is not known here');
  };
}

/** Only hashes are known here, and every one of them is compared, whichever matches. */
function ownerOf(token: string, tokens: readonly TokenRule[]): string | undefined {
  const digest = createHash('sha256').update(token).digest();
  let name: string | undefined;
  for (const rule of tokens) {
    const known = Buffer.from(rule.sha256, 'hex');
    if (known.length === digest.length && timingSafeEqual(known, digest)) name ??= rule.name;
  }
  return name;
}
