import { appendFileSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { gunzipSync, gzipSync } from 'node:zlib';
import * as fc from 'fast-check';
import type { FastifyInstance } from 'fastify';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { house, liveBuild, pastBuild, type TestHouse } from '../test/fakes/house.ts';
import { followConsole } from '../workers/logs/live.ts';
import { buildServer } from './app.ts';
import { takesGzip } from './http.ts';
import { logSegments } from './logfile.ts';

const uuid = 'abcdef0'.padEnd(32, '0');
const folderOf = `07/7/1/check/unit/${uuid.slice(0, 7)}`;

describe('logs', () => {
  let dir = '';
  let root = '';
  let folder = '';
  let app: FastifyInstance;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'stackgate-logs-'));
    root = join(dir, 'logs');
    folder = join(root, folderOf);
    mkdirSync(join(folder, 'logs/<b>bold'), { recursive: true });
    writeFileSync(join(dir, 'secret'), 'secret\n');
    writeFileSync(join(folder, 'console.txt.gz'), gzipSync('hello <script>\n'));
    writeFileSync(join(folder, 'testr_results.html.gz'), gzipSync('<h1>tests</h1>'));
    writeFileSync(join(folder, 'stack.tar.gz'), gzipSync('tar'));
    writeFileSync(join(folder, 'evil.svg'), '<svg onload="alert(1)"/>');
    writeFileSync(join(folder, 'core'), Buffer.from([1, 0, 2]));
    writeFileSync(join(folder, 'localrc'), 'A=b\n');
    writeFileSync(join(folder, 'a #?%&\u202e.txt'), 'odd\n');
    writeFileSync(join(folder, '.0123456789abcdef.part'), 'half');
    writeFileSync(join(folder, 'torn.txt.gz'), gzipSync('x'.repeat(100_000)).subarray(0, 60));
    symlinkSync('/etc/passwd', join(folder, 'passwd'));
    symlinkSync(dir, join(folder, 'up'));
    const test = house();
    test.logs = root;
    app = buildServer(test.ports());
    await app.listen({ port: 0, host: '127.0.0.1' });
  });
  afterAll(async () => {
    await app.close();
    await rm(dir, { recursive: true, force: true });
  });

  const get = (path: string, headers: Record<string, string> = {}) =>
    app.inject({ url: `/logs/${folderOf}${path}`, headers });

  it('are listed folder by folder, names escaped', async () => {
    for (const url of ['/logs/', `/logs/${folderOf.slice(0, 5)}/`])
      expect((await app.inject(url)).statusCode).toBe(200);
    const { body, headers } = await get('/');
    expect(headers['content-type']).toBe('text/html; charset=utf-8');
    expect(body).toContain(`href="/logs/${folderOf}/console.txt.gz"`);
    expect(body).toContain(`a%20%23%3F%25%26%E2%80%AE.txt"`);
    expect(body).not.toMatch(/passwd|\.part|\u202e/);
    const inner = await get('/logs/');
    expect(inner.body).toContain('&#60;b&#62;bold/');
    expect(inner.body).not.toContain('<b>');
    expect((await get('/a%20%23%3F%25%26%E2%80%AE.txt')).body).toBe('odd\n');
  });

  it('say above the folder of a build what came of it, without a script', async () => {
    const told = { uuid: 'a'.repeat(32), job: '<b>x', result: 'FAILURE', detail: 'step 2 <i>', change: '7' };
    writeFileSync(join(root, folderOf, 'manifest.json'), JSON.stringify(told));
    const { body } = await get('/');
    rmSync(join(root, folderOf, 'manifest.json'));
    expect(body).toContain('<b class="failure">FAILURE</b> &#60;b&#62;x');
    expect(body).toContain('step 2 &#60;i&#62;');
    expect(body).toContain(`href="/logs/${folderOf}/console.txt"`);
    expect(body).toContain(`href="/build/${'a'.repeat(32)}"`);
    expect(body).not.toMatch(/<script|<i>/);
  });

  it('send folders to their slash, and nowhere else', async () => {
    const answer = await get('/logs');
    expect([answer.statusCode, answer.headers.location]).toEqual([301, `/logs/${folderOf}/logs/`]);
    for (const url of ['/logs//evil.example/', '/logs///evil.example', '/logs/%2f%2fevil.example']) {
      expect([url, (await app.inject(url)).statusCode]).toEqual([url, 404]);
    }
  });

  it('are sent packed to those who take it, and unpacked to others', async () => {
    for (const name of ['/console.txt', '/console.txt.gz']) {
      const packed = await get(name, { 'accept-encoding': 'br, gzip' });
      expect(packed.headers).toMatchObject({
        'content-encoding': 'gzip',
        'content-type': 'text/plain; charset=utf-8',
        vary: 'accept-encoding',
      });
      expect(gunzipSync(packed.rawPayload).toString()).toBe('hello <script>\n');
      const plain = await get(name);
      expect(plain.headers['content-encoding']).toBeUndefined();
      expect(plain.body).toBe('hello <script>\n');
      const headers = { 'if-none-match': String(plain.headers['etag']) };
      expect((await get(name, headers)).statusCode).toBe(304);
    }
    const head = await app.inject({ method: 'HEAD', url: `/logs/${folderOf}/console.txt` });
    expect([head.statusCode, head.body]).toEqual([200, '']);
  });

  it('run nothing in the browser', async () => {
    const types: [string, string][] = [
      ['/testr_results.html', 'text/html; charset=utf-8'],
      ['/testr_results.html.gz', 'text/html; charset=utf-8'],
      ['/evil.svg', 'text/plain; charset=utf-8'],
      ['/localrc', 'text/plain; charset=utf-8'],
      ['/core', 'application/octet-stream'],
      ['/stack.tar.gz', 'application/gzip'],
    ];
    for (const [name, type] of types) {
      const { headers } = await get(name);
      expect([name, headers['content-type']]).toEqual([name, type]);
      expect(headers['content-security-policy']).toMatch(/^sandbox;/);
      expect(headers['content-security-policy']).not.toMatch(/allow-scripts|script-src/);
      expect(headers['x-content-type-options']).toBe('nosniff');
    }
    expect(
      (await get('/stack.tar.gz', { 'accept-encoding': 'gzip' })).headers['content-encoding'],
    ).toBeUndefined();
    expect((await get('/core')).headers['content-disposition']).toBe('attachment');
  });

  it('end nowhere but in their folder', async () => {
    const paths = [
      '/../secret',
      '/%2e%2e/secret',
      '/..%2f..%2fsecret',
      '/..%5c..%5csecret',
      '/passwd',
      '/up/secret',
      '/up/',
      '/console.txt%00.html',
      '/%00',
      '/.0123456789abcdef.part',
      '/console.txt/',
      '/console.txt/x',
      '/%c0%ae%c0%ae/secret',
      `/${'a/'.repeat(1500)}`,
      `/${'a'.repeat(300)}`,
    ];
    for (const path of paths) {
      const status = await rawStatus(app, `/logs/${folderOf}${path}`);
      expect([path.slice(0, 40), [400, 404, 414, 431].includes(status)]).toEqual([path.slice(0, 40), true]);
    }
    for (const up of [
      '/logs/../secret',
      '/logs/../../../../../../etc/passwd',
      '/logs/%2e%2e/secret',
      '//logs/../secret',
    ]) {
      expect([up, [400, 404].includes(await rawStatus(app, up))]).toEqual([up, true]);
    }
  });

  it('never take a segment that could leave', () => {
    const piece = fc.oneof(
      fc.string(),
      fc.constantFrom('..', '.', '%2e%2e', '%2f', '%5c', '%00', '/', '\\', '%252e'),
    );
    fc.assert(
      fc.property(
        fc.array(piece).map((pieces) => pieces.join('')),
        (raw) => {
          for (const name of logSegments(raw) ?? [])
            expect(/^\.\.?$|[/\\\0]/.test(name) || name === '').toBe(false);
        },
      ),
    );
  });

  it('survive a torn file', async () => {
    const answer = await fetch(`${base(app)}/logs/${folderOf}/torn.txt`, {
      headers: { 'accept-encoding': 'identity' },
    });
    await expect(answer.text()).rejects.toThrow(/terminated/);
    expect((await app.inject('/healthz')).statusCode).toBe(200);
  });

  it('understands Accept-Encoding', () => {
    for (const yes of ['gzip', 'deflate, GZIP;q=0.5', '*', 'x-gzip'])
      expect([yes, takesGzip(yes)]).toEqual([yes, true]);
    for (const no of [undefined, '', 'br', 'gzip;q=0', 'gzip; q=0.0', 'identity'])
      expect([no, takesGzip(no)]).toEqual([no, false]);
  });
});

