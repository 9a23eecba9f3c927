import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PoolNodes } from '../../server/contract/nodes.ts';
import {
  Preparations,
  type PreparationView,
  PreparedImages,
  PrepareStarted,
} from '../../server/contract/prepare.ts';
import { BuildPage } from '../../server/contract.ts';
import { until } from '../conformance/ports/shell.ts';
import { demoLayout } from '../demo/site.ts';
import { type Story, startStory } from '../harness/inprocess.ts';
import { CI_USER } from '../harness/site.ts';
import { type Hosts, openHosts } from './hosts.ts';
import { labMissing } from './missing.ts';

/** A label that is prepared: its machines boot from the image, and their jobs find there what they would have fetched. */

const missing = labMissing();
if (missing !== undefined) console.log(`skipped: ${missing}`);

const PROJECT = 'org/demo';
const OTHER = 'org/library';
const deadline = 120_000;
const large = randomBytes(1_500_000).toString('base64');
const file = randomBytes(100_000);

/** The library is cloned from the machine itself: nothing else is named that could be asked. */
const jobs = `- job:
    name: demo-test
    node: host
    wrappers:
      - timeout:
          timeout: 5
    builders:
      - shell: |
          set +x
          zuul-cloner file:///opt/git ${OTHER}
          echo "library: $(cat ${OTHER}/book) at $(git -C ${OTHER} rev-parse --abbrev-ref HEAD)"
          echo "origin: $(git -C /opt/git/${OTHER} remote get-url origin), owner $(stat -c %U /opt/git/${OTHER})"
          echo "file: $(sha256sum </opt/cache/files/blob.img | cut -c 1-64)"
          echo "script: $(cat /opt/prepared)"
          git clone -q $ZUUL_URL/${PROJECT} own && wc -c <own/large
          echo "brought: $(cat "$HOME"/../git/${PROJECT}/objects/pack/*.pack | wc -c)"
`;

