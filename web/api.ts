import { signal } from '@preact/signals';
import type { ProblemView } from '../server/contract.ts';

/** The server's API. Reading is open; asking for anything sends the token, which lives as long as this tab. */

/** What a page shows when the server said no, or nothing. */
export interface Failure {
  /** 0: no answer at all. */
  readonly status: number;
  readonly message: string;
  readonly hint: string | undefined;
}

export type Answer<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly failure: Failure };

export const token = signal(sessionStorage.getItem('token') ?? '');

export function keepToken(text: string): void {
  if (text === '') sessionStorage.removeItem('token');
  else sessionStorage.setItem('token', text);
  token.value = text;
}

/** Difference between the server's clock and ours, ms. */
let skew = 0;

/** Now, by the server's clock: what its times are compared with. */
export function serverNow(): number {
  return Date.now() + skew;
}

export function learnTime(at: number): void {
  skew = at - Date.now();
}

const deadline = 20_000;

export async function get<T>(path: string, signal?: AbortSignal, as = ''): Promise<Answer<T>> {
  return call<T>(path, { headers: bearer(as) }, signal);
}

export async function post<T>(path: string, body: unknown): Promise<Answer<T>> {
  const headers = {
    ...bearer(token.value),
    'content-type': 'application/json',
    'idempotency-key': `web-${key()}`,
  };
  return call<T>(path, { method: 'POST', headers, body: JSON.stringify(body) });
}

function bearer(as: string): Record<string, string> {
  return as === '' ? {} : { authorization: `Bearer ${as}` };
}

function key(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) =>
    byte.toString(16).padStart(2, '0'),
  ).join('');
}

async function call<T>(path: string, init: RequestInit, signal?: AbortSignal): Promise<Answer<T>> {
  const late = AbortSignal.timeout(deadline);
  try {
    const response = await fetch(path, {
      ...init,
      credentials: 'omit',
      signal: signal === undefined ? late : AbortSignal.any([signal, late]),
    });
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the server's own contract
    if (response.ok) return { ok: true, value: (await response.json()) as T };
    return { ok: false, failure: await refusal(response) };
  } catch (caught) {
    if (signal?.aborted === true) throw caught;
    const message = late.aborted ? `no answer within ${deadline / 1000} s` : 'the server does not answer';
    return { ok: false, failure: { status: 0, message, hint: 'it is asked again by itself' } };
  }
}

async function refusal(response: Response): Promise<Failure> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the server's own contract
  const problem = (await response.json().catch(() => undefined)) as Partial<ProblemView> | undefined;
  return {
    status: response.status,
    message: problem?.detail ?? `the server answered ${response.status}`,
    hint: problem?.hint ?? undefined,
  };
}
