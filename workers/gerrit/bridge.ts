import { randomBytes, timingSafeEqual } from 'node:crypto';
import { createServer, type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { Fault } from '../../pipelines/fault.ts';

/**
 * git over the SSH connection we already have. git speaks the same stateful protocol over SSH and over `git://`, so a
 * loopback `git://` listener can hand each session to a channel of the pooled SSH connection: the pinned host key guards
 * fetches too, no handshake is paid for each of them, and no ssh client need be installed.
 *
 * Other users of this machine can reach a loopback port, and the CI's account may see private changes. Every URL
 * therefore begins with a random secret; git keeps it in a repository's config, which only we can read.
 */
export interface GitBridge extends AsyncDisposable {
  /** URL under which git finds a project; good until the bridge closes. */
  url(project: string): string;
}

/** Opens an exec channel for `git-upload-pack '<project>'`. */
export type OpenChannel = (
  command: string,
  env: Readonly<Record<string, string>>,
) => Promise<Duplex & { complaint?(): string }>;

const SERVICES = new Set(['git-upload-pack', 'git-receive-pack']);
/** git's own limit for one pkt-line is 65,520 bytes; a request is far shorter. */
const MAX_REQUEST = 4096;
const REQUEST_DEADLINE = 10_000;

export async function openGitBridge(
  open: OpenChannel,
  options: { services?: ReadonlySet<string> } = {},
): Promise<GitBridge> {
  const secret = randomBytes(24).toString('hex');
  const services = options.services ?? new Set(['git-upload-pack']);
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
    void serve(socket, secret, services, open).catch((caught: unknown) => refuse(socket, messageOf(caught)));
  });
  const port = await listen(server);
  return {
    url: (project) => `git://127.0.0.1:${port}/${secret}/${checkedProject(project)}`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** Project names as Gerrit makes them; nothing that a shell, a path or Gerrit's own argument splitter could misread. */
export function checkedProject(project: string): string {
  if (
    /^[\w.+@-]+(\/[\w.+@-]+)*$/.test(project) &&
    !project.split('/').some((part) => part.startsWith('.') || part.startsWith('-'))
  )
    return project;
  throw new Fault('git-failed', `refusing the project name ${JSON.stringify(project)}`);
}

async function serve(
  socket: Socket,
  secret: string,
  services: ReadonlySet<string>,
  open: OpenChannel,
): Promise<void> {
  const request = await readRequest(socket);
  const [, service = '', path = ''] = /^(git-[a-z-]+) \/(.*)$/.exec(request.command) ?? [];
  const slash = path.indexOf('/');
  if (slash < 0 || !sameSecret(path.slice(0, slash), secret)) return refuse(socket, 'access denied');
  if (!SERVICES.has(service) || !services.has(service)) return refuse(socket, 'service not enabled');
  const project = checkedProject(path.slice(slash + 1));
  const env: Record<string, string> = request.version === undefined ? {} : { GIT_PROTOCOL: request.version };
  const channel = await open(`${service} '${project}'`, env);
  let answered = false;
  channel.once('data', () => {
    answered = true;
  });
  channel.on('error', () => socket.destroy());
  // Gerrit says on stderr why it refuses (no such project, no permission); `git://` has only the answer itself for that.
  const end = () => {
    if (answered) socket.end();
    else refuse(socket, channel.complaint?.().trim() || 'the server closed the connection without an answer');
  };
  if (channel.closed) end();
  else channel.on('close', end);
  socket.on('close', () => channel.destroy());
  socket.pipe(channel);
  channel.pipe(socket, { end: false });
}

/** The first pkt-line: `git-upload-pack /path\0host=...\0\0version=2\0`. What follows stays in the socket. */
async function readRequest(socket: Socket): Promise<{ command: string; version: string | undefined }> {
  const signal = AbortSignal.timeout(REQUEST_DEADLINE);
  let seen = Buffer.alloc(0);
  while (true) {
    const length = seen.length < 4 ? undefined : Number.parseInt(seen.toString('latin1', 0, 4), 16);
    if (length !== undefined && !(length > 4 && length <= MAX_REQUEST))
      throw new Fault('git-failed', 'not a git request');
    if (length !== undefined && seen.length >= length) {
      if (seen.length > length) socket.unshift(seen.subarray(length));
      const [command = '', ...rest] = seen.toString('utf8', 4, length).split('\0');
      return { command: command.trimEnd(), version: rest.find((part) => part.startsWith('version=')) };
    }
    seen = Buffer.concat([seen, await nextChunk(socket, signal)]);
  }
}

function nextChunk(socket: Socket, signal: AbortSignal): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void) => {
      socket.off('readable', onReadable).off('end', onEnd).off('close', onEnd);
      signal.removeEventListener('abort', onEnd);
      act();
    };
    const onReadable = () => {
      const chunk: unknown = socket.read();
      if (chunk instanceof Buffer) settle(() => resolve(chunk));
    };
    const onEnd = () => settle(() => reject(new Fault('git-failed', 'no git request arrived')));
    socket.on('readable', onReadable).on('end', onEnd).on('close', onEnd);
    signal.addEventListener('abort', onEnd);
    onReadable();
  });
}

function sameSecret(given: string, secret: string): boolean {
  const a = Buffer.from(given);
  const b = Buffer.from(secret);
  return a.length === b.length && timingSafeEqual(a, b);
}

/** Says why, in the way git shows to people (`remote error: ...`). */
function refuse(socket: Socket, message: string): void {
  const line = `ERR ${message.replace(/[^\x20-\x7e]/g, '.').slice(0, 500)}`;
  socket.end(`${(line.length + 4).toString(16).padStart(4, '0')}${line}`);
}

function messageOf(caught: unknown): string {
  return caught instanceof Error ? caught.message : String(caught);
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : 0);
    });
  });
}
