import { spawn } from 'node:child_process';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Transform, type TransformCallback } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { safeConfig, safeEnv } from './command.ts';

/**
 * The git door: nodes fetch the speculative states from here (`ZUUL_URL`). Git's smart HTTP, reading only: the two requests
 * of upload-pack, protocol versions 0 to 2. There is no receive-pack, no dumb protocol and no file is served.
 *
 * Packs cost processor and memory, and a reset starts many jobs at once: at most `limit` run, `queue` more wait, the rest
 * is told to come back (git's own clients and zuul-cloner try again).
 */
export interface GitDoorOptions {
  /** Folder of the repository that the path between `/p/` and the service means. */
  readonly locate: (path: string) => string | undefined;
  readonly prefix?: string;
  /** upload-packs at a time. */
  readonly limit?: number;
  /** Requests that wait for one. */
  readonly queue?: number;
  /** ms for one request. */
  readonly deadline?: number;
  /** Bytes of one (inflated) request: what the client says it has and wants. */
  readonly most?: number;
}

/** Answers true when the request was for it; the response is then its own. */
export type GitDoor = (req: IncomingMessage, res: ServerResponse) => boolean;

export function createGitDoor(options: GitDoorOptions): GitDoor {
  const prefix = options.prefix ?? '/p/';
  const slots = createSlots(options.limit ?? 8, options.queue ?? 128);

  return (req, res) => {
    const { url = '' } = req;
    if (!url.startsWith(prefix)) return false;
    const asked = parse(url.slice(prefix.length));
    if (asked === undefined) return refuse(res, 404, 'there is nothing here');
    if (asked.service === 'info/refs') {
      if (req.method !== 'GET') return refuse(res, 405, 'GET only');
      if (asked.query.get('service') !== 'git-upload-pack') {
        return refuse(res, 403, 'this server speaks only smart HTTP, and only to read');
      }
    } else {
      if (req.method !== 'POST') return refuse(res, 405, 'POST only');
      if (req.headers['content-type'] !== 'application/x-git-upload-pack-request') {
        return refuse(res, 415, 'application/x-git-upload-pack-request only');
      }
    }
    const dir = options.locate(asked.path);
    if (dir === undefined) return refuse(res, 404, 'there is no such repository here');
    const gone = new AbortController();
    res.once('close', () => gone.abort());
    const answer = async () => {
      const leave = await slots.take(gone.signal);
      if (leave === 'gone') return;
      if (leave === 'full') {
        res.setHeader('retry-after', '5');
        refuse(res, 503, 'too many fetches at a time');
        return;
      }
      await uploadPack(dir, asked.service === 'info/refs', req, res, options).finally(leave);
    };
    answer().catch(() => res.destroy());
    return true;
  };
}

interface Asked {
  readonly path: string;
  readonly service: 'info/refs' | 'git-upload-pack';
  readonly query: URLSearchParams;
}

function parse(rest: string): Asked | undefined {
  const match = /^([^?]+)\/(info\/refs|git-upload-pack)(?:\?(.*))?$/.exec(rest);
  const [, encoded, service, query] = match ?? [];
  if (encoded === undefined || (service !== 'info/refs' && service !== 'git-upload-pack')) return undefined;
  try {
    return { path: decodeURIComponent(encoded), service, query: new URLSearchParams(query ?? '') };
  } catch {
    return undefined;
  }
}

function refuse(res: ServerResponse, status: number, why: string): true {
  res.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' });
  res.end(`${why}\n`);
  return true;
}

async function uploadPack(
  dir: string,
  advertise: boolean,
  req: IncomingMessage,
  res: ServerResponse,
  options: GitDoorOptions,
): Promise<void> {
  const said = req.headers['git-protocol'];
  const protocol = typeof said === 'string' && /^version=[012]$/.test(said) ? said : undefined;
  const config = [
    ...safeConfig,
    `safe.directory=${dir}`,
    'transfer.hideRefs=refs/changes',
    'transfer.hideRefs=refs/stackgate',
    'uploadpack.allowFilter=true',
    'uploadpack.allowReachableSHA1InWant=true',
    'pack.threads=1',
    'pack.windowMemory=128m',
  ].flatMap((setting) => ['-c', setting]);
  const mode = advertise ? ['--advertise-refs'] : [];
  const child = spawn('git', [...config, 'upload-pack', '--strict', '--stateless-rpc', ...mode, '--', dir], {
    cwd: dir,
    env: safeEnv(protocol === undefined ? {} : { GIT_PROTOCOL: protocol }),
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const ended = new Promise<number | null>((done) => {
    child.once('error', () => done(null));
    child.once('close', (code) => done(code));
  });
  const deadline = setTimeout(() => child.kill('SIGKILL'), options.deadline ?? 3_600_000);
  const hangUp = () => child.kill('SIGKILL');
  res.once('close', hangUp);
  res.setHeader('content-type', `application/x-git-upload-pack-${advertise ? 'advertisement' : 'result'}`);
  res.setHeader('cache-control', 'no-cache, max-age=0, must-revalidate');
  res.setHeader('x-content-type-options', 'nosniff');
  if (advertise && protocol !== 'version=2') res.write('001e# service=git-upload-pack\n0000');

  child.stdin.on('error', () => {});
  if (advertise) child.stdin.end();
  const most = options.most ?? 64 << 20;
  const fed = advertise ? undefined : feed(req, child.stdin, most).catch(() => child.kill('SIGKILL'));
  try {
    const copied = pipeline(child.stdout, res, { end: false }).catch(() => child.kill('SIGKILL'));
    const code = await ended;
    await copied;
    if (code === 0) res.end();
    else if (res.headersSent) res.destroy();
    else refuse(res, 500, 'git could not answer');
  } finally {
    clearTimeout(deadline);
    res.off('close', hangUp);
    req.unpipe();
    child.stdin.destroy();
    await fed;
  }
}

async function feed(req: IncomingMessage, stdin: NodeJS.WritableStream, most: number): Promise<void> {
  const coded = req.headers['content-encoding'];
  const limit = limited(most);
  try {
    if (coded === 'gzip' || coded === 'x-gzip') await pipeline(req, createGunzip(), limit, stdin);
    else await pipeline(req, limit, stdin);
  } catch (caught) {
    // upload-pack may have heard enough before the client has said all.
    const code = caught instanceof Error && 'code' in caught ? caught.code : undefined;
    if (code !== 'EPIPE' && code !== 'ERR_STREAM_PREMATURE_CLOSE') throw caught;
  }
}

/** Passes bytes on until there are too many of them. */
function limited(most: number): Transform {
  let seen = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback) {
      seen += chunk.length;
      if (seen > most) done(new Error('the request is too large'));
      else done(null, chunk);
    },
  });
}

interface Slots {
  take(gone: AbortSignal): Promise<(() => void) | 'full' | 'gone'>;
}

/** At most `limit` at a time; the others wait in order. */
function createSlots(limit: number, queue: number): Slots {
  let running = 0;
  const waiting = new Set<() => void>();

  function leave(): void {
    running -= 1;
    const [next] = waiting;
    next?.();
  }

  return {
    take(gone) {
      if (gone.aborted) return Promise.resolve('gone');
      if (running < limit) {
        running += 1;
        return Promise.resolve(leave);
      }
      if (waiting.size >= queue) return Promise.resolve('full');
      return new Promise((done) => {
        const enter = () => {
          waiting.delete(enter);
          running += 1;
          done(leave);
        };
        waiting.add(enter);
        gone.addEventListener(
          'abort',
          () => {
            if (waiting.delete(enter)) done('gone');
          },
          { once: true },
        );
      });
    },
  };
}
