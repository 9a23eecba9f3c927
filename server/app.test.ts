import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { afterEach, describe, expect, it } from 'vitest';
import { Fault } from '../pipelines/fault.ts';
import { house, liveBuild, pastBuild, statusOf, type TestHouse } from '../test/fakes/house.ts';
import { buildServer } from './app.ts';
import { BuildPage, EventPage, HealthView, ProblemView } from './contract.ts';

const open: FastifyInstance[] = [];
function door(change: (test: TestHouse) => void = () => {}): { app: FastifyInstance; test: TestHouse } {
  const test = house();
  change(test);
  const app = buildServer(test.ports());
  open.push(app);
  return { app, test };
}

afterEach(async () => {
  for (const app of open.splice(0)) await app.close();
});

const bearer = { authorization: 'Bearer sesame' };

describe('the door', () => {
  it('lives, and says what is not ready', async () => {
    const { app, test } = door();
    expect((await app.inject('/healthz')).json()).toEqual({ alive: true });
    expect((await app.inject('/readyz')).statusCode).toBe(200);
    test.probes['gerrit'] = () => Promise.reject(new Fault('gerrit-away', 'no stream', { hint: 'wait' }));
    test.probes['leader'] = () => Promise.resolve({ ok: false, detail: 'another process leads' });
    const answer = await app.inject('/readyz');
    expect(answer.statusCode).toBe(503);
    expect(HealthView.parse(answer.json())).toMatchObject({
      ready: false,
      parts: {
        gerrit: { ok: false, detail: 'no stream (wait)' },
        leader: { ok: false, detail: 'another process leads' },
      },
    });
  });

  it('speaks Zuul v2 about its status, once a second', async () => {
    const { app, test } = door((made) => {
      made.status = statusOf([{ id: '1,1' }, { id: '2,3' }]);
    });
    const first = await app.inject('/status.json');
    expect(first.headers).toMatchObject({
      'access-control-allow-origin': '*',
      'cache-control': 'public, max-age=1',
      'content-type': 'application/json; charset=utf-8',
    });
    expect(first.json()).toEqual(test.status);
    for (const url of ['/status', '/api/v1/status']) expect((await app.inject(url)).body).toBe(first.body);
    const headers = { 'if-none-match': String(first.headers['etag']) };
    expect((await app.inject({ url: '/status.json', headers })).statusCode).toBe(304);
    expect(test.asked).toBe(1);
    test.clock += 1_000;
    test.status = statusOf([{ id: '1,2' }]);
    expect((await app.inject({ url: '/status.json', headers })).json()).toEqual(test.status);
    expect((await app.inject('/status/change/1,2')).json()).toMatchObject([{ id: '1,2' }]);
    expect((await app.inject('/status/change/9,9')).json()).toEqual([]);
  });

  it('serves the web application: one document for every page, its parts for ever', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'stackgate-web-'));
    await mkdir(join(folder, 'assets'));
    await writeFile(join(folder, 'index.html'), '<!doctype html><div id="app"></div>');
    await writeFile(join(folder, 'assets', 'index-abc.js'), 'export {};\n'.repeat(200));
    const { app } = door((made) => {
      made.web = folder;
    });
    await app.ready();
    await rm(folder, { recursive: true });
    for (const url of [
      '/',
      '/builds',
      '/build/0abc123',
      '/build/0abc123/console',
      '/job/a%2Fb',
      '/change/7,1',
    ]) {
      const answer = await app.inject({ url, headers: { accept: 'text/html' } });
      expect([url, answer.statusCode, answer.body]).toEqual([
        url,
        200,
        '<!doctype html><div id="app"></div>',
      ]);
      expect(answer.headers['cache-control']).toBe('no-cache');
      expect(answer.headers['content-security-policy']).toMatch(/^default-src 'none'; script-src 'self';/);
      expect(answer.headers['content-security-policy']).not.toMatch(/unsafe|https?:|\*/);
    }
    const part = await app.inject({ url: '/assets/index-abc.js', headers: { 'accept-encoding': 'gzip' } });
    expect(part.headers).toMatchObject({
      'cache-control': 'public, max-age=31536000, immutable',
      'content-encoding': 'gzip',
      'content-type': 'text/javascript; charset=utf-8',
    });
    const tag = { 'if-none-match': String(part.headers['etag']) };
    expect((await app.inject({ url: '/assets/index-abc.js', headers: tag })).statusCode).toBe(304);
    for (const url of ['/assets/other.js', '/assets/..%2Findex.html', '/assets/%2e%2e/index.html'])
      expect([url, (await app.inject(url)).statusCode]).toEqual([url, 404]);
  });

  it('says where to look when the application is not built', async () => {
    const { app } = door();
    const answer = await app.inject('/');
    expect(answer.statusCode).toBe(200);
    expect(answer.body).toContain('npm run build');
  });

  it('sends headers that keep browsers out of trouble, everywhere', async () => {
    const { app } = door();
    for (const url of ['/', '/status.json', '/nowhere', '/logs/', '/api/v1/builds', '/metrics']) {
      const { headers } = await app.inject(url);
      expect([url, headers['x-content-type-options']]).toEqual([url, 'nosniff']);
      expect([url, headers['content-security-policy']]).toEqual([
        url,
        expect.stringMatching(/default-src 'none'/),
      ]);
      expect(headers['x-powered-by']).toBeUndefined();
    }
  });

  it('answers mistakes with problem+json', async () => {
    const { app, test } = door();
    const asks: [string, number, string][] = [
      ['/nowhere', 404, 'not-found'],
      ['/%ff', 400, 'invalid-request'],
      ['/api/v1/builds?limit=0', 400, 'invalid-request'],
      ['/api/v1/builds?limit=9999', 400, 'invalid-request'],
      ['/api/v1/builds?cursor=x', 400, 'invalid-request'],
      ['/api/v1/builds/xyz', 400, 'invalid-request'],
      ['/api/v1/builds/ffffffff', 404, 'no-such-build'],
      ['/api/v1/run/run-unknown', 404, 'no-such-run'],
    ];
    for (const [url, status, code] of asks) {
      const answer = await app.inject(url);
      expect([url, answer.statusCode, answer.headers['content-type']]).toEqual([
        url,
        status,
        'application/problem+json',
      ]);
      expect(ProblemView.parse(answer.json())).toMatchObject({ status, code });
    }
    test.broken = new Error('secret path /etc/shadow');
    const ours = await app.inject('/api/v1/events');
    expect(ours.statusCode).toBe(500);
    expect(ours.body).not.toContain('shadow');
    test.broken = new Fault('database-away', 'the database is away', { retry: true, hint: 'start it' });
    expect(ProblemView.parse((await app.inject('/api/v1/events')).json())).toMatchObject({
      status: 503,
      code: 'database-away',
      hint: 'start it',
    });
  });

  it('lists what runs and what ended, page by page, each once', async () => {
    const { app } = door((made) => {
      made.live = [liveBuild('f'.repeat(32), { job: 'unit' })];
      made.past = Array.from({ length: 25 }, (_, n) => pastBuild(n, 1_000 + Math.floor(n / 10)));
    });
    const seen: string[] = [];
    let cursor = '';
    for (let pages = 0; pages < 20; pages++) {
      const answer = await app.inject(`/api/v1/builds?limit=4${cursor}`);
      const { builds, next } = BuildPage.parse(answer.json());
      seen.push(...builds.map((build) => build.uuid));
      if (next === null) break;
      cursor = `&cursor=${next}`;
    }
    expect(seen).toHaveLength(26);
    expect(new Set(seen).size).toBe(26);
    expect(seen[0]).toBe('f'.repeat(32));
    const only = await app.inject('/api/v1/builds?job=unit&change=7');
    expect(BuildPage.parse(only.json()).builds.map((build) => build.uuid)).toEqual(['f'.repeat(32)]);
  });

  it('finds a build by the beginning of its uuid', async () => {
    const { app } = door((made) => {
      made.live = [liveBuild(`abcd1${'0'.repeat(27)}`), liveBuild(`abcd2${'0'.repeat(27)}`)];
      made.past = [pastBuild(5, 1_000)];
    });
    expect((await app.inject('/api/v1/builds/abcd1')).json()).toMatchObject({ state: 'running' });
    expect((await app.inject('/api/v1/builds/abcd')).statusCode).toBe(409);
    expect((await app.inject(`/api/v1/builds/${'5'.padStart(32, '0')}`)).json()).toMatchObject({
      state: 'finished',
      result: 'SUCCESS',
      finishedAt: 1_000,
    });
  });

  it('shows the ledger', async () => {
    const { app, test } = door();
    for (let n = 1; n <= 5; n++) {
      test.ledger.push({
        seq: n,
        key: `k${n}`,
        filedAt: n,
        aside: n === 4,
        note: 'enqueued in check',
        fact: {
          kind: 'GerritEvent',
          at: n,
          connection: 'gerrit',
          via: 'stream',
          type: 'patchset-created',
          project: 'org/p',
          number: '7',
          patchset: '1',
          account: { username: 'ann' },
        },
      });
    }
    const first = EventPage.parse((await app.inject('/api/v1/events?limit=2')).json());
    expect(first.events.map((event) => event.seq)).toEqual([5, 4]);
    expect(first.events[0]).toMatchObject({
      change: '7,1',
      by: 'ann',
      type: 'patchset-created',
      note: 'enqueued in check',
    });
    expect(first.events[1]?.note).toBe('set aside: enqueued in check');
    const second = EventPage.parse((await app.inject(`/api/v1/events?limit=4&cursor=${first.next}`)).json());
    expect(second.events.map((event) => event.seq)).toEqual([3, 2, 1]);
    expect(second.next).toBeNull();
  });

  it('describes itself', async () => {
    const { app } = door();
    const doc = (await app.inject('/api/v1/openapi.json')).json();
    expect(doc).toMatchObject({ openapi: '3.1.0' });
    expect(Object.keys(doc.paths)).toEqual(
      expect.arrayContaining(['/api/v1/run', '/api/v1/builds/{uuid}/console', '/readyz']),
    );
    expect((await app.inject('/metrics')).body).toContain('stackgate_test 1');
  });
});