describe('consoles', () => {
  let dir = '';
  let folder = '';
  let app: FastifyInstance;
  let test: TestHouse;
  const grow = (piece: string | Buffer) => appendFileSync(join(folder, 'console.txt'), piece);
  const end = () => writeFileSync(join(folder, 'manifest.json'), '{}');
  const url = (query = '') => `${base(app)}/api/v1/builds/${uuid}/console${query}`;

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'stackgate-console-'));
    folder = join(dir, folderOf);
    mkdirSync(folder, { recursive: true });
    test = house();
    test.logs = dir;
    test.live = [liveBuild(uuid)];
    test.follow = followConsole;
    app = buildServer(test.ports());
    await app.listen({ port: 0, host: '127.0.0.1' });
  });
  afterEach(async () => {
    await app.close();
    await rm(dir, { recursive: true, force: true });
  });

  it('are text from any byte on', async () => {
    expect(await (await fetch(url())).text()).toBe('');
    grow('one\ntwo\n');
    const answer = await fetch(url('?offset=4'));
    expect(answer.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    expect(await answer.text()).toBe('two\n');
    expect(await (await fetch(url('?offset=99'))).text()).toBe('');
    expect((await fetch(url('?offset=-1'))).status).toBe(400);
  });

  it('are followed to their end as text', async () => {
    grow('one\n');
    const answer = await fetch(url('?follow=1'));
    const whole = answer.text();
    grow('two\n');
    setTimeout(() => {
      grow('three\n');
      end();
    }, 50);
    expect(await whole).toBe('one\ntwo\nthree\n');
  });

  it('are followed as events, letters whole, and taken up where they broke off', async () => {
    const headers = { accept: 'text/event-stream' };
    grow('gr');
    const first = new AbortController();
    const answer = await fetch(url(), { headers, signal: first.signal });
    expect(answer.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    const events = readEvents(answer);
    expect(await next(events)).toEqual({ id: '2', text: 'gr' });
    const letter = Buffer.from('ü');
    grow(letter.subarray(0, 1));
    grow(Buffer.concat([letter.subarray(1), Buffer.from('n\ndata: <b>\r\n\n')]));
    let seen = '';
    let id = '';
    while (seen.length < 'ün\ndata: <b>\r\n\n'.length) {
      const event = await next(events);
      seen += event?.text ?? '';
      id = event?.id ?? id;
    }
    expect(seen).toBe('ün\ndata: <b>\r\n\n');
    expect(id).toBe('18');
    first.abort();
    grow('more\n');
    end();
    const again = readEvents(await fetch(url(), { headers: { ...headers, 'last-event-id': id } }));
    expect(await next(again)).toEqual({ id: '23', text: 'more\n' });
    expect(await next(again)).toEqual({ id: '23', event: 'end' });
    expect(await next(again)).toBeUndefined();
  });

  it('let go of the file when the reader hangs up', async () => {
    grow('one\n');
    let ended = 0;
    test.follow = async function* follow(at, offset, signal) {
      try {
        yield* followConsole(at, offset, signal);
      } finally {
        ended += 1;
      }
    };
    for (const accept of ['text/event-stream', 'text/plain']) {
      const gone = new AbortController();
      const answer = await fetch(url('?follow=1'), { headers: { accept }, signal: gone.signal });
      await answer.body?.getReader().read();
      gone.abort();
    }
    await expect.poll(() => ended, { timeout: 5_000 }).toBe(2);
  });

  it('end with the build where the logs never become final', async () => {
    grow('half a conso');
    test.grace = 100;
    for (const accept of ['text/plain', 'text/event-stream']) {
      test.live = [liveBuild(uuid)];
      test.past = [];
      const answer = await fetch(url('?follow=1'), { headers: { accept } });
      test.live = [];
      test.past = [{ ...pastBuild(1, 1_000, { uuid }), key: uuid }];
      expect(await answer.text()).toContain('half a conso');
    }
    // What is over when it is asked for is not waited for at all.
    test.past = [{ ...pastBuild(1, 1_000, { uuid, logPath: '07/7/1/check/unit/gone' }), key: uuid }];
    test.grace = 60_000;
    expect(await (await fetch(url('?follow=1'))).text()).toBe('');
  });

  it('are there for finished builds, and not for unknown ones', async () => {
    const past = pastBuild(5, 1_000);
    test.past = [past];
    const at = join(dir, '07/7/1/check/lint/0000000');
    mkdirSync(at, { recursive: true });
    writeFileSync(join(at, 'console.txt.gz'), gzipSync('all of it\n'));
    writeFileSync(join(at, 'manifest.json'), '{}');
    for (const query of ['?offset=4', '?offset=4&follow=1']) {
      expect(await (await fetch(`${base(app)}/api/v1/builds/${past.key}/console${query}`)).text()).toBe(
        'of it\n',
      );
    }
    expect((await fetch(`${base(app)}/api/v1/builds/deadbeef/console`)).status).toBe(404);
    test.past = [pastBuild(6, 1_000, { logPath: '../../etc' })];
    expect((await fetch(`${base(app)}/api/v1/builds/${'6'.padStart(32, '0')}/console`)).status).toBe(404);
  });
});

