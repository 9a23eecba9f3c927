import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { HealthView, PoolLabels, ReloadView } from '../../server/contract.ts';
import { demoLayout } from '../demo/site.ts';
import { type Story, startStory } from '../harness/inprocess.ts';

/** A configuration that changes while Stackgate runs: taken as a whole, or refused with every reason. */

const PROJECT = 'org/demo';
const job = (name: string, script = 'true') =>
  `- job:\n    name: ${name}\n    node: local\n    builders: [{shell: '${script}'}]\n`;

const rack = (host: string, more = '') =>
  `labels: [{name: big}]\nproviders:\n  - {driver: static, name: rack, nodes: [{name: one, host: ${host}, labels: [array]${more}}]}\n`;

async function metric(story: Story, name: string): Promise<number> {
  const text = await (await story.client.open('/metrics')).text();
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
}

const detail = async (story: Story) =>
  (await story.client.get('/readyz', HealthView)).parts['configuration']?.detail;

const refusals = (story: Story) => story.log().filter(({ msg }) => msg.startsWith('reload refused')).length;

describe('files', { timeout: 120_000 }, () => {
  let story: Story;
  beforeAll(async () => {
    const nodepool = rack('192.0.2.1');
    story = await startStory(
      { layout: demoLayout(PROJECT), jobs: job('demo-test'), nodepool },
      async (gerrit) => {
        await gerrit.createProject(PROJECT);
      },
    );
  }, 90_000);
  afterAll(async () => {
    await story[Symbol.asyncDispose]();
  }, 30_000);
  const jobs = (text: string) => writeFileSync(join(story.dir, 'jobs/jobs.yaml'), text);
  const ask = () => story.client.post('/api/v1/reload', {}, ReloadView);

  it('takes effect as a whole, and the asker is told what changed', async () => {
    jobs(job('demo-test', 'make check') + job('demo-lint'));
    const layout = demoLayout(PROJECT).replace('- demo-test', '- demo-test\n      - demo-lint');
    writeFileSync(join(story.dir, 'layout.yaml'), layout);
    const { changed, changes, summary } = await ask();
    expect({ changed, summary }).toEqual({ changed: true, summary: expect.stringContaining('1 job added') });
    expect(changes.join('\n')).toMatch(/\+ job demo-lint[\s\S]*~ job definition demo-test/);
    expect(story.log().some(({ msg }) => msg.startsWith('reloaded: '))).toBe(true);
    expect(await metric(story, 'stackgate_config_reload_success')).toBe(1);
    expect(await ask()).toEqual({ changed: false, summary: 'nothing changed', changes: [] });
  });

  it('stays as it was when anything is wrong, and says so everywhere', async () => {
    jobs(`${job('demo-test')}- job:\n    name: demo-lint\n    builders: [{shel: x}]\n`);
    await expect(ask()).rejects.toMatchObject({
      exit: 1,
      message: expect.stringMatching(
        /jobs\/jobs\.yaml:7:\d+: error\[unsupported-builder\][\s\S]*Did you mean "shell"\?/,
      ),
      hint: 'the old configuration stays in force',
    });
    expect(refusals(story)).toBe(1);
    expect(await detail(story)).toMatch(
      /^reload refused at .* \(\d+ errors\); the old one is in force since/,
    );
    expect(await metric(story, 'stackgate_config_reload_success')).toBe(0);
    jobs(job('demo-test', 'make check') + job('demo-lint'));
    expect((await story.reload()).changed).toBe(false);
    expect(await detail(story)).toMatch(/^in force since/);
    expect(await metric(story, 'stackgate_config_reload_success')).toBe(1);
  });

  it('takes nodepool.yaml with the rest, or nothing of it', async () => {
    const pool = (text: string) => writeFileSync(join(story.dir, 'nodepool.yaml'), text);
    pool(rack('192.0.2.7', ', max-parallel-jobs: 2').replace('big', 'small'));
    const { changes, summary } = await ask();
    expect(summary).toBe('1 host changed, 1 label added, 1 label removed');
    expect(changes).toEqual([
      '~ host rack/one',
      '    host: 192.0.2.1 -> 192.0.2.7',
      '    max-parallel-jobs: (not set) -> 2',
      '- label big',
      '+ label small',
    ]);
    const labels = async () => (await story.client.get('/api/v1/labels', PoolLabels)).labels;
    await vi.waitFor(async () => expect((await labels()).map(({ name }) => name)).toEqual(['small']), 30_000);
    jobs(job('demo-test', 'make test') + job('demo-lint'));
    pool(rack('192.0.2.7').replace('labels', 'lables'));
    await expect(ask()).rejects.toMatchObject({
      exit: 1,
      message: expect.stringMatching(/nodepool\.yaml:1:1: error\[unknown-key\][\s\S]*did you mean `labels`/),
    });
    expect((await labels()).map(({ name }) => name)).toEqual(['small']);
    pool(rack('192.0.2.7').replace('big', 'small'));
    jobs(job('demo-test', 'make check') + job('demo-lint'));
    expect((await ask()).summary).toBe('1 host changed');
  });

  it('asks for a token', async () => {
    const response = await fetch(new URL('/api/v1/reload', story.client.base), { method: 'POST' });
    expect(response.status).toBe(401);
  });
});

