import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type ExplainOptions, explain } from '../../cli/commands/explain.ts';
import { type DiffOptions, diff, type ShowOptions, show } from '../../cli/commands/show.ts';
import { type SimulateOptions, simulate } from '../../cli/commands/simulate.ts';
import { demoLayout } from '../demo/site.ts';
import { type Story, startStory } from '../harness/inprocess.ts';

/** Commands that change nothing, as a person runs them: against a running server, and on recorded layouts without one. */

const PROJECT = 'org/demo';
const jobs = `- job:
    name: demo-test
    node: local
    builders:
      - shell: 'true'
`;

/** What a command writes to stdout, with its exit code. */
async function outputOf(run: () => number | Promise<number>): Promise<{ code: number; text: string }> {
  let text = '';
  const spy = vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    text += String(chunk);
    return true;
  });
  try {
    return { code: await run(), text };
  } finally {
    spy.mockRestore();
  }
}

const asked: ExplainOptions = { vote: [], all: false, json: false };
const shown: ShowOptions = { json: false };
const replayed: SimulateOptions = {
  since: '1h',
  defaultTime: '600',
  jobTime: [],
  fail: [],
  seed: '1',
  fileFilters: false,
  summary: false,
  json: false,
};

describe('a running server', { timeout: 120_000 }, () => {
  let story: Story;
  beforeAll(async () => {
    story = await startStory({ layout: demoLayout(PROJECT), jobs }, async (gerrit) => {
      gerrit.account('ann', { name: 'Ann Developer', email: 'ann@example.org' });
      await gerrit.createProject(PROJECT);
    });
  }, 90_000);
  afterAll(async () => {
    await story[Symbol.asyncDispose]();
  }, 30_000);

  it('explains a change as Gerrit has it, and what a comment would start', async () => {
    const { number } = await story.gerrit.push(PROJECT, { user: 'ann', files: { README: 'x' } });
    const options = { ...asked, config: story.siteFile };
    const { text } = await outputOf(() => explain(`${number},1`, options));
    expect(text).toMatch(new RegExp(`^\\+ change ${number},1: ${PROJECT}, branch master`));
    expect(text).toContain('+ job demo-test');
    expect(text).toMatch(/pipeline check {2}\[layout\.yaml:\d+:\d+\]/);
    const said = await outputOf(() => explain(`${number}`, { ...options, comment: 'nothing', user: 'ann' }));
    expect(said.text).toContain('the comment matches none of its patterns');
    await expect(explain('999', options)).rejects.toMatchObject({ exit: 3 });
  });

  it('replays what the server wrote down', async () => {
    const options = { ...replayed, config: story.siteFile, summary: true, json: true };
    const { text } = await outputOf(() => simulate(undefined, options));
    expect(JSON.parse(text)).toMatchObject({
      events: { unreadable: 0 },
      pipelines: [{ name: 'check', items: { SUCCESS: 1 }, reports: 1 }],
      jobs: [{ name: 'demo-test', launches: 1 }],
    });
  });

  it('shows the configuration of its site and what another one would change', async () => {
    const own = { ...shown, config: story.siteFile };
    const { text } = await outputOf(() => show({ ...own, job: 'demo-test' }));
    expect(text).toContain(`used by            ${PROJECT}: check`);
    expect(text).toMatch(/runs +1 step on local, 0 publishers {2}\[jobs/);
    const other = join(story.dir, 'other.yaml');
    writeFileSync(other, demoLayout(PROJECT).replace('demo-test', 'renamed'));
    const options: DiffOptions = { config: story.siteFile, exitCode: true, json: false };
    const changed = await outputOf(() => diff(other, options));
    expect(changed.code).toBe(1);
    expect(changed.text).toContain('    check: - demo-test\n    check: + renamed');
    const same = await outputOf(() => diff(story.siteFile, options));
    expect(same).toMatchObject({ code: 0, text: expect.stringContaining('\nnothing\n') });
  });
});

const recorded = new URL('../../../shared/conformance/zuul-v2/openstack/', import.meta.url).pathname;
const layout = join(recorded, 'layout-2017-10-24.yaml');
if (!existsSync(layout)) console.log(`no recorded layouts at ${recorded}: their story is skipped`);

describe.skipIf(!existsSync(layout))("OpenStack's last layout", { timeout: 60_000 }, () => {
  let dir: string;
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'stackgate-dryrun-'));
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  it('says which jobs of nova run, and which rule lets the others out', async () => {
    const options = { ...asked, layout, project: 'openstack/nova', files: 'nova/api.py', json: true };
    const { text } = await outputOf(() => explain(undefined, options));
    expect(JSON.parse(text)).toMatchObject({ explanation: { verdict: 'yes' }, notes: [] });
    const plain = await outputOf(() => explain(undefined, { ...options, json: false }));
    expect(plain.text).toContain('+ job gate-nova-pep8-ubuntu-xenial');
    expect(plain.text).toContain('- job gate-nova-api-ref: no file of the change matches ^tox.ini$ or ');
  });

  it('says what a job was made from', async () => {
    const job = 'gate-tempest-dsvm-neutron-linuxbridge-ubuntu-xenial';
    const { text } = await outputOf(() => show({ ...shown, layout, job }));
    expect(text).toMatch(/parameter-function set_node_options {2}\[layout-2017-10-24\.yaml:1104:5\]/);
    expect(text).toContain(
      '^gate-tempest-dsvm-neutron-linuxbridge-ubuntu-xenial$  [layout-2017-10-24.yaml:2501:5]',
    );
    expect(() => show({ ...shown, layout, job: 'gate-nova-pep9-ubuntu-xenial' })).toThrow(/there is no job/);
  });

  it('replays a day of events', async () => {
    const file = join(dir, 'events.json');
    const events = Array.from({ length: 8 }, (_, index) => ({
      type: 'patchset-created',
      change: { project: 'openstack/nova', branch: 'master', number: index + 1, id: `I${index}` },
      patchSet: { number: 1, revision: String(index).padStart(40, '0'), parents: [] },
      uploader: { username: 'jane' },
      eventCreatedOn: 1_500_000_000 + index * 60,
    }));
    writeFileSync(file, events.map((event) => JSON.stringify(event)).join('\n'));
    const options = { ...replayed, layout, nodes: '50', jobTime: ['*tempest*=3600'], json: true };
    const { text } = await outputOf(() => simulate(file, options));
    expect(JSON.parse(text)).toMatchObject({
      events: { read: 8, ours: 0, unreadable: 0 },
      nodes: { capacity: 50, most: 50 },
      pipelines: expect.arrayContaining([expect.objectContaining({ name: 'check', items: { SUCCESS: 8 } })]),
    });
    const again = await outputOf(() => simulate(file, options));
    expect(again.text).toBe(text);
    const plain = await outputOf(() => simulate(file, { ...options, json: false }));
    expect(plain.text).toContain('report  check  1,1  success');
    expect(plain.text).toContain('8 read, 0 of our own account (stackgate) left out');
  });
});
