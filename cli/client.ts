import { join } from 'node:path';
import type { z } from 'zod';
import { ProblemView } from '../server/contract.ts';
import { readSite, readText, siteFile, sitePath } from './site.ts';

/** The API of a running server, as commands use it. */
export interface Client {
  readonly base: string;
  get<T>(path: string, shape: z.ZodType<T>): Promise<T>;
  post<T>(path: string, body: unknown, shape: z.ZodType<T>, key?: string, deadline?: number): Promise<T>;
  /** A raw answer, for consoles. */
  open(path: string, signal?: AbortSignal): Promise<Response>;
}

export interface ClientOptions {
  readonly url?: string;
  readonly token?: string;
  readonly config?: string;
}

/** What a command ends with when it cannot go on: one sentence, a hint, an exit code (see docs/cli.md). */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly exit: number;
  readonly hint: string | undefined;
  constructor(message: string, exit: number, hint?: string) {
    super(message);
    this.exit = exit;
    this.hint = hint;
  }
}

const DEADLINE = 30_000;

/**
 * Finds the server: `--url` and `$STACKGATE_URL`, else the running server of the site's data directory, which leaves its
 * address in `server.json` and its token in `token` (readable by its owner only).
 */
export function connect(options: ClientOptions, env: NodeJS.ProcessEnv = process.env): Client {
  const data = dataDirectory(options);
  const base = options.url ?? env['STACKGATE_URL'] ?? runningServer(data);
  if (base === undefined) {
    throw new CommandError(
      'no running server found',
      5,
      'start one with `stackgate start`, or name one with --url',
    );
  }
  const token =
    options.token ??
    env['STACKGATE_TOKEN'] ??
    (data === undefined ? undefined : readText(join(data, 'token'))?.trim());
  const call = async (path: string, init: RequestInit): Promise<Response> => {
    const headers = new Headers(init.headers);
    if (token !== undefined) headers.set('authorization', `Bearer ${token}`);
    const response = await fetch(new URL(path, base), { ...init, headers }).catch((caught: unknown) => {
      throw unreachable(base, caught);
    });
    if (!response.ok) throw await refusal(response);
    return response;
  };
  return {
    base,
    async get(path, shape) {
      return shape.parse(await (await call(path, { signal: AbortSignal.timeout(DEADLINE) })).json());
    },
    async post(path, body, shape, key, deadline = DEADLINE) {
      const headers = {
        'content-type': 'application/json',
        ...(key === undefined ? {} : { 'idempotency-key': key }),
      };
      const init = {
        method: 'POST',
        headers,
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(deadline),
      };
      return shape.parse(await (await call(path, init)).json());
    },
    open: (path, signal) => call(path, signal === undefined ? {} : { signal }),
  };
}

function dataDirectory(options: ClientOptions): string | undefined {
  const read = readSite(siteFile(options.config));
  return read.site === undefined ? undefined : sitePath(read.base, read.site.data);
}

function runningServer(data: string | undefined): string | undefined {
  const text = data === undefined ? undefined : readText(join(data, 'server.json'));
  if (text === undefined) return undefined;
  const value: unknown = JSON.parse(text);
  return typeof value === 'object' && value !== null && 'url' in value && typeof value.url === 'string'
    ? value.url
    : undefined;
}

function unreachable(base: string, caught: unknown): CommandError {
  const cause =
    caught instanceof Error && caught.cause instanceof Error ? caught.cause.message : String(caught);
  return new CommandError(
    `cannot reach ${base}: ${cause}`,
    5,
    'is the server running? `stackgate start` starts it',
  );
}

async function refusal(response: Response): Promise<CommandError> {
  const exits: Readonly<Record<number, number>> = { 400: 2, 401: 4, 403: 4, 404: 3, 409: 9, 422: 2 };
  const problem = ProblemView.safeParse(await response.json().catch(() => undefined));
  const message = problem.success ? problem.data.detail : `the server answered ${response.status}`;
  const invalid = problem.success && problem.data.code === 'config-invalid';
  return new CommandError(
    message,
    invalid ? 1 : (exits[response.status] ?? 5),
    problem.success ? (problem.data.hint ?? undefined) : undefined,
  );
}
