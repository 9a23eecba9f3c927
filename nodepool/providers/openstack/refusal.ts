import { z } from 'zod';
import type { Setback } from '../../provider.ts';

/** A cloud that said no, or did not answer at all (`status` 0): thrown inside this folder, a `Setback` outside. */
export class CloudError extends Error {
  override readonly name = 'CloudError';
  readonly status: number;
  /** ms */
  readonly retryAfter: number | undefined;

  constructor(
    status: number,
    message: string,
    options: { retryAfter?: number | undefined; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.status = status;
    this.retryAfter = options.retryAfter;
  }
}

/** What no retry mends: wrong credentials, no such image. */
export class CloudMistake extends Error {
  override readonly name = 'CloudMistake';
}

/**
 * How a pool must take it. Nova and neutron say quota in several ways (403 or 409 with the word, 413 by old ones); Nodepool tells them
 * apart by the same words. Anything unexpected is transient: it is tried again and shown.
 */
export function setbackOf(caught: unknown): Setback {
  if (caught instanceof CloudMistake) return { kind: 'permanent', reason: caught.message };
  if (caught instanceof z.ZodError)
    return {
      kind: 'transient',
      reason: `the cloud answered something unexpected: ${z.prettifyError(caught)}`,
    };
  if (!(caught instanceof CloudError)) throw caught;
  const { status, message: reason, retryAfter } = caught;
  if (isQuota(reason)) return { kind: 'quota', reason };
  if (isNoRoom(reason)) return { kind: 'full', reason };
  if (status === 401) return { kind: 'permanent', reason: `the cloud refuses our credentials: ${reason}` };
  if (status === 400 || status === 403 || status === 404 || status === 405 || status === 406)
    return { kind: 'permanent', reason };
  return { kind: 'transient', reason, ...(retryAfter === undefined ? {} : { retryAfter }) };
}

export function isQuota(words: string): boolean {
  return (
    /quota exceeded|exceeded.*quota|number of ports exceeded|over ?quota/i.test(words) ||
    (/exceeds/i.test(words) && /quota/i.test(words))
  );
}

export function isNoRoom(words: string): boolean {
  return /no valid host was found|no more ip addresses|ipaddressgenerationfailure/i.test(words);
}
