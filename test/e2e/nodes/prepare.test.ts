import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { prepareMachine } from '../../../nodepool/prepare/machine.ts';
import { NodeConnection } from '../../../nodepool/ssh/connection.ts';
import type { CachedRepository } from '../../../nodepool/ssh/gitcache.ts';
import { PoolNodes } from '../../../server/contract/nodes.ts';
import { Preparations, PrepareStarted } from '../../../server/contract/prepare.ts';
import { BuildPage } from '../../../server/contract.ts';
import { until } from '../../conformance/ports/shell.ts';
import { demoLayout } from '../../demo/site.ts';
import { type Story, startStory } from '../../harness/inprocess.ts';
import { CI_USER } from '../../harness/site.ts';
import {
  asRoot,
  commitTo,
  git,
  jobUser,
  makeRepository,
  openNode,
  run,
  soon,
  type TestNode,
} from './node.ts';
import { missing } from './sshd.ts';

/** What is laid on a machine before builds come, over a real sshd. It is this machine's own /opt/git: names of nobody else. */

const why = missing() ?? (asRoot ? undefined : 'skipped: root, to write to /opt/git');
const note = why === undefined ? '' : ` (${why})`;
const ours = `stackgate-test-${randomBytes(6).toString('hex')}`;
const DEADLINE = 90_000;
afterAll(() => rm(join('/opt/git', ours), { recursive: true, force: true }));