describe('git under /p/', () => {
  it('answers before anything else reads the request', async () => {
    const test = house();
    test.git = (req, res) => {
      if (req.url === '/p/none') return false;
      void text(req).then((body) =>
        res.writeHead(200, { 'content-type': 'x/y' }).end(`${req.method} ${body}`),
      );
      return true;
    };
    const app = buildServer(test.ports());
    await app.listen({ port: 0, host: '127.0.0.1' });
    const body = 'x'.repeat(1 << 20);
    const headers = { 'content-type': 'application/x-git-upload-pack-request' };
    const answer = await fetch(`${base(app)}/p/org/p/git-upload-pack`, { method: 'POST', body, headers });
    expect(await answer.text()).toBe(`POST ${body}`);
    expect((await fetch(`${base(app)}/p/none`)).status).toBe(404);
    await app.close();
  });
});

interface ConsoleEvent {
  id?: string;
  event?: string;
  text?: string;
}

async function* readEvents(answer: Response): AsyncGenerator<ConsoleEvent> {
  const decoder = new TextDecoder();
  let pending = '';
  for await (const chunk of answer.body ?? []) {
    const bytes: Uint8Array = chunk;
    pending += decoder.decode(bytes, { stream: true });
    const blocks = pending.split('\n\n');
    pending = blocks.pop() ?? '';
    for (const block of blocks) {
      const event: ConsoleEvent = {};
      for (const line of block.split('\n')) {
        const [, name, value = ''] = /^(\w+): (.*)$/.exec(line) ?? [];
        if (name === 'id') event.id = value;
        if (name === 'event') event.event = value;
        if (name === 'data' && value !== '{}') event.text = JSON.parse(value).text;
      }
      if (event.id !== undefined) yield event;
    }
  }
}

async function next(events: AsyncGenerator<ConsoleEvent>): Promise<ConsoleEvent | undefined> {
  const { value, done } = await events.next();
  return done === true ? undefined : value;
}

function base(app: FastifyInstance): string {
  const address = app.server.address();
  return `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
}

/** A request whose path nobody tidies on the way. */
async function rawStatus(app: FastifyInstance, path: string): Promise<number> {
  const address = app.server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const socket = connect(port, '127.0.0.1');
  socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
  const answer = await text(socket);
  expect(answer).not.toContain('secret\n');
  expect(answer).not.toContain('root:');
  return Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]);
}
