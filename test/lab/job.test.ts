import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BuildPage } from '../../server/contract.ts';
import { demoLayout } from '../demo/site.ts';
import { type Story, startStory } from '../harness/inprocess.ts';
import { CI_USER } from '../harness/site.ts';
import { type Hosts, openHosts } from './hosts.ts';
import { labMissing } from './missing.ts';

const missing = labMissing();
if (missing !== undefined) console.log(`skipped: ${missing}`);

const PROJECT = 'org/demo';
const deadline = 120_000;

/** What a multinode job does first: who am I, who are the others, and do they hear me. */
const jobs = `- job:
    name: demo-test
    node: three
    wrappers:
      - timeout:
          timeout: 5
      - timestamps
    builders:
      - shell: |
          git init -q . && git fetch -q "$ZUUL_URL/$ZUUL_PROJECT" "$ZUUL_REF" && git checkout -q FETCH_HEAD
          set +x
          echo "role $(cat /etc/nodepool/role), user $(id -un), change $(cat file)"
          for ip in $(cat /etc/nodepool/sub_nodes_private); do
            echo "underlay: $(ssh -o BatchMode=yes -i /etc/nodepool/id_rsa $ip cat /etc/nodepool/role)"
          done
          for number in 2 3; do
            ping -q -c 1 -W 5 -M do -s 1422 172.24.4.$number >/dev/null
            echo "overlay: $(ssh -q -o BatchMode=yes -o StrictHostKeyChecking=no 172.24.4.$number cat /etc/nodepool/role)"
          done
`;

/** The lab as a cloud, and a node set of three of its machines. */
function nodepool(lab: string, key: string): string {
  const cloud = (command: string) => `[${join(import.meta.dirname, 'cloud')}, ${command}, ${lab}]`;
  return `labels:
  - name: host
    providers: [lab]
node-sets:
  - name: three
    primary: host
    subnodes: 2
    network:
      topology: dvr
      driver: linux
providers:
  - name: lab
    driver: command
    max-servers: 3
    username: zuul
    private-key: ${key}
    create: ${cloud('create')}
    list: ${cloud('list')}
    delete: ${cloud('delete')}
`;
}

describe.skipIf(missing !== undefined)('a job on three nodes of the lab', () => {
  let folder: string;
  let hosts: Hosts;
  let story: Story;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lab-job-'));
    hosts = await openHosts();
    await writeFile(join(folder, 'key'), hosts.key, { mode: 0o600 });
    await writeFile(join(folder, 'nodepool.yaml'), nodepool(hosts.lab.id, join(folder, 'key')));
    const more = [`  nodepool: ${join(folder, 'nodepool.yaml')}`];
    story = await startStory({ layout: demoLayout(PROJECT), jobs, more }, async (gerrit) => {
      gerrit.account('ann', { name: 'Ann Developer', email: 'ann@example.org' });
      await gerrit.createProject(PROJECT);
    });
  }, deadline);
  afterAll(async () => {
    await story?.[Symbol.asyncDispose]();
    await hosts?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  }, deadline);

  it('reads /etc/nodepool and talks across, from a push to the vote', { timeout: deadline }, async () => {
    const { number } = await story.gerrit.push(PROJECT, { user: 'ann', files: { file: 'mine' } });
    const reviews = () => story.gerrit.reviews({ user: CI_USER, change: number });
    await story.gerrit.waitFor(() => reviews().length === 1, deadline);
    const [build] = (await story.client.get(`/api/v1/builds?change=${number}`, BuildPage)).builds;
    if (typeof build?.url !== 'string') throw new Error('no build');
    const page = await fetch(new URL('console.txt', build.url));
    const text = await page.text();
    const said = [...text.matchAll(/(role|underlay|overlay)[:]? .*$/gm)].map(([line]) => line);
    expect(said).toEqual([
      'role primary, user zuul, change mine',
      'underlay: sub',
      'underlay: sub',
      'overlay: sub',
      'overlay: sub',
    ]);
    expect(reviews()[0]).toMatchObject({ labels: { Verified: 1 } });
    // Used nodes are never used again: the machines go.
    const until = Date.now() + deadline;
    while ((await hosts.lab.nodes()).length > 0 && Date.now() < until) await sleep(50);
    expect(await hosts.lab.nodes()).toEqual([]);
  });
});
