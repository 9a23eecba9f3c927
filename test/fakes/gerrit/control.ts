import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { z } from 'zod';
import { describeChange } from './describe.ts';
import type { Gerrit } from './gerrit.ts';
import { Refusal } from './site.ts';
import {
  AccountSpec,
  By,
  CommentSpec,
  Faults,
  ProjectSpec,
  PushSpec,
  ReasonSpec,
  Rule,
  VoteSpec,
} from './specs.ts';

/**
 * The control calls over HTTP, for tests in other processes: `POST /<call>` with a JSON object, answered by JSON. What Gerrit
 * would refuse is answered with Gerrit's status and words. Loopback only, and only for JSON posts, which no web page can send
 * here unasked.
 */

type Call = (gerrit: Gerrit, args: unknown) => unknown;

function call<T extends z.ZodType>(schema: T, run: (gerrit: Gerrit, args: z.infer<T>) => unknown): Call {
  return (gerrit, args) => run(gerrit, schema.parse(args));
}

const project = z.object({ project: z.string() });
const change = z.object({ change: z.number().int() });
const which = z.object({ which: z.enum(['streams', 'all']).optional() });

const CALLS: Readonly<Record<string, Call>> = {
  account: call(AccountSpec.extend({ username: z.string() }), (g, { username, ...spec }) =>
    g.account(username, spec),
  ),
  createProject: call(ProjectSpec.extend({ project: z.string() }), async (g, { project: name, ...spec }) =>
    g.createProject(name, spec),
  ),
  createBranch: call(
    project.extend({ branch: z.string(), from: z.string().optional() }),
    async (g, { project: name, branch, from }) => g.createBranch(name, branch, from),
  ),
  allow: call(Rule, (g, rule) => g.allow(rule)),
  revoke: call(z.object({ permission: z.string(), group: z.string() }), (g, { permission, group }) =>
    g.revoke(permission, group),
  ),
  push: call(PushSpec.extend({ project: z.string() }), async (g, { project: name, ...spec }) =>
    g.push(name, spec),
  ),
  comment: call(
    CommentSpec.extend({ change: z.number().int(), text: z.string() }),
    async (g, { change: number, text, ...spec }) => g.comment(number, text, spec),
  ),
  vote: call(
    VoteSpec.extend({ change: z.number().int(), labels: z.record(z.string(), z.number().int()) }),
    async (g, { change: number, labels, ...spec }) => g.vote(number, labels, spec),
  ),
  abandon: call(ReasonSpec.extend(change.shape), async (g, { change: number, ...spec }) =>
    g.abandon(number, spec),
  ),
  restore: call(ReasonSpec.extend(change.shape), async (g, { change: number, ...spec }) =>
    g.restore(number, spec),
  ),
  submit: call(By.extend(change.shape), async (g, { change: number, ...spec }) => g.submit(number, spec)),
  topic: call(
    By.extend({ change: z.number().int(), topic: z.string() }),
    async (g, { change: number, topic, ...spec }) => g.topic(number, topic, spec),
  ),
  hashtags: call(
    By.extend({ change: z.number().int(), hashtags: z.array(z.string()) }),
    async (g, { change: number, hashtags, ...spec }) => g.hashtags(number, hashtags, spec),
  ),
  flag: call(
    By.extend({ change: z.number().int(), flag: z.enum(['wip', 'private']), on: z.boolean() }),
    async (g, { change: number, flag, on, ...spec }) => g.flag(number, flag, on, spec),
  ),
  reviewer: call(
    By.extend({ change: z.number().int(), reviewer: z.string() }),
    async (g, { change: number, reviewer, ...spec }) => g.reviewer(number, reviewer, spec),
  ),
  remove: call(By.extend(change.shape), async (g, { change: number, ...spec }) => g.remove(number, spec)),

  change: call(change, (g, args) => g.change(args.change)),
  changes: (g) => g.changes(),
  reviews: call(z.object({ user: z.string().optional(), change: z.number().int().optional() }), (g, filter) =>
    g.reviews(filter),
  ),
  commands: (g) => g.commands(),
  events: (g) => g.events(),
  tip: call(
    project.extend({ branch: z.string() }),
    async (g, { project: name, branch }) => (await g.tip(name, branch)) ?? null,
  ),
  file: call(
    project.extend({ commit: z.string(), path: z.string() }),
    async (g, { project: name, commit, path }) => (await g.file(name, commit, path)) ?? null,
  ),
  info: (g) => ({
    host: g.host,
    port: g.port,
    hostKey: g.hostKey,
    webUrl: g.webUrl,
    connections: g.connections(),
    streams: g.streams(),
  }),

  faults: call(Faults.partial(), (g, faults) => {
    for (const [name, value] of Object.entries(faults)) Reflect.set(g.faults, name, value);
    if (!g.faults.stallStreams) g.wake();
    return g.faults;
  }),
  cut: call(which.extend({ how: z.enum(['rst', 'fin']).optional() }), (g, args) =>
    g.cut(args.which, args.how),
  ),
  freeze: call(which, (g, args) => g.freeze(args.which)),
  thaw: (g) => g.thaw(),
  rekey: (g) => g.rekey(),
  inject: call(z.union([z.object({ base64: z.string() }), z.record(z.string(), z.unknown())]), (g, args) =>
    g.inject(typeof args['base64'] === 'string' ? Buffer.from(args['base64'], 'base64') : { ...args }),
  ),
  repeat: call(
    z.object({ count: z.number().int(), reversed: z.boolean().optional() }),
    (g, { count, reversed }) => g.repeat(count, { reversed: reversed ?? false }),
  ),
  down: async (g) => g.down(),
  up: call(z.object({ newHostKey: z.boolean().optional() }), async (g, { newHostKey }) =>
    g.up({ newHostKey: newHostKey ?? false }),
  ),
};