describe('a data repository', { timeout: 180_000 }, () => {
  const home = mkdtempSync(join(tmpdir(), 'stackgate-repository-'));
  const clone = join(home, 'clone');
  const bare = join(home, 'data.git');
  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=Ann', '-c', 'user.email=ann@example.org', ...args], {
      cwd: clone,
      stdio: 'pipe',
    });
  const push = (path: string, text: string) => {
    mkdirSync(join(clone, 'ci/jobs'), { recursive: true });
    writeFileSync(join(clone, path), text);
    git('add', '-A');
    git('commit', '--quiet', '-m', 'change');
    git('push', '--quiet', bare, 'HEAD:refs/heads/main');
  };
  let story: Story;
  beforeAll(async () => {
    execFileSync('git', ['init', '--quiet', '--bare', '--initial-branch=main', bare]);
    execFileSync('git', ['init', '--quiet', clone]);
    push('ci/layout.yaml', demoLayout(PROJECT));
    push('ci/jobs/one.yaml', job('demo-test'));
    push('nodepool.yaml', rack('192.0.2.1'));
    const more = [
      'layout: ci/layout.yaml',
      'jobs: ci/jobs',
      `repository: {url: ${bare}, branch: main, every: 200ms}`,
    ];
    // That of the repository counts.
    const nodepool = 'labels: [';
    story = await startStory({ layout: '', jobs: '', more, nodepool }, async (gerrit) => {
      await gerrit.createProject(PROJECT);
    });
  }, 90_000);
  afterAll(async () => {
    await story[Symbol.asyncDispose]();
    rmSync(home, { recursive: true });
  }, 30_000);
  const reloaded = () => story.log().filter(({ msg }) => msg.startsWith('reloaded: '));
  const wait = { timeout: 60_000, interval: 50 };

  it('is followed: a valid commit takes effect by itself', async () => {
    push('ci/jobs/two.yaml', job('demo-two'));
    await vi.waitFor(() => expect(reloaded()).toHaveLength(1), wait);
    expect(reloaded()[0]).toMatchObject({
      reason: 'repository',
      commit: expect.stringMatching(/^[0-9a-f]{40}$/),
    });
  });

  it('says which machines there are', async () => {
    push('nodepool.yaml', rack('192.0.2.1').replace('big', 'small'));
    await vi.waitFor(() => expect(reloaded()).toHaveLength(2), wait);
    expect(reloaded()[1]?.msg).toBe('reloaded: 1 label added, 1 label removed');
    await vi.waitFor(async () => {
      const { labels } = await story.client.get('/api/v1/labels', PoolLabels);
      expect(labels.map(({ name }) => name)).toEqual(['small']);
    }, wait);
  });

  it('is refused where it is broken, once; the last good commit survives a restart', async () => {
    push('ci/layout.yaml', demoLayout(PROJECT).replace('- demo-test', '- demo-tset'));
    await vi.waitFor(() => expect(refusals(story)).toBe(1), wait);
    await story.restart();
    expect(refusals(story)).toBe(1);
    expect(await detail(story)).toMatch(/in force since/);
    // The broken commit is looked at again after a restart, and a correction is taken.
    push('ci/layout.yaml', demoLayout(PROJECT).replace('- demo-test', '- demo-two'));
    await vi.waitFor(() => expect(reloaded()).toHaveLength(3), wait);
    expect(reloaded()[2]?.['changes']).toEqual(expect.arrayContaining([expect.stringContaining('demo-two')]));
  });

  it('may be away: what is in force stays', async () => {
    execFileSync('mv', [bare, `${bare}.away`]);
    const gone = () => story.log().some(({ msg }) => /reload failed, the old configuration stays/.test(msg));
    await vi.waitFor(() => expect(gone()).toBe(true), wait);
    await story.restart();
    execFileSync('mv', [`${bare}.away`, bare]);
    await vi.waitFor(async () => expect(await detail(story)).toMatch(/^in force/), wait);
  });
});
