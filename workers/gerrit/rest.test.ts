import { chmod, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CodeReview } from '../../pipelines/ports.ts';
import type { RestDoor } from '../../test/fakes/gerrit/rest.ts';
import { type Lab, openLab, PROJECT } from '../../test/fixtures/gerritlab.ts';
import { secondsOf } from './changeinfo.ts';
import { openRest } from './rest.ts';
import type { GerritSettings } from './settings.ts';

const never = new AbortController().signal;

describe('REST on a simulated Gerrit', () => {
  let lab: Lab;
  let road: Partial<GerritSettings>;
  let door: RestDoor;
  let review: CodeReview;
  let number: string;
  beforeEach(async () => {
    lab = await openLab();
    ({ settings: road, door } = await lab.rest());
    review = lab.review(road);
    number = String((await lab.gerrit.push(PROJECT, { user: 'ann' })).number);
  });
  afterEach(async () => {
    await lab[Symbol.asyncDispose]();
  });

  const fetched = () =>
    review.fetch(
      { kind: 'fetch', id: 'fetch-1', connection: 'gerrit', number, expect: {}, dependents: false },
      never,
    );

  it('says who asks, and asks once for all who want to know the same', async () => {
    const answers = await Promise.all([fetched(), fetched(), fetched()]);
    expect(answers.every(({ kind }) => kind === 'found')).toBe(true);
    const whole = door.requests.filter(({ line }) => line.includes('DETAILED_LABELS'));
    expect(whole).toHaveLength(1);
    expect(new Set(door.requests.map(({ agent }) => agent))).toEqual(new Set(['Stackgate/test']));
    // Nothing that may change is answered from memory.
    await fetched();
    expect(door.requests.filter(({ line }) => line.includes('DETAILED_LABELS'))).toHaveLength(2);
  });

  it('asks an outdated patchset once in its life', async () => {
    await lab.gerrit.push(PROJECT, { user: 'ann', change: Number(number) });
    const old = { kind: 'fetch', id: 'fetch-1', connection: 'gerrit', number, patchset: '1' } as const;
    for (let round = 0; round < 2; round++)
      expect(await review.fetch({ ...old, expect: {}, dependents: false }, never)).toMatchObject({
        kind: 'found',
        change: { patchset: '1', currentPatchset: '2', files: expect.arrayContaining(['/COMMIT_MSG']) },
      });
    expect(door.requests.filter(({ line }) => line.includes('ALL_FILES'))).toHaveLength(1);
  });

  it('waits as long as a busy server asks for, a few times', async () => {
    lab.gerrit.faults.rest = { status: 429, times: 2, headers: { 'retry-after': '0.05' } };
    expect(await fetched()).toMatchObject({ kind: 'found' });
    lab.gerrit.faults.rest = { status: 503, times: 9, headers: { 'retry-after': '0.01' } };
    await expect(fetched()).rejects.toMatchObject({ code: 'gerrit-away', retry: true });
  });

  it('says what to do about a password that is refused or lies open', async () => {
    const file = road.rest?.passwordFile ?? '';
    await writeFile(file, 'wrong\n');
    await expect(fetched()).rejects.toMatchObject({ code: 'gerrit-login', hint: expect.any(String) });
    // A new one is used at once.
    await writeFile(file, 'secret of ci\n');
    expect(await fetched()).toMatchObject({ kind: 'found' });
    await chmod(file, 0o644);
    await expect(fetched()).rejects.toMatchObject({
      code: 'config-invalid',
      message: expect.stringContaining('can be read by others'),
    });
  });
});

describe('a REST server that misbehaves', () => {
  let server: Server | undefined;
  afterEach(async () => {
    server?.closeAllConnections();
    await new Promise((resolve) => server?.close(resolve));
  });

  async function answering(listener: RequestListener, more: { deadline?: number } = {}) {
    const started = createServer(listener);
    server = started;
    await new Promise<void>((resolve) => started.listen(0, '127.0.0.1', resolve));
    const address = started.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    return openRest({
      url: `http://127.0.0.1:${port}/`,
      user: 'ci',
      password: () => Promise.resolve('x'),
      userAgent: 'test',
      deadline: 5_000,
      concurrency: 2,
      perSecond: 1_000,
      ...more,
    });
  }

  it('is given a deadline when it never answers', async () => {
    const rest = await answering(() => undefined, { deadline: 100 });
    await expect(rest.get('changes/', never)).rejects.toMatchObject({ code: 'deadline', retry: true });
    await expect(rest.post('x', {}, never)).rejects.toMatchObject({ code: 'deadline' });
  });

  it('is not followed to another place with our password', async () => {
    const rest = await answering((_, response) => {
      response.writeHead(302, { location: 'https://login.example.org/' }).end();
    });
    await expect(rest.get('changes/', never)).rejects.toMatchObject({
      code: 'config-invalid',
      message: expect.stringContaining('sends us on to https://login.example.org/'),
    });
  });

  it('is not believed when it answers something else than JSON', async () => {
    const rest = await answering((_, response) => void response.end('<html>maintenance</html>'));
    await expect(rest.get('changes/', never)).rejects.toMatchObject({ code: 'gerrit-protocol' });
  });

  it('leaves open whether a post took effect when it fails inside', async () => {
    let status = 500;
    const rest = await answering((_, response) => void response.writeHead(status).end('no'));
    await expect(rest.post('x', {}, never)).rejects.toMatchObject({ code: 'gerrit-away' });
    status = 409;
    expect(await rest.post('x', {}, never)).toEqual({ kind: 'refused', text: 'no' });
  });

  it('is asked by so many at a time, and a caller who leaves disturbs nobody', async () => {
    let most = 0;
    let now = 0;
    const rest = await answering((_, response) => {
      now += 1;
      most = Math.max(most, now);
      setTimeout(() => {
        now -= 1;
        response.end(")]}'\n[]");
      }, 20);
    });
    const gone = new AbortController();
    const left = rest.get('same', gone.signal);
    const stays = rest.get('same', never);
    gone.abort(new Error('left'));
    await expect(left).rejects.toThrow('left');
    expect(await stays).toEqual([]);
    await Promise.all(Array.from({ length: 10 }, (_, at) => rest.get(`path-${at}`, never)));
    expect(most).toBe(2);
  });
});

it('reads Gerrit’s timestamps as UTC', () => {
  expect(secondsOf('2026-11-28 08:20:03.000000000')).toBe(Date.UTC(2026, 10, 28, 8, 20, 3) / 1000);
  expect(secondsOf('soon')).toBeUndefined();
});
