import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { CommandError } from '../../cli/client.ts';
import { listBuilds } from '../../cli/commands/builds.ts';
import { printConsole } from '../../cli/commands/log.ts';
import { type RunOptions, runJob } from '../../cli/commands/run.ts';
import { showStatus } from '../../cli/commands/status.ts';
import { Accepted, BuildPage } from '../../server/contract.ts';
import { demoLayout } from '../demo/site.ts';
import { type Story, startStory } from '../harness/inprocess.ts';
import { CI_USER } from '../harness/site.ts';

/** A person at a console: launches jobs, watches them live, takes the result as the exit code. */

const PROJECT = 'org/demo';
const DEADLINE = 60_000;

const jobs = `- job:
    name: demo-test
    node: local
    wrappers:
      - timestamps
    parameters:
      - string:
          name: COLOUR
          default: red
    builders:
      - shell: |
          echo "colour is $COLOUR, change is \${ZUUL_CHANGE:-none}"
          [ "$COLOUR" != black ] || exit 3
- job:
    name: slow
    node: local
    builders:
      - shell: 'while sleep 0.1; do :; done'
`;

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
afterEach(() => {
  vi.restoreAllMocks();
});

/** Runs a command and answers what it wrote and its exit code. */
async function typed(command: () => Promise<number>): Promise<{ code: number; out: string; err: string }> {
  const written = { out: '', err: '' };
  const keep = (to: 'out' | 'err') => (chunk: string | Uint8Array) => {
    written[to] += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString();
    return true;
  };
  vi.spyOn(process.stdout, 'write').mockImplementation(keep('out'));
  vi.spyOn(process.stderr, 'write').mockImplementation(keep('err'));
  const code = await command();
  vi.restoreAllMocks();
  return { code, ...written };
}

const options: RunOptions = { param: [], vote: false, detach: false, json: false };

describe('a person', { timeout: DEADLINE * 2 }, () => {
  it('runs a job, sees its console, and gets its result as the exit code', async () => {
    const good = await typed(() => runJob(story.client, 'demo-test', { ...options, param: ['COLOUR=blue'] }));
    expect(good).toMatchObject({ code: 0 });
    expect(good.out).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \| colour is blue, change is none$/m);
    expect(good.err).toMatch(/demo-test: SUCCESS in \d+s/);
    const bad = await typed(() => runJob(story.client, 'demo-test', { ...options, param: ['COLOUR=black'] }));
    expect(bad).toMatchObject({
      code: 1,
      err: expect.stringMatching(/demo-test: FAILURE in \d+s \(.*exit code 3\)/),
    });
  });

  it('runs a job on a change, and votes only when asked to', async () => {
    const { number } = await story.gerrit.push(PROJECT, { user: 'ann' });
    await story.gerrit.waitFor(
      () => story.gerrit.reviews({ user: CI_USER, change: number }).length === 1,
      DEADLINE,
    );
    const quiet = await typed(() => runJob(story.client, 'demo-test', { ...options, change: `${number},1` }));
    expect(quiet).toMatchObject({ code: 0, out: expect.stringContaining(`change is ${number}`) });
    expect(story.gerrit.reviews({ user: CI_USER, change: number })).toHaveLength(1);
    const loud = await typed(() =>
      runJob(story.client, 'demo-test', {
        ...options,
        change: `${number}`,
        param: ['COLOUR=black'],
        vote: true,
      }),
    );
    expect(loud.code).toBe(1);
    await story.gerrit.waitFor(() => story.gerrit.voteOf(number, 'Verified', CI_USER) === -1, DEADLINE);
  });

  it('is told at once what cannot be', async () => {
    await expect(runJob(story.client, 'demo-tset', options)).rejects.toThrow(/demo-tset/);
    const absent = runJob(story.client, 'demo-test', { ...options, change: '4711,1' });
    await expect(absent).rejects.toThrow(CommandError);
    await expect(runJob(story.client, 'demo-test', { ...options, param: ['1x=2'] })).rejects.toThrow(
      /NAME=VALUE/,
    );
  });

  it('sees what runs, and stops it', async () => {
    const run = typed(() => runJob(story.client, 'slow', options));
    const build = await vi.waitFor(
      async () => {
        const { builds } = await story.client.get('/api/v1/builds?job=slow', BuildPage);
        const found = builds.find(({ state }) => state === 'running');
        if (found === undefined) throw new Error('it does not run yet');
        return found;
      },
      { timeout: DEADLINE, interval: 20 },
    );
    await story.client.post(`/api/v1/builds/${build.uuid.slice(0, 7)}/cancel`, {}, Accepted);
    expect(await run).toMatchObject({ code: 7, err: expect.stringContaining('slow: ABORTED') });
    const status = await typed(() => showStatus(story.client, false));
    expect(status.out).toMatch(/^check: \d+ items$/m);
    const list = await typed(() => listBuilds(story.client, { job: 'slow' }, false));
    expect(list.out).toMatch(new RegExp(`^${build.uuid.slice(0, 7)}\\s+-\\s+run\\s+slow\\s+ABORTED`, 'm'));
    // The verdict is known at once; the build's processes, and with them its console, end moments later.
    await vi.waitFor(
      async () => {
        const console = await typed(() => printConsole(story.client, build.uuid));
        expect(console.out).toContain('Finished: ABORTED');
      },
      { timeout: DEADLINE, interval: 50 },
    );
  });
});