/** Bytes of one request that are read. */
const LIMIT = 32 * 1024 * 1024;

async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    const bytes = Buffer.from(chunk);
    size += bytes.length;
    if (size > LIMIT) throw new Refusal(400, 'request too large');
    chunks.push(bytes);
  }
  const text = Buffer.concat(chunks).toString();
  try {
    return text === '' ? {} : JSON.parse(text);
  } catch {
    throw new Refusal(400, 'not JSON');
  }
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' });
  response.end(`${JSON.stringify(body ?? null)}\n`);
}

/** The page behind a change's URL, for people: `GET /c/<project>/+/<number>`. */
function page(gerrit: Gerrit, path: string, response: ServerResponse): boolean {
  const number = /^c\/.+\/\+\/(\d+)/.exec(path)?.[1];
  const found = number === undefined ? undefined : gerrit.site.state.changes.get(Number(number));
  if (found === undefined) return false;
  response.writeHead(200, {
    'content-type': 'text/plain; charset=utf-8',
    'x-content-type-options': 'nosniff',
  });
  response.end(describeChange(gerrit.site.state, found));
  return true;
}

async function handle(gerrit: Gerrit, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const name = new URL(request.url ?? '/', 'http://localhost').pathname.slice(1);
  if (request.method === 'GET' && page(gerrit, name, response)) return;
  const wanted = Object.hasOwn(CALLS, name) ? CALLS[name] : undefined;
  try {
    if (wanted === undefined || request.method !== 'POST') throw new Refusal(404, `no call ${name}`);
    if (!(request.headers['content-type'] ?? '').startsWith('application/json')) {
      throw new Refusal(400, 'content-type must be application/json');
    }
    answer(response, 200, await wanted(gerrit, await readBody(request)));
  } catch (error) {
    if (error instanceof Refusal) answer(response, error.status, { error: error.message });
    else if (error instanceof z.ZodError) answer(response, 400, { error: z.prettifyError(error) });
    else
      answer(response, 500, {
        error: error instanceof Error ? (error.stack ?? error.message) : String(error),
      });
  }
}

export interface Control extends AsyncDisposable {
  /** `http://127.0.0.1:<port>/` */
  readonly url: string;
}

/** Opens the door before the server it drives exists, so that the server can be told this URL as its own. */
export async function openControl(port: number, serve: () => Gerrit | undefined): Promise<Control> {
  const server: Server = createServer((request, response) => {
    const gerrit = serve();
    if (gerrit === undefined) answer(response, 503, { error: 'starting' });
    else void handle(gerrit, request, response);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const address = server.address();
  const bound = typeof address === 'object' && address !== null ? address.port : port;
  return {
    url: `http://127.0.0.1:${bound}/`,
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

/** One control call of a simulator in another process; rejects with the server's words. */
export async function callControl(url: string, name: string, args: object = {}): Promise<unknown> {
  const response = await fetch(new URL(name, url), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(args),
    signal: AbortSignal.timeout(30_000),
  });
  const body: unknown = await response.json();
  if (response.ok) return body;
  const error = typeof body === 'object' && body !== null && 'error' in body ? body.error : body;
  throw new Error(`${name}: ${String(error)}`);
}
