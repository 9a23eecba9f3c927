import { randomUUID } from 'node:crypto';
import type { Client } from '../../cli/client.ts';
import { Accepted, RunView } from '../../server/contract.ts';
import { demoLayout } from '../demo/site.ts';
import { sshNodes } from '../e2e/nodes/pool.ts';
import { type Story, startStory } from './inprocess.ts';
import type { SiteSpec } from './site.ts';

/** Stories about what jobs do: a real Stackgate with one pipeline nobody needs, and jobs that are run by hand. */

export const PROJECT = 'org/demo';
export const DEADLINE = 120_000;

export interface Ran {
  readonly uuid: string;
  readonly result: string;
  readonly detail: string | null;
  readonly console: string;
  /** Address of its log folder. */
  readonly url: string;
  readonly startedAt: number;
  readonly finishedAt: number;
  /** A file of the log folder as text; undefined when it is not there. */
  file(path: string): Promise<string | undefined>;
  manifest(): Promise<Readonly<Record<string, unknown>>>;
}

export interface JobStory extends Story {
  run(job: string, params?: Readonly<Record<string, string>>): Promise<Ran>;
}

export async function startJobs(
  jobs: string,
  { site, ...more }: Partial<Pick<SiteSpec, 'connections' | 'parallel'>> & { site?: string } = {},
): Promise<JobStory> {
  const demo = '\n- job: {name: demo-test, node: local, builders: [{shell: "true"}]}\n';
  const machines =
    process.env['STACKGATE_JOBS_ON'] === 'ssh' ? await sshNodes(more.parallel ?? 4) : undefined;
  const spec = {
    ...(machines === undefined ? {} : { local: false, nodepool: machines.nodepool }),
    layout: demoLayout(PROJECT),
    jobs: jobs.includes('name: demo-test') ? jobs : `${jobs}${demo}`,
    ...more,
    more: (site ?? '').split('\n'),
  };
  const story = await startStory(spec, async (gerrit) => {
    gerrit.account('ann', { name: 'Ann Developer', email: 'ann@example.org' });
    await gerrit.createProject(PROJECT);
  }).catch(async (caught: unknown) => {
    await machines?.[Symbol.asyncDispose]();
    throw caught;
  });
  const run: JobStory['run'] = async (job, params = {}) => await runJob(story.client, job, params);
  // A story restarts its client with itself.
  const end = async () => {
    await story[Symbol.asyncDispose]();
    await machines?.[Symbol.asyncDispose]();
  };
  return Object.create(story, {
    run: { value: run, enumerable: true },
    [Symbol.asyncDispose]: { value: end },
  });
}

async function runJob(client: Client, job: string, params: Readonly<Record<string, string>>): Promise<Ran> {
  const { id } = await client.post(
    '/api/v1/run',
    { job, params, vote: false },
    Accepted,
    `run-${randomUUID()}`,
  );
  return await ranOf(client, id);
}

/** The end of a run, whoever asked for it. */
export async function ranOf(client: Client, id: string): Promise<Ran> {
  const view = await untilTrue(async () => {
    const found = await client.get(`/api/v1/run/${id}`, RunView);
    if (found.state === 'refused') throw new Error(`refused: ${found.why ?? ''}`);
    return found.state === 'finished' && found;
  });
  const build = view.builds.at(-1);
  if (build?.url === null || build?.url === undefined) throw new Error(`no build: ${JSON.stringify(view)}`);
  const { url } = build;
  const file = async (path: string) => {
    const answer = await fetch(new URL(path, url));
    return answer.ok ? await answer.text() : undefined;
  };
  return {
    uuid: build.uuid,
    result: build.result ?? '',
    detail: build.detail,
    console: (await file('console.txt')) ?? '',
    url,
    startedAt: build.startedAt ?? 0,
    finishedAt: build.finishedAt ?? 0,
    file,
    manifest: async () => JSON.parse((await file('manifest.json')) ?? '{}'),
  };
}

export async function untilTrue<T>(what: () => Promise<T | undefined | false>): Promise<T> {
  const end = Date.now() + DEADLINE;
  while (Date.now() < end) {
    const value = await what();
    if (value !== undefined && value !== false) return value;
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  throw new Error(`it did not happen in time: ${what.toString()}`);
}