describe('asking for things', () => {
  const run = { job: 'unit', change: '7,1', params: { A: 'b' }, vote: true };
  const post = (
    app: FastifyInstance,
    url: string,
    payload: object,
    headers: Record<string, string> = bearer,
  ) => app.inject({ method: 'POST', url, payload, headers });

  it('needs a token that is known', async () => {
    const { app, test } = door();
    const bad: Record<string, string>[] = [
      {},
      { authorization: 'Bearer wrong' },
      { authorization: 'Basic c2VzYW1l' },
      { authorization: 'Bearer ' },
    ];
    for (const headers of bad) {
      const answer = await post(app, '/api/v1/run', run, headers);
      expect(answer.statusCode).toBe(401);
      expect(answer.headers['www-authenticate']).toMatch(/^Bearer/);
    }
    // Who may not ask is not told what is wrong with the question either.
    expect((await post(app, '/api/v1/run', { nonsense: 1 }, {})).statusCode).toBe(401);
    expect(test.filed).toEqual([]);
    const closed = door((made) => {
      made.tokens = [];
    });
    expect((await post(closed.app, '/api/v1/run', run)).statusCode).toBe(401);
  });

  it('listens to no token of an address that sent ten wrong ones, for a minute', async () => {
    const { app, test } = door();
    const ask = async (token: string, remoteAddress = '10.0.0.1') =>
      app.inject({
        url: '/api/v1/whoami',
        headers: { authorization: `Bearer ${token}` },
        remoteAddress,
      });
    for (let n = 0; n < 10; n++) expect((await ask(`guess-${n}`)).statusCode).toBe(401);
    const late = await ask('sesame');
    expect([late.statusCode, late.headers['retry-after']]).toEqual([429, '60']);
    expect(ProblemView.parse(late.json())).toMatchObject({ code: 'too-many-failures' });
    expect((await ask('sesame', '10.0.0.2')).json()).toEqual({ name: 'ann' });
    test.clock += 60_000;
    expect((await ask('sesame')).json()).toEqual({ name: 'ann' });
  });

  it('files one fact for one key', async () => {
    const { app, test } = door();
    const headers = { ...bearer, 'idempotency-key': 'run-0001-ab' };
    const first = await post(app, '/api/v1/run', run, headers);
    expect(first.statusCode).toBe(202);
    expect(first.json()).toEqual({ id: 'run-0001-ab', note: null });
    expect((await post(app, '/api/v1/run', run, headers)).json()).toEqual({
      id: 'run-0001-ab',
      note: 'asked before as run-0001-ab',
    });
    expect(test.filed).toEqual([
      {
        key: 'request/run-0001-ab',
        fact: {
          kind: 'RunRequested',
          at: test.clock,
          id: 'run-0001-ab',
          by: 'ann',
          job: 'unit',
          params: { A: 'b' },
          vote: true,
          change: { number: '7', patchset: '1' },
        },
      },
    ]);
    for (const key of ['short', 'Run-00000001', 'run 00000001', `r${'x'.repeat(200)}`, '../../../../x']) {
      expect((await post(app, '/api/v1/run', run, { ...bearer, 'idempotency-key': key })).statusCode).toBe(
        400,
      );
    }
  });

  it('files each kind of wish', async () => {
    const live = 'a'.repeat(32);
    const { app, test } = door((made) => {
      made.live = [liveBuild(live)];
      made.past = [pastBuild(5, 1_000)];
    });
    const place = { pipeline: 'check', project: 'org/p' };
    await post(app, '/api/v1/enqueue', { ...place, change: '7,1' });
    await post(app, '/api/v1/enqueue-ref', { ...place, ref: 'refs/tags/1' });
    await post(app, '/api/v1/dequeue', { ...place, change: '7,1' });
    await post(app, '/api/v1/promote', { pipeline: 'check', changes: ['7,1', '8,1'] });
    expect((await post(app, `/api/v1/builds/${live.slice(0, 8)}/cancel`, {})).statusCode).toBe(202);
    expect(test.filed.map(({ fact }) => fact)).toMatchObject([
      { kind: 'EnqueueRequested', number: '7', patchset: '1', by: 'ann' },
      { kind: 'EnqueueRefRequested', ref: 'refs/tags/1', oldRev: '0'.repeat(40) },
      { kind: 'DequeueRequested', number: '7', patchset: '1' },
      { kind: 'PromoteRequested', changes: ['7,1', '8,1'] },
      { kind: 'CancelRequested', build: live },
    ]);
    expect((await post(app, `/api/v1/builds/${'5'.padStart(32, '0')}/cancel`, {})).statusCode).toBe(409);
  });

  it('knows the names of the configuration', async () => {
    const { app, test } = door();
    const wrong = await post(app, '/api/v1/run', { ...run, job: 'unti' });
    expect(wrong.statusCode).toBe(422);
    expect(wrong.json()).toMatchObject({ code: 'unknown-job', hint: 'did you mean `unit`?' });
    const inherited = await post(app, '/api/v1/run', { ...run, job: 'constructor' });
    expect(inherited.statusCode).toBe(422);
    const place = { pipeline: 'chek', project: 'org/p', change: '7,1' };
    expect((await post(app, '/api/v1/enqueue', place)).json()).toMatchObject({ code: 'unknown-pipeline' });
    expect(
      (await post(app, '/api/v1/enqueue', { ...place, pipeline: 'check', project: 'x' })).statusCode,
    ).toBe(422);
    expect(test.filed).toEqual([]);
  });

  it('refuses what is not a request', async () => {
    const { app, test } = door();
    const bodies: object[] = [
      {},
      { ...run, extra: 1 },
      { ...run, change: '0' },
      { ...run, params: { 'a b': '' } },
      { ...run, job: '' },
      [],
    ];
    for (const body of bodies) expect((await post(app, '/api/v1/run', body)).statusCode).toBe(400);
    const text = await app.inject({
      method: 'POST',
      url: '/api/v1/run',
      payload: '{"job":',
      headers: { ...bearer, 'content-type': 'application/json' },
    });
    expect(text.json()).toMatchObject({ status: 400, code: 'invalid-request' });
    const form = await app.inject({
      method: 'POST',
      url: '/api/v1/run',
      payload: 'job=x',
      headers: { ...bearer, 'content-type': 'text/plain' },
    });
    expect(form.statusCode).toBe(415);
    const large = await post(app, '/api/v1/run', { ...run, params: { A: 'x'.repeat(300_000) } });
    expect(large.statusCode).toBe(413);
    expect(test.filed).toEqual([]);
  });
});

describe('tokens', () => {
  it('are kept as hashes', () => {
    expect(house().tokens[0]?.sha256).toBe(createHash('sha256').update('sesame').digest('hex'));
  });
});