describe.skipIf(missing !== undefined)('a label of the lab is prepared', () => {
  let folder: string;
  let hosts: Hosts;
  let story: Story;
  let server: Server;
  const sum = createHash('sha256').update(file).digest('hex');

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lab-prepare-'));
    hosts = await openHosts();
    server = createServer((_, answer) => answer.end(file));
    await new Promise<void>((resolve) => server.listen(0, hosts.lab.gateway, resolve));
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    await writeFile(join(folder, 'key'), hosts.key, { mode: 0o600 });
    await writeFile(join(folder, 'prepare.sh'), 'echo one >/opt/prepared\necho "prepared by $(id -un)"\n');
    const cloud = (command: string) => [join(import.meta.dirname, 'cloud'), command, hosts.lab.id];
    const nodepool = {
      labels: [
        {
          name: 'host',
          providers: ['lab'],
          prepare: {
            scripts: 'prepare.sh',
            projects: [PROJECT, OTHER],
            keep: 1,
            downloads: [
              { url: `http://${hosts.lab.gateway}:${port}/blob.img`, sha256: sum },
              {
                url: `http://${hosts.lab.gateway}:${port}/blob.img`,
                sha256: sum,
                to: '/opt/cache/ours',
                via: 'server',
              },
            ],
          },
        },
      ],
      providers: [
        {
          name: 'lab',
          driver: 'command',
          'max-servers': 3,
          username: 'zuul',
          'private-key': join(folder, 'key'),
          create: cloud('create'),
          list: cloud('list'),
          delete: cloud('delete'),
          snapshot: cloud('snapshot'),
          'list-images': cloud('images'),
          'delete-image': cloud('unimage'),
        },
      ],
    };
    await writeFile(join(folder, 'nodepool.yaml'), JSON.stringify(nodepool));
    const more = [`  nodepool: ${join(folder, 'nodepool.yaml')}`];
    story = await startStory({ layout: demoLayout(PROJECT), jobs, more }, async (gerrit) => {
      gerrit.account('ann', { name: 'Ann Developer', email: 'ann@example.org' });
      await gerrit.createProject(PROJECT, { files: { large } });
      await gerrit.createProject(OTHER, { files: { book: 'a book' } });
    });
  }, deadline);
  afterAll(async () => {
    await story?.[Symbol.asyncDispose]();
    server?.close();
    await hosts?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  }, deadline);

  async function prepared(): Promise<PreparationView> {
    const { preparations } = await story.client.post('/api/v1/prepare', { label: 'host' }, PrepareStarted);
    const id = preparations[0]?.id;
    const now = async () =>
      (await story.client.get('/api/v1/prepare', Preparations)).preparations.find((each) => each.id === id);
    await until(async () => (await now())?.until !== undefined, deadline);
    const done = await now();
    if (done === undefined) throw new Error('no preparation');
    return done;
  }
  const images = async () => (await story.client.get('/api/v1/images', PreparedImages)).images;
  const said = ({ lines }: PreparationView) => lines.map(({ text }) => text).join('\n');

  async function consoleOf(text: string): Promise<string> {
    const { number } = await story.gerrit.push(PROJECT, { user: 'ann', files: { change: text } });
    const reviews = () => story.gerrit.reviews({ user: CI_USER, change: number });
    await story.gerrit.waitFor(() => reviews().length === 1, deadline);
    const [build] = (await story.client.get(`/api/v1/builds?change=${number}`, BuildPage)).builds;
    if (typeof build?.url !== 'string') throw new Error('no build');
    return await (await fetch(new URL('console.txt', build.url))).text();
  }

  async function script(text: string): Promise<void> {
    await writeFile(join(folder, 'prepare.sh'), text);
    await story.reload();
  }

  const gone = () =>
    until(async () => (await story.client.get('/api/v1/nodes', PoolNodes)).nodes.length === 0, deadline);
  const brought = (text: string) => Number(/brought: (\d+)/.exec(text)?.[1]);

  it('and its jobs use what is there', { timeout: deadline }, async () => {
    const plain = await consoleOf('before');
    expect(plain).toContain('there is no repository file:///opt/git/org/library');
    await gone();
    const done = await prepared();
    expect(done.state).toMatchObject({ phase: 'done' });
    const lines = said(done);
    for (const line of [
      'repository 1 of 2: org/demo: 1',
      'repository 2 of 2: org/library: ',
      'file 1 of 2: /opt/cache/files/blob.img: 100 kB downloaded',
      'file 2 of 2: /opt/cache/ours: 100 kB downloaded by us',
      '  prepared by root',
    ])
      expect(lines).toContain(line);
    expect(await images()).toMatchObject([{ label: 'host', base: 'host', state: { phase: 'ready' } }]);
    // The machine it was made of is gone; nothing else is left.
    await gone();
    expect(await hosts.lab.nodes()).toEqual([]);
    const text = await consoleOf('after');
    expect(text).toContain('library: a book at master');
    expect(text).toContain('origin: http://gerrit.example.org/org/library, owner zuul');
    expect(text).toContain(`file: ${sum}`);
    expect(text).toContain('script: one');
    expect(text).toContain(`${large.length}\n`);
    expect(brought(text)).toBeLessThan(10_000);
  });

  it('again: a newer image takes its place, the old one goes', { timeout: deadline }, async () => {
    const [before] = await images();
    await script('#!/bin/sh\necho two >/opt/prepared\n');
    expect((await prepared()).state).toMatchObject({ phase: 'done' });
    await until(async () => (await images()).length === 1, deadline);
    const [after] = await images();
    expect(after?.digest).not.toBe(before?.digest);
    expect(await hosts.lab.images.list()).toEqual([after?.name]);
    expect(await consoleOf('newer')).toContain('script: two');
  });

  it('a script that fails makes no image, and says its last words', { timeout: deadline }, async () => {
    await script('echo no such package >&2\nexit 3\n');
    const before = await images();
    const failed = await prepared();
    expect(failed.state).toMatchObject({
      phase: 'failed',
      reason: expect.stringContaining('script prepare.sh: no such package'),
    });
    expect(await images()).toEqual(before);
    await gone();
  });

  it('an image that has vanished is not used again: its label has its base image', {
    timeout: deadline,
  }, async () => {
    for (const name of await hosts.lab.images.list()) await hosts.lab.images.delete(name);
    expect(await consoleOf('without')).toContain('there is no repository file:///opt/git/org/library');
    expect(story.log().some(({ msg }) => msg === 'a prepared image cannot be used')).toBe(true);
  });
});