describe.skipIf(why !== undefined)(`repositories in /opt/git${note}`, () => {
  let node: TestNode;
  let connection: NodeConnection;
  let folder = '';
  beforeAll(async () => {
    node = await openNode();
    folder = await mkdtemp(join(tmpdir(), 'stackgate-prepare-'));
    connection = new NodeConnection(node.sshd.target);
  });
  afterAll(async () => {
    await connection[Symbol.asyncDispose]();
    await node[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  async function source(name: string): Promise<string> {
    const path = join(folder, `${name}.git`);
    await makeRepository(path);
    return path;
  }
  async function refsOf(path: string): Promise<Record<string, string>> {
    const lines = (await git('--git-dir', path, 'for-each-ref', '--format=%(refname) %(objectname)')).split(
      '\n',
    );
    return Object.fromEntries(lines.map((line) => line.split(' ')));
  }
  /** Answers what was said of it. */
  async function lay(path: string, name: string): Promise<string> {
    const said: string[] = [];
    const project = `${ours}/${name}`;
    const bring = async (): Promise<CachedRepository> => ({
      project,
      path,
      refs: await refsOf(path),
      head: 'refs/heads/master',
      origin: `https://review.example.org/${project}`,
    });
    const work = { repositories: [{ project, bring }], downloads: [], scripts: [] };
    const say = (line: string) => void said.push(line);
    await prepareMachine(work, { connection, root: node.root, owner: undefined, say }, soon());
    return said.join('\n');
  }
  const at = (name: string) => join('/opt/git', ours, name);
  const sent = (said: string) => {
    const [, count = '', unit] = /: (\d+) (bytes|kB|MB) sent/.exec(said) ?? [];
    return Number(count) * (unit === 'MB' ? 1e6 : unit === 'kB' ? 1000 : 1);
  };

  test('are whole clones with all branches; the next time only what is new is sent', async () => {
    const path = await source('plain');
    await commitTo(path, 'large', randomBytes(1_000_000).toString('base64'));
    await commitTo(path, 'other', 'on a branch\n', 'stable/old');
    await git('--git-dir', path, 'tag', '1.0', 'master');
    expect(sent(await lay(path, 'plain'))).toBeGreaterThan(700_000);
    await commitTo(path, 'small', 'later\n');
    await git('--git-dir', path, 'update-ref', '-d', 'refs/heads/stable/old');
    await commitTo(path, 'other', 'where a folder was\n', 'stable');
    const again = await lay(path, 'plain');
    expect(sent(again)).toBeLessThan(2000);
    expect(sent(await lay(path, 'plain'))).toBeLessThan(100);
    const refs = await git('-C', at('plain'), 'for-each-ref', '--format=%(refname)');
    expect(refs.split('\n')).toEqual([
      'refs/heads/master',
      'refs/heads/stable',
      'refs/remotes/origin/master',
      'refs/remotes/origin/stable',
      'refs/tags/1.0',
    ]);
    expect(await git('-C', at('plain'), 'status', '--porcelain')).toBe('');
    expect(await readFile(join(at('plain'), 'small'), 'utf8')).toBe('later\n');
    expect(await git('-C', at('plain'), 'remote', 'get-url', 'origin')).toContain('review.example.org');
    await git('clone', '-q', `file://${at('plain')}`, join(folder, 'clone'));
    await git('-C', join(folder, 'clone'), 'fsck', '--strict');
  });

  test('one that lost an object is sent whole', async () => {
    const path = await source('broken');
    await commitTo(path, 'large', randomBytes(200_000).toString('base64'));
    await lay(path, 'broken');
    const objects = join(at('broken'), '.git/objects');
    const packs = (await readdir(join(objects, 'pack'))).map((name) => join(objects, 'pack', name));
    await mkdir(join(folder, 'away'));
    for (const pack of packs) await run('mv', [pack, join(folder, 'away')]);
    await run('sh', [
      '-c',
      `cd "$1" && for p in "$2"/*.pack; do git -c safe.directory='*' unpack-objects -q <"$p"; done`,
      '-',
      at('broken'),
      join(folder, 'away'),
    ]);
    const blob = await git('-C', at('broken'), 'rev-parse', 'master:large');
    await unlink(join(objects, blob.slice(0, 2), blob.slice(2)));
    expect(sent(await lay(path, 'broken'))).toBeGreaterThan(150_000);
    await git('-C', at('broken'), 'fsck', '--strict');
  });

  test('a connection that is cut leaves nothing half done; the next time ends it', async () => {
    const path = await source('cut');
    await lay(path, 'cut');
    const before = await git('-C', at('cut'), 'rev-parse', 'master');
    await commitTo(path, 'noise', randomBytes(12_000_000).toString('base64'));
    const laying = lay(path, 'cut').catch((caught: unknown) => String(caught));
    const pack = join(at('cut'), '.git/objects/pack');
    await until(async () => (await readdir(pack)).some((name) => name.startsWith('tmp_')), DEADLINE);
    await node.sshd.cutConnections();
    expect(await laying).toMatch(/cut|gone|closed|reset/i);
    expect(await git('-C', at('cut'), 'rev-parse', 'master')).toBe(before);
    expect(sent(await lay(path, 'cut'))).toBeGreaterThan(10_000_000);
    expect((await stat(join(at('cut'), 'noise'))).size).toBe(16_000_000);
    await git('-C', at('cut'), 'fsck');
  });

  test('a download that is not what it should be is refused', async () => {
    const download = {
      url: 'http://127.0.0.1:9/never',
      sha256: 'a'.repeat(64),
      to: join(node.root, 'file'),
      via: 'node' as const,
    };
    const work = { repositories: [], downloads: [download], scripts: [] };
    const place = { connection, root: node.root, owner: undefined, say: () => undefined };
    await expect(prepareMachine(work, place, soon())).rejects.toThrow(
      /cannot download http:\/\/127.0.0.1:9\/never: .*(connect|refused)/i,
    );
  });
});

const PROJECT = `${ours}/demo`;
const jobs = `- job:
    name: demo-test
    node: remote
    wrappers:
      - timeout:
          timeout: 5
    builders:
      - shell: |
          git clone -q "$ZUUL_URL/${PROJECT}" own && cd own && git fetch -q origin "$ZUUL_REF" && git checkout -q FETCH_HEAD
          echo "brought $(cat "$HOME"/../git/${PROJECT}/objects/pack/*.pack | wc -c)"
          case $(cat verdict) in slow) for i in $(seq 1 40); do sleep 0.1; done ;; esac
`;

describe.skipIf(why !== undefined)(`a host that stays is prepared${note}`, () => {
  let node: TestNode;
  let story: Story;
  let files = '';
  beforeAll(async () => {
    node = await openNode();
    files = await mkdtemp(join(tmpdir(), 'stackgate-nodepool-'));
    const key = join(files, 'id_node');
    await writeFile(key, node.sshd.target.key, { mode: 0o600 });
    await writeFile(
      join(files, 'prepare.sh'),
      `echo "as $(id -un)"; ls ${node.root} | grep -c build- || true\n`,
    );
    const { address, port, user, hostKeys } = node.sshd.target;
    const host = {
      name: 'host-1',
      host: address,
      labels: ['remote'],
      'max-parallel-jobs': 2,
      'connection-port': port,
      username: user,
      'private-key': key,
      'host-key': hostKeys.map((line) => line.trim()),
      workspaces: node.root,
      ...(jobUser === undefined ? {} : { 'job-user': jobUser }),
    };
    const nodepool = {
      labels: [{ name: 'remote', prepare: { scripts: 'prepare.sh' } }],
      providers: [{ driver: 'static', name: 'rack', nodes: [host] }],
    };
    const file = join(files, 'nodepool.yaml');
    await writeFile(file, JSON.stringify(nodepool, undefined, 2));
    const spec = { layout: demoLayout(PROJECT), jobs, more: [`  nodepool: ${file}`] };
    story = await startStory(spec, async (gerrit) => {
      gerrit.account('ann', { name: 'Ann Developer', email: 'ann@example.org' });
      await gerrit.createProject(PROJECT, { files: { large: randomBytes(500_000).toString('base64') } });
    });
  }, DEADLINE);
  afterAll(async () => {
    await story?.[Symbol.asyncDispose]();
    await node?.[Symbol.asyncDispose]();
    await rm(files, { recursive: true, force: true });
  });

  const reviews = (change: number) => story.gerrit.reviews({ user: CI_USER, change });
  const builds = async (change: number) =>
    (await story.client.get(`/api/v1/builds?change=${change}`, BuildPage)).builds;
  const push = (verdict: string) => story.gerrit.push(PROJECT, { user: 'ann', files: { verdict } });
  const start = async () =>
    (await story.client.post('/api/v1/prepare', { label: 'remote' }, PrepareStarted)).preparations[0]?.id ??
    '';
  const look = async (id: string) =>
    (await story.client.get('/api/v1/prepare', Preparations)).preparations.find((each) => each.id === id);
  const isFree = async () => (await story.client.get('/api/v1/nodes', PoolNodes)).nodes.length === 0;

  test('while no build runs on it, and builds that come meanwhile wait', {
    timeout: 2 * DEADLINE,
  }, async () => {
    const before = await push('slow');
    await until(async () => (await builds(before.number)).some(({ state }) => state === 'running'), DEADLINE);
    const id = await start();
    await expect(start()).rejects.toThrow(/remote is being prepared at host-1 already/);
    await until(async () => (await look(id))?.until !== undefined, DEADLINE);
    const done = await look(id);
    const said = done?.lines.map(({ text }) => text).join('\n') ?? '';
    expect(done?.state).toEqual({ phase: 'done' });
    expect(said).toMatch(/all 2 places are taken|the only place|1 of 1 nodes|places are taken/);
    // Nobody's build was there when its script ran.
    expect(said).toContain('  as root\n  0');
    expect(said).toMatch(new RegExp(`repository 1 of 1: ${PROJECT}: \\d+ kB sent`));
    expect((await stat(join('/opt/git', PROJECT))).uid).toBe(0);
    await story.gerrit.waitFor(() => reviews(before.number).length === 1, DEADLINE);
    await until(isFree, DEADLINE);
    // What builds brought before is of no use to this one: its cache is new.
    await rm(join(node.root, '.cache'), { recursive: true, force: true });
    const { number } = await push('pass');
    await story.gerrit.waitFor(() => reviews(number).length === 1, DEADLINE);
    const url = /http:\S+/.exec(reviews(number)[0]?.message ?? '')?.[0] ?? '';
    const text = await (await fetch(new URL('console.txt', url))).text();
    expect(Number(/brought (\d+)/.exec(text)?.[1])).toBeLessThan(5000);
    await until(isFree, DEADLINE);
  });

  test('once more, in the middle of a restart: it is over, the host is free', {
    timeout: 2 * DEADLINE,
  }, async () => {
    const { number } = await push('slow');
    await until(async () => (await builds(number)).some(({ state }) => state === 'running'), DEADLINE);
    const id = await start();
    await story.restart();
    const cut = await look(id);
    expect(cut?.state).toMatchObject({ phase: 'failed', reason: expect.stringContaining('restarted') });
    await story.gerrit.waitFor(() => reviews(number).length === 1, DEADLINE);
    await until(isFree, DEADLINE);
    const again = await start();
    await until(async () => (await look(again))?.until !== undefined, DEADLINE);
    expect((await look(again))?.state).toEqual({ phase: 'done' });
  });
});
