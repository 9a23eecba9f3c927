import { execFile, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, request, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { merged } from '../../test/conformance/ports/merger.ts';
import { createUpstream, type Upstream } from '../../test/conformance/ports/upstream.ts';
import { createMerger, type GitMerger } from '../merger.ts';
import { createGitDoor } from './serve.ts';
import { urlSource } from './source.ts';

const run = promisify(execFile);

describe('the git door', () => {
  let dir = '';
  let upstream: Upstream;
  let merger: GitMerger;
  let server: Server;
  let base = '';
  const git = async (...args: string[]) =>
    (await run('git', args, { cwd: dir, encoding: 'utf8' })).stdout.trim();

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'stackgate-serve-'));
    upstream = createUpstream(join(dir, 'upstream'));
    merger = createMerger({
      dir: join(dir, 'data'),
      sources: { gerrit: urlSource(upstream.url) },
      url: () => base,
    });
    const door = createGitDoor({ locate: merger.locate, limit: 2 });
    server = createServer((req, res) => {
      if (!door(req, res)) res.writeHead(418).end();
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    base = `http://127.0.0.1:${portOf(server)}/p`;
  });
  afterAll(async () => {
    await merger[Symbol.asyncDispose]();
    server.closeAllConnections();
    server.close();
    await rm(dir, { recursive: true, force: true });
  });

  it('lets a job fetch its ref as zuul-cloner does', async () => {
    const tip = upstream.project('org/p', { a: '1\n' });
    upstream.git('org/p', 'tag', '1.0', tip);
    upstream.commit('org/p', 'master', { b: '1\n' });
    const change = upstream.change('org/p', 1, { a: '2\n' }, { parents: [tip] });
    const { url, commit } = await merged(merger, [change]);
    const work = join(dir, 'work');
    await git('clone', '--quiet', `${url}/org/p`, work);
    for (const version of ['0', '1', '2']) {
      await git(
        '-C',
        work,
        '-c',
        `protocol.version=${version}`,
        'fetch',
        '--quiet',
        `${url}/org/p.git`,
        change.ref,
      );
      expect(await git('-C', work, 'rev-parse', 'FETCH_HEAD')).toBe(commit);
    }
    await git('-C', work, 'checkout', '--quiet', 'FETCH_HEAD');
    expect(await git('-C', work, 'describe', '--tags')).toMatch(/^1\.0-/);
    expect(await git('-C', work, 'symbolic-ref', 'refs/remotes/origin/HEAD')).toBe(
      'refs/remotes/origin/master',
    );
    const later = upstream.commit('org/p', 'master', { c: '1\n' });
    upstream.git('org/p', 'tag', '1.1', later);
    await merged(merger, [upstream.change('org/p', 11, { a: '3\n' }, { at: 99_999_999_999 })]);
    const seen = await git('ls-remote', `${url}/org/p`);
    expect(seen).toContain(change.ref);
    expect(seen).toContain(`${later}\trefs/tags/1.1`);
    expect(seen).toContain(`${later}\trefs/heads/master`);
    expect(seen).not.toMatch(/refs\/(changes|stackgate)\//);
  });

  it('serves many fetches with few processes', async () => {
    const tip = upstream.project('org/many', { a: '1\n' });
    const change = upstream.change('org/many', 2, { b: '1\n' }, { parents: [tip] });
    await merged(merger, [change]);
    const clones = Array.from({ length: 8 }, (_, n) =>
      git('clone', '--quiet', '--bare', `${base}/org/many`, join(dir, `many-${n}`)),
    );
    await Promise.all(clones);
    expect(await git('-C', join(dir, 'many-7'), 'rev-parse', 'master')).toBe(tip);
  });

  const ask = (path: string, method = 'GET', body?: Buffer, headers: Record<string, string> = {}) =>
    new Promise<{ status: number; text: string }>((done, fail) => {
      const port = portOf(server);
      const req = request({ host: '127.0.0.1', port, path, method, headers }, (res) => {
        const chunks: Buffer[] = [];
        res.on('data', (chunk: Buffer) => chunks.push(chunk));
        res.on('end', () =>
          done({ status: res.statusCode ?? 0, text: Buffer.concat(chunks).toString('latin1') }),
        );
        res.on('error', fail);
      });
      req.on('error', fail);
      req.end(body);
    });

  it('has no other way in', async () => {
    upstream.project('org/q', { a: '1\n' });
    await merged(merger, [upstream.change('org/q', 3, { a: '2\n' })]);
    const info = 'info/refs?service=git-upload-pack';
    expect((await ask(`/p/org/q/${info}`)).status).toBe(200);
    const doors: [string, number, string?][] = [
      ['/other', 418],
      ['/p/', 404],
      ['/p/org/q', 404],
      ['/p/org/q/HEAD', 404],
      ['/p/org/q/objects/info/packs', 404],
      ['/p/org/q/info/refs', 403],
      ['/p/org/q/info/refs?service=git-receive-pack', 403],
      [`/p/org/q/${info}`, 405, 'POST'],
      ['/p/org/q/git-receive-pack', 404, 'POST'],
      ['/p/org/q/git-upload-pack', 405],
      ['/p/org/q/git-upload-pack', 415, 'POST'],
      [`/p/org/absent/${info}`, 404],
      [`/p/../../upstream/org/q/${info}`, 404],
      [`/p/%2e%2e/%2e%2e/upstream/org/q/${info}`, 404],
      [`/p/..%2f..%2fupstream%2forg%2fq/${info}`, 404],
      [`/p/org%252Fq/${info}`, 404],
      [`/p/%00/${info}`, 404],
      [`/p/%ff/${info}`, 404],
      [`/p/--help/${info}`, 404],
      [`/p/~nope/org/q/${info}`, 404],
    ];
    for (const [path, status, method] of doors) {
      expect([path, method, (await ask(path, method)).status]).toEqual([path, method, status]);
    }
  });

  it('takes gzip, and refuses what inflates without end', async () => {
    const small = createGitDoor({ locate: merger.locate, most: 1 << 20 });
    const other = createServer((req, res) => void small(req, res)).listen(0, '127.0.0.1');
    await once(other, 'listening');
    const port = portOf(other);
    const type = { 'content-type': 'application/x-git-upload-pack-request', 'content-encoding': 'gzip' };
    const bomb = gzipSync(Buffer.alloc(64 << 20));
    const outcome = await fetch(`http://127.0.0.1:${port}/p/org/q/git-upload-pack`, {
      method: 'POST',
      headers: type,
      body: bomb,
    }).then(
      (response) => response.status,
      () => 0,
    );
    expect([0, 500]).toContain(outcome);
    const lines = '0014command=ls-refs\n0000';
    const good = await ask('/p/org/q/git-upload-pack', 'POST', gzipSync(lines), {
      ...type,
      'git-protocol': 'version=2',
    });
    expect(good.text).toContain('refs/heads/master');
    other.closeAllConnections();
    other.close();
  });

  it('ends git when the client hangs up', async () => {
    const port = portOf(server);
    const sockets = Array.from({ length: 4 }, () => {
      const req = request({
        host: '127.0.0.1',
        port,
        path: '/p/org/q/git-upload-pack',
        method: 'POST',
        headers: { 'content-type': 'application/x-git-upload-pack-request', 'git-protocol': 'version=2' },
      });
      req.on('error', () => {});
      req.write('0014command=ls-refs\n');
      return req;
    });
    await expect.poll(() => uploadPacks(join(dir, 'data')), { timeout: 5_000 }).toBe(2);
    for (const req of sockets) req.destroy();
    await expect.poll(() => uploadPacks(join(dir, 'data')), { timeout: 5_000 }).toBe(0);
    expect((await ask('/p/org/q/info/refs?service=git-upload-pack')).status).toBe(200);
  });
});

function uploadPacks(dir: string): number {
  const lines = execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' }).split('\n');
  return lines.filter((line) => line.includes('upload-pack') && line.includes(`-- ${dir}`)).length;
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}
