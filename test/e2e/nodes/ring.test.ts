import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BuildPage } from '../../../server/contract.ts';
import { until } from '../../conformance/ports/shell.ts';
import { demoLayout } from '../../demo/site.ts';
import { type Story, startStory } from '../../harness/inprocess.ts';
import { CI_USER } from '../../harness/site.ts';
import { jobUser, openNode, type TestNode } from './node.ts';
import { missing } from './sshd.ts';

/** The whole ring with a static node: a patch is pushed, its job runs on a machine over ssh, the vote comes back. */

const why = missing();
const PROJECT = 'org/demo';
const DEADLINE = 90_000;

const jobs = `- job:
    name: demo-test
    node: remote
    wrappers:
      - timeout:
          timeout: 5
      - timestamps
    builders:
      - shell: |
          git init -q . && git fetch -q "$ZUUL_URL/$ZUUL_PROJECT" "$ZUUL_REF" && git checkout -q FETCH_HEAD
      - shell: |
          echo "verdict is $(cat verdict) on $NODE_NAME" | tee result.log
          case $(cat verdict) in
            fail) exit 1 ;;
            slow) for i in $(seq 1 60); do echo "line $i"; sleep 0.1; done ;;
          esac
    publishers:
      - archive:
          artifacts: '*.log'
`;

describe.skipIf(why !== undefined)(`a ring with a static node${why === undefined ? '' : ` (${why})`}`, () => {
  let node: TestNode;
  let story: Story;
  let files = '';

  beforeAll(async () => {
    node = await openNode();
    files = await mkdtemp(join(tmpdir(), 'stackgate-nodepool-'));
    const key = join(files, 'id_node');
    await writeFile(key, node.sshd.target.key, { mode: 0o600 });
    const { address, port, user, hostKeys } = node.sshd.target;
    const nodepool = {
      providers: [
        {
          driver: 'static',
          name: 'rack',
          nodes: [
            {
              name: 'host-1',
              host: address,
              labels: ['remote'],
              'connection-port': port,
              username: user,
              'private-key': key,
              'host-key': hostKeys.map((line) => line.trim()),
              workspaces: node.root,
              ...(jobUser === undefined ? {} : { 'job-user': jobUser }),
            },
          ],
        },
      ],
    };
    // YAML reads JSON.
    const file = join(files, 'nodepool.yaml');
    await writeFile(file, JSON.stringify(nodepool, undefined, 2));
    const spec = { layout: demoLayout(PROJECT), jobs, more: [`  nodepool: ${file}`] };
    story = await startStory(spec, async (gerrit) => {
      gerrit.account('ann', { name: 'Ann Developer', email: 'ann@example.org' });
      await gerrit.createProject(PROJECT);
    });
  }, 90_000);
  afterAll(async () => {
    await story?.[Symbol.asyncDispose]();
    await node?.[Symbol.asyncDispose]();
    await rm(files, { recursive: true, force: true });
  });

  const push = (verdict: string) => story.gerrit.push(PROJECT, { user: 'ann', files: { verdict } });
  const reviews = (change: number) => story.gerrit.reviews({ user: CI_USER, change });
  const builds = async (change: number) =>
    (await story.client.get(`/api/v1/builds?change=${change}`, BuildPage)).builds;
  const onNode = async () => (await readdir(node.root)).filter((name) => /^\.?(?:gone\.)?build-/.test(name));

  test('a patch is tested on the machine, voted on, and nothing of it stays there', async () => {
    const { number } = await push('pass');
    await story.gerrit.waitFor(() => reviews(number).length === 1, DEADLINE);
    const [review] = reviews(number);
    expect(review?.labels).toEqual({ Verified: 1 });
    const url = /http:\S+/.exec(review?.message ?? '')?.[0] ?? '';
    expect(await (await fetch(new URL('console.txt', url))).text()).toContain('verdict is pass on host-1');
    expect(await (await fetch(new URL('result.log', url))).text()).toBe('verdict is pass on host-1\n');
    await until(async () => (await onNode()).length === 0, DEADLINE);
  });

  test('a job that fails is a vote of -1, not a lost node', async () => {
    const { number } = await push('fail');
    await story.gerrit.waitFor(() => reviews(number).length === 1, DEADLINE);
    expect(reviews(number)[0]?.labels).toEqual({ Verified: -1 });
  });

  test('connections cut and a restart of ours while it runs: one build, one whole console, one vote', async () => {
    const { number } = await push('slow');
    await until(async () => (await builds(number)).some(({ state }) => state === 'running'), DEADLINE);
    await node.sshd.cutConnections();
    await story.restart();
    await node.sshd.cutConnections();
    await story.gerrit.waitFor(() => reviews(number).length === 1, DEADLINE);
    expect(reviews(number)[0]?.labels).toEqual({ Verified: 1 });
    expect(await builds(number)).toHaveLength(1);
    const url = /http:\S+/.exec(reviews(number)[0]?.message ?? '')?.[0] ?? '';
    const console = await (await fetch(new URL('console.txt', url))).text();
    const lines = [...console.matchAll(/\| line (\d+)$/gm)].map(([, line]) => Number(line));
    expect(lines).toEqual(Array.from({ length: 60 }, (_, index) => index + 1));
    await until(async () => (await onNode()).length === 0, DEADLINE);
  });
});
