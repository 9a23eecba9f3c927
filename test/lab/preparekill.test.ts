import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PreparedImages } from '../../server/contract/prepare.ts';
import { until } from '../conformance/ports/shell.ts';
import { demoLayout } from '../demo/site.ts';
import { type Gerrit, startGerrit } from '../fakes/gerrit/server.ts';
import { ENTRY, type Instance, startInstance } from '../harness/instance.ts';
import { writeSite } from '../harness/site.ts';
import { type Hosts, openHosts } from './hosts.ts';
import { labMissing } from './missing.ts';

/** `stackgate node prepare` against a process that is killed at each durable step of an image, and once more on the next one. */

const missing = labMissing() ?? (existsSync(ENTRY) ? undefined : '`npm run build` makes what this starts');
if (missing !== undefined) console.log(`skipped: ${missing}`);

const PROJECT = 'org/demo';
const deadline = 180_000;
const jobs = '- job:\n    name: demo-test\n    node: host\n    builders:\n      - shell: "true"\n';

describe.skipIf(missing !== undefined)('killed while it prepares', () => {
  let dir: string;
  let hosts: Hosts;
  let gerrit: Gerrit;
  let siteFile: string;
  let running: Instance | undefined;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'lab-prepare-kill-'));
    hosts = await openHosts();
    gerrit = await startGerrit({ dir: join(dir, 'gerrit') });
    gerrit.account('ann', { name: 'Ann Developer', email: 'ann@example.org' });
    await gerrit.createProject(PROJECT, { files: { file: 'first' } });
    await writeFile(join(dir, 'key'), hosts.key, { mode: 0o600 });
    await writeFile(join(dir, 'prepare.sh'), 'echo it is written >/opt/prepared\n');
    const cloud = (command: string) => [join(import.meta.dirname, 'cloud'), command, hosts.lab.id];
    const nodepool = {
      labels: [{ name: 'host', providers: ['lab'], prepare: { scripts: ['prepare.sh'] } }],
      providers: [
        {
          name: 'lab',
          driver: 'command',
          'max-servers': 2,
          username: 'zuul',
          'private-key': join(dir, 'key'),
          create: cloud('create'),
          list: cloud('list'),
          delete: cloud('delete'),
          snapshot: cloud('snapshot'),
          'list-images': cloud('images'),
          'delete-image': cloud('unimage'),
        },
      ],
    };
    const text = JSON.stringify(nodepool);
    siteFile = await writeSite({ dir, gerrit, layout: demoLayout(PROJECT), jobs, nodepool: text });
  }, deadline);
  afterAll(async () => {
    await running?.kill('SIGKILL');
    await gerrit?.[Symbol.asyncDispose]();
    await hosts?.[Symbol.asyncDispose]();
    await rm(dir, { recursive: true, force: true });
  }, deadline);

  function prepare(...more: string[]): Promise<{ code: number; out: string; err: string }> {
    const args = [ENTRY, 'node', 'prepare', 'host', '--config', siteFile, ...more];
    return new Promise((resolve) => {
      execFile(process.execPath, args, { timeout: deadline }, (error, out, err) => {
        resolve({ code: error === null ? 0 : Number(error.code), out, err });
      });
    });
  }

  async function start(crashAt?: string): Promise<Instance> {
    const env = crashAt === undefined ? {} : { STACKGATE_CRASH_AT: crashAt };
    running = await startInstance(siteFile, { env, deadline: 90_000 });
    return running;
  }

  async function images(instance: Instance) {
    const headers = { authorization: `Bearer ${instance.token}` };
    const answer = await fetch(new URL('/api/v1/images', instance.url), { headers });
    return PreparedImages.parse(await answer.json()).images;
  }

  const points = ['image.saving.before', 'image.saving.after', 'image.ready.before', 'image.ready.after'];
  it.each(points)(
    'at %s: no machine stays, and no image but a whole one',
    { timeout: 2 * deadline },
    async (at) => {
      const whole = new Set(await hosts.lab.images.list());
      await running?.kill('SIGKILL');
      const first = await start(at);
      const asked = prepare();
      await first.gone;
      const second = await start();
      // The command waited for the server to come back, and says what became of it.
      const told = await asked;
      const expected = at === 'image.ready.after' ? 'prepared in' : 'Stackgate was restarted meanwhile';
      expect(told).toMatchObject({
        code: at === 'image.ready.after' ? 0 : 8,
        out: expect.stringContaining(expected),
      });
      await until(async () => (await hosts.lab.nodes()).length === 0, deadline);
      const ready = async () => {
        const known = await images(second);
        const there = (await hosts.lab.images.list()).toSorted();
        const names = known.map(({ name }) => name).toSorted();
        return known.every(({ state }) => state.phase === 'ready') && names.join() === there.join();
      };
      await until(ready, deadline);
      const isNew = (await hosts.lab.images.list()).some((name) => !whole.has(name));
      expect(isNew).toBe(at === 'image.ready.after');
    },
  );

  it('and the next time it is done', { timeout: 2 * deadline }, async () => {
    await running?.kill('SIGKILL');
    const instance = await start();
    const { code, out, err } = await prepare();
    expect({ code, out, err }).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^host at lab: prepared in .*, image \d{10}\n$/),
      err: expect.stringMatching(/ lab \| repository 1 of 1: org\/demo: .* sent\n/),
    });
    const known = await images(instance);
    expect(known.at(-1)?.state.phase).toBe('ready');
    const wrong = await prepare('--provider', 'lob');
    expect(wrong).toMatchObject({
      code: 3,
      err: expect.stringContaining('there is no provider lob; known: '),
    });
    const json = await prepare('--no-snapshot', '--json');
    expect(JSON.parse(json.out)).toMatchObject({
      preparations: [{ snapshot: false, state: { phase: 'done' } }],
    });
    expect(await images(instance)).toHaveLength(known.length);
  });
});
