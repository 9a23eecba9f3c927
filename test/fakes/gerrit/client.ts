import ssh2, { type ConnectConfig } from 'ssh2';
import { isJson, type Json } from './attributes.ts';
import type { Gerrit, Login } from './gerrit.ts';

/** A plain ssh2 client for the simulator's own tests. */

export interface Answer {
  /** Undefined when the connection went away before an exit status came. */
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

export function connectConfig(gerrit: Gerrit, login: Login): ConnectConfig {
  return {
    host: gerrit.host,
    port: gerrit.port,
    username: login.username,
    privateKey: login.privateKey,
    readyTimeout: 10_000,
  };
}

async function connected(config: ConnectConfig): Promise<ssh2.Client> {
  const client = new ssh2.Client();
  await new Promise<void>((resolve, reject) => {
    client.once('ready', resolve);
    // For good: a connection may fail in more than one way.
    client.on('error', reject);
    client.once('close', () => {
      reject(new Error('closed'));
    });
    client.connect(config);
  });
  return client;
}

/** One command on a connection of its own. */
export async function run(gerrit: Gerrit, login: Login, command: string, stdin = ''): Promise<Answer> {
  const client = await connected(connectConfig(gerrit, login));
  try {
    return await new Promise<Answer>((resolve, reject) => {
      client.exec(command, (error, channel) => {
        if (error !== undefined) {
          reject(error);
          return;
        }
        const out: Buffer[] = [];
        const err: Buffer[] = [];
        let code: number | undefined;
        channel.on('data', (chunk: Buffer) => out.push(chunk));
        channel.stderr.on('data', (chunk: Buffer) => err.push(chunk));
        channel.on('exit', (status: number) => {
          code = status;
        });
        channel.on('close', () => {
          resolve({
            code,
            stdout: Buffer.concat(out).toString(),
            stderr: Buffer.concat(err).toString(),
          });
        });
        channel.end(stdin);
      });
    });
  } finally {
    client.end();
  }
}

export interface Listener extends Disposable {
  /** Bytes received so far, as they came. */
  readonly chunks: Buffer[];
  /** Complete lines so far. */
  lines(): string[];
  /** Lines that are JSON, parsed. */
  events(): Json[];
  types(): unknown[];
  readonly ended: () => boolean;
  pause(): void;
  resume(): void;
}

/** Opens a stream and waits until the server has it. */
export async function listen(
  gerrit: Gerrit,
  login: Login,
  args = '',
  config: ConnectConfig = {},
): Promise<Listener> {
  const client = await connected({ ...connectConfig(gerrit, login), ...config });
  const before = gerrit.streams();
  const chunks: Buffer[] = [];
  let ended = false;
  client.on('close', () => {
    ended = true;
  });
  const channel = await new Promise<ssh2.ClientChannel>((resolve, reject) => {
    client.exec(`gerrit stream-events${args === '' ? '' : ` ${args}`}`, (error, opened) => {
      if (error === undefined) resolve(opened);
      else reject(error);
    });
  });
  channel.on('data', (chunk: Buffer) => chunks.push(chunk));
  channel.stderr.resume();
  channel.on('close', () => {
    ended = true;
  });
  await gerrit.waitFor(() => gerrit.streams() > before || ended);
  const lines = () => Buffer.concat(chunks).toString().split('\n').slice(0, -1);
  const events = () =>
    lines()
      .map((line) => JSON.parse(line))
      .filter(isJson);
  return {
    chunks,
    lines,
    events,
    types: () => events().map((event) => event['type']),
    ended: () => ended,
    pause: () => channel.pause(),
    resume: () => channel.resume(),
    [Symbol.dispose]: () => {
      client.destroy();
    },
  };
}
