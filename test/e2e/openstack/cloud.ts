import { readFile, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { readCloud } from '../../../nodepool/providers/openstack/clouds.ts';
import { openSession, type Session } from '../../../nodepool/providers/openstack/session.ts';
import { type Network, Networks } from '../../../nodepool/providers/openstack/wire.ts';

/** What is between us and nova on a bad day. */
export interface Meddler extends AsyncDisposable {
  readonly url: string;
  /** Of the requests that fit, the next ones: done by the cloud but the answer is lost, or answered by us. */
  next:
    | {
        readonly method: string;
        readonly path: RegExp;
        readonly times: number;
        readonly how: 'lose' | Answer;
      }
    | undefined;
  readonly seen: readonly string[];
}

export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: object;
}

export async function openMeddler(target: string): Promise<Meddler> {
  const seen: string[] = [];
  const to = new URL(target);
  const server = createServer((incoming, answer) => {
    seen.push(`${incoming.method ?? ''} ${incoming.url ?? ''}`);
    const fits =
      meddler.next !== undefined &&
      meddler.next.times > 0 &&
      incoming.method === meddler.next.method &&
      meddler.next.path.test(incoming.url ?? '');
    const how = fits ? meddler.next?.how : undefined;
    if (fits && meddler.next !== undefined) meddler.next = { ...meddler.next, times: meddler.next.times - 1 };
    if (typeof how === 'object') {
      answer.writeHead(how.status, { 'content-type': 'application/json', ...how.headers });
      answer.end(JSON.stringify(how.body ?? {}));
    } else pass(incoming, answer, to, how === 'lose');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const meddler: Meddler = {
    url: `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}${to.pathname}`,
    next: undefined,
    seen,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return meddler;
}

function pass(incoming: IncomingMessage, answer: ServerResponse, to: URL, lose: boolean): void {
  const { method, url: path, headers } = incoming;
  const onward = request({ host: to.hostname, port: to.port, method, path, headers }, (response) => {
    if (lose) {
      response.resume();
      response.on('end', () => incoming.socket.destroy());
      return;
    }
    answer.writeHead(response.statusCode ?? 502, response.headers);
    response.pipe(answer);
  });
  onward.on('error', () => incoming.socket.destroy());
  incoming.pipe(onward);
}

/** A clouds.yaml in which nova is reached through somebody. */
export async function cloudsThrough(file: string, cloud: string, nova: string, into: string): Promise<void> {
  const text = await readFile(file, 'utf8');
  const entry = new RegExp(`^( +)${cloud}:\\n`, 'm').exec(text);
  if (entry === null) throw new Error(`${file} has no cloud ${cloud}`);
  const [line, indent = '  '] = entry;
  await writeFile(into, text.replace(line, `${line}${indent}${indent}compute_endpoint_override: ${nova}\n`), {
    mode: 0o600,
  });
}

export function sessionOf(file: string, cloud: string): Session {
  return openSession(() => readCloud(cloud, { OS_CLIENT_CONFIG_FILE: file }), { userAgent: 'test' });
}

/** One network of our own and the one that leads outside. */
export function twoNetworks(answer: unknown): { inner: Network; outer: Network } {
  const { networks } = Networks.parse(answer);
  const inner = networks.find((network) => network['router:external'] !== true);
  const outer = networks.find((network) => network['router:external'] === true);
  if (inner === undefined || outer === undefined) throw new Error('the cloud lacks a network');
  return { inner, outer };
}

/** The first cloud of a file as the OS_* variables would say it. */
export async function variablesOf(file: string, cloud: string): Promise<Record<string, string>> {
  const read = await readCloud(cloud, { OS_CLIENT_CONFIG_FILE: file });
  if (read.kind !== 'cloud') throw new Error(read.reason);
  const auth = Object.entries(read.cloud.auth).flatMap(([key, value]) =>
    typeof value === 'string' ? [[`OS_${key.toUpperCase()}`, value] as const] : [],
  );
  const region = read.cloud.region_name;
  return { ...Object.fromEntries(auth), ...(region === undefined ? {} : { OS_REGION_NAME: region }) };
}
