import { setTimeout as sleep } from 'node:timers/promises';
import { Fault } from '../../pipelines/fault.ts';
import type { Begin, Said } from './transport.ts';

/**
 * Gerrit's REST interface, politely: so many requests at a time and in a second, a User-Agent that names us, and one request
 * for all who ask the same at the same time. Times are milliseconds.
 *
 * A server that is busy (429, 503) is asked again when it said, a few times. What was asked and got no answer is a Fault;
 * after `post` that means that nobody knows whether it took effect.
 */
export interface Rest {
  /** The parsed answer; undefined: 404, it is not there or not shown to us. */
  get(path: string, signal: AbortSignal): Promise<unknown>;
  post(path: string, body: object, signal: AbortSignal, begin?: Begin): Promise<Said>;
}

export interface RestOptions {
  /** With a trailing slash. */
  readonly url: string;
  readonly user: string;
  /** The account's HTTP password or token; asked for with each request, so that a new one is used at once. */
  readonly password: () => Promise<string>;
  readonly userAgent: string;
  readonly deadline: number;
  readonly concurrency: number;
  /** Requests in a second, over time; so many may go at once. */
  readonly perSecond: number;
  readonly now?: () => number;
}

const ATTEMPTS = 3;
const LONGEST_WAIT = 30_000;
const MAX_BODY = 64 * 1024 * 1024;
/** The guard line before every JSON answer, against cross-site script inclusion. */
const GUARD = ")]}'";

export function openRest(options: RestOptions): Rest {
  const { now = Date.now } = options;
  const shared = new Map<string, Promise<unknown>>();
  const line: (() => void)[] = [];
  let busy = 0;
  /** When the bucket is full again: each request moves it on by its share of a second. */
  let full = 0;

  async function turn(signal: AbortSignal): Promise<void> {
    if (busy >= options.concurrency) await new Promise<void>((resolve) => line.push(resolve));
    else busy += 1;
    const share = 1000 / options.perSecond;
    full = Math.max(full, now()) + share;
    const early = full - now() - 1000;
    try {
      if (early > 0) await sleep(early, undefined, { signal });
      signal.throwIfAborted();
    } catch (caught) {
      leave();
      throw caught;
    }
  }

  function leave(): void {
    const next = line.shift();
    if (next === undefined) busy -= 1;
    else next();
  }

  async function ask(
    method: 'GET' | 'POST',
    path: string,
    body: string | undefined,
    outer: AbortSignal,
    begin?: Begin,
  ) {
    const late = AbortSignal.timeout(options.deadline);
    const signal = AbortSignal.any([outer, late]);
    try {
      await turn(signal);
      try {
        const password = await options.password();
        const ready = await begin?.();
        ready?.();
        const response = await fetch(new URL(`a/${path}`, options.url), {
          method,
          redirect: 'manual',
          headers: {
            accept: 'application/json',
            authorization: basic(options.user, password),
            'user-agent': options.userAgent,
            ...(body === undefined ? {} : { 'content-type': 'application/json; charset=UTF-8' }),
          },
          ...(body === undefined ? {} : { body }),
          signal,
        });
        return { status: response.status, headers: response.headers, text: await bodyOf(response) };
      } finally {
        leave();
      }
    } catch (caught) {
      if (caught instanceof Fault) throw caught;
      if (outer.aborted)
        throw outer.reason instanceof Fault
          ? outer.reason
          : new Fault('stopped', 'the request was called off');
      if (late.aborted)
        throw new Fault('deadline', `Gerrit did not answer ${method} ${path} within ${options.deadline} ms`, {
          retry: true,
          cause: caught,
        });
      throw new Fault('gerrit-away', `no answer from ${options.url}: ${reasonOf(caught)}`, {
        retry: true,
        cause: caught,
      });
    }
  }

  /** Asks again while the server says that it is too busy to have done anything. */
  async function patiently(
    method: 'GET' | 'POST',
    path: string,
    body: string | undefined,
    again: ReadonlySet<number>,
    signal: AbortSignal,
    begin?: Begin,
  ) {
    for (let attempt = 1; ; attempt++) {
      const answer = await ask(method, path, body, signal, begin);
      refuseAll(answer, options.url);
      if (!again.has(answer.status) || attempt === ATTEMPTS) return answer;
      const told = Number(answer.headers.get('retry-after')) * 1000;
      const wait = Math.min(LONGEST_WAIT, told > 0 ? told : 500 * 2 ** attempt);
      await sleep(wait, undefined, { signal });
    }
  }

  async function getAlone(path: string): Promise<unknown> {
    // Whoever waits may leave; the request has its own deadline.
    const { status, text } = await patiently('GET', path, undefined, BUSY, new AbortController().signal);
    if (status === 404) return undefined;
    if (status === 200) return parse(text, path);
    if (status >= 500 || BUSY.has(status))
      throw new Fault('gerrit-away', `Gerrit answered ${status} to ${path}`, { retry: true });
    throw new Fault('gerrit-refused', `Gerrit refused ${path}: ${status} ${oneLine(text)}`);
  }

  return {
    async get(path, signal) {
      const known = shared.get(path);
      const mine = known ?? getAlone(path).finally(() => shared.delete(path));
      if (known === undefined) shared.set(path, mine);
      return await unlessAborted(mine, signal);
    },
    async post(path, body, signal, begin) {
      // 503 may come from a proxy after the server did it: only 429 promises that nothing happened.
      const { status, text } = await patiently('POST', path, JSON.stringify(body), LIMITED, signal, begin);
      if (status >= 200 && status < 300) return { kind: 'done' };
      if (status >= 500 || status === 429 || status === 408)
        throw new Fault('gerrit-away', `Gerrit answered ${status} to ${path}`, { retry: true });
      return { kind: 'refused', text: oneLine(text).slice(0, 1_000) || `status ${status}` };
    },
  };
}

const BUSY: ReadonlySet<number> = new Set([429, 503]);
const LIMITED: ReadonlySet<number> = new Set([429]);

/** What concerns every request alike. */
function refuseAll({ status, headers }: { status: number; headers: Headers }, url: string): void {
  if (status === 401)
    throw new Fault('gerrit-login', `Gerrit refused our name and password at ${url}`, {
      hint: 'make an HTTP password (or token) for the account in its settings, and put it into the file `password:` names',
    });
  if (status >= 300 && status < 400)
    throw new Fault('config-invalid', `${url} sends us on to ${headers.get('location') ?? 'another place'}`, {
      hint: '`url:` of the connection must be the base address of Gerrit itself; a login page of a proxy answers like this too',
    });
}

async function bodyOf(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > MAX_BODY) throw new Fault('gerrit-protocol', `an answer of more than ${MAX_BODY} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function parse(text: string, path: string): unknown {
  const json = text.startsWith(GUARD) ? text.slice(GUARD.length) : text;
  try {
    return JSON.parse(json);
  } catch (cause) {
    throw new Fault('gerrit-protocol', `the answer to ${path} is not JSON`, { cause });
  }
}

function basic(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}

/** fetch hides why behind `fetch failed`. */
function reasonOf(caught: unknown): string {
  const cause = caught instanceof Error && caught.cause instanceof Error ? caught.cause : caught;
  return cause instanceof Error ? cause.message : String(cause);
}

async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  /** An abort without a reason of its own is told as one of ours. */
  const reason = () => {
    const { reason: given } = signal;
    return given instanceof Error && given.name !== 'AbortError' ? given : new Fault('stopped', 'called off');
  };
  if (signal.aborted) throw reason();
  let stop: () => void = () => undefined;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(reason());
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
