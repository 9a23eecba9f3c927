import { chmod, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { JobDefinition } from '../jobs/definition.ts';
import { resolveJobUser } from '../nodepool/jobuser.ts';
import { defaultLimits } from '../nodepool/supervisor/plan.ts';
import { localShell } from '../nodepool/supervisor/shell.ts';
import type { BuildAction } from '../pipelines/action.ts';
import { stopped } from '../pipelines/fault.ts';
import { until } from '../test/conformance/ports/shell.ts';
import { executor } from './executor.ts';
import { directorySite } from './logs/site.ts';
import type { AskedBuild, BuildOutcome, Neighbours } from './neighbours.ts';
import type { BuildMail } from './publishers/mailer.ts';

/** What a build does outside its node happens once, however many lives the hand needs. */

let directory = '';
let effects = new Map<string, unknown>();
let mails: BuildMail[] = [];
let asked: AskedBuild[] = [];
let outcomes = new Map<string, BuildOutcome>();
/** Names of effects at which a life ends, once each, right after it was (or was not) written down. */
let deaths: { name: string; written: boolean }[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'stackgate-lives-'));
  await chmod(directory, 0o711);
  await mkdir(join(directory, 'nodes'), { mode: 0o711 });
  effects = new Map();
  mails = [];
  asked = [];
  outcomes = new Map();
  deaths = [];
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const action: BuildAction = {
  kind: 'build',
  id: 'build-0123456789abcdef0123456789abcdef',
  uuid: '0123456789abcdef0123456789abcdef',
  number: 7,
  job: 'job',
  pipeline: 'run',
  project: '',
  config: 'digest',
  lease: 'lease-1',
  params: {},
  logPath: 'run/job/0123456',
};

class Killed extends Error {}

async function hand(job: Omit<JobDefinition, 'name' | 'node' | 'timestamps' | 'parameters'>) {
  const user = await resolveJobUser(process.geteuid?.() === 0 ? { user: 'nobody' } : { allowSameUser: true });
  const plan = {
    limits: { ...defaultLimits, grace: 300 },
    user,
    exclusive: false,
    noNewPrivileges: true,
    environment: {},
  };
  const shell = localShell(join(directory, 'nodes'), plan);
  const node = { id: 'n', name: 'n', label: 'n', role: 'primary', provider: 'local', root: directory };
  const neighbours: Neighbours = {
    past: async () => [],
    tests: async () => undefined,
    async *artifacts() {},
    request: async (build) => void asked.push(build),
    outcome: async (id) => outcomes.get(id),
  };
  const build = executor({
    store: {
      file: async () => 1,
      effect: async (id) => effects.get(id),
      async saveEffect(id, value) {
        const death = deaths.find(({ name }) => id.endsWith(name));
        if (death?.written !== false) effects.set(id, structuredClone(value));
        if (death === undefined) return;
        deaths = deaths.filter((each) => each !== death);
        throw new Killed(death.name);
      },
    },
    definition: async () => ({ name: 'job', node: '', timestamps: false, parameters: {}, ...job }),
    shellOf: async () => ({ shell, node }),
    site: directorySite({ directory: join(directory, 'logs'), url: 'https://ci.example.org/' }),
    clock: { now: () => Date.now() },
    neighbours,
    publishers: { mailer: { send: async (mail) => void mails.push(mail) } },
  });
  return (signal: AbortSignal = new AbortController().signal) => build(action, signal);
}

const console = async () =>
  gunzipSync(await readFile(join(directory, 'logs', action.logPath, 'console.txt.gz'))).toString();

const failing = {
  builders: [{ kind: 'shell' as const, script: 'exit 1' }],
  publishers: [{ kind: 'mail' as const, recipients: ['ops@example.org'], everyUnstable: true }],
};

test('a mail that was written down as sent is not sent again', async () => {
  deaths = [{ name: '-mail', written: true }];
  const run = await hand(failing);
  await expect(run()).rejects.toThrow('-mail');
  expect(await run()).toMatchObject({ result: 'FAILURE' });
  expect(mails).toHaveLength(1);
  expect(await console()).toContain('Mailed ops@example.org\n');
});

test('one whose fate nobody knows carries the same id again', async () => {
  deaths = [{ name: '-mail', written: false }];
  const run = await hand(failing);
  await expect(run()).rejects.toThrow('-mail');
  expect(await run()).toMatchObject({ result: 'FAILURE' });
  expect(mails).toHaveLength(2);
  expect(new Set(mails.map(({ id }) => id)).size).toBe(1);
});

const triggering = {
  builders: [
    {
      kind: 'trigger' as const,
      jobs: ['child'],
      parameters: 'A=b',
      current: false,
      fileRequired: true,
      block: { stop: 'FAILURE', unstable: 'UNSTABLE', failure: 'FAILURE' } as const,
    },
    { kind: 'shell' as const, script: 'echo went on' },
  ],
  publishers: [],
};

test('a build that waits for another one is found waiting, and asks for the same one', async () => {
  const run = await hand(triggering);
  const first = new AbortController();
  const end = run(first.signal);
  await until(async () => asked.length > 0);
  first.abort(stopped());
  await expect(end).rejects.toMatchObject({ code: 'stopped' });
  const second = run();
  await until(async () => asked.length > 1);
  expect(asked[1]).toEqual(asked[0]);
  expect(asked[0]).toMatchObject({
    id: `${action.id}-1-0`,
    job: 'child',
    params: { A: 'b', UPSTREAM_JOB: 'job' },
  });
  outcomes.set(`${action.id}-1-0`, { result: 'UNSTABLE', url: 'https://ci.example.org/child/' });
  expect(await second).toMatchObject({
    result: 'UNSTABLE',
    detail: 'child: UNSTABLE https://ci.example.org/child/',
  });
  expect(await console()).toMatch(/went on\n/);
});

test('what a step was told stays so, whatever becomes of the other build', async () => {
  deaths = [{ name: '.step-1', written: true }];
  outcomes.set(`${action.id}-1-0`, { result: 'SUCCESS' });
  const run = await hand(triggering);
  // The first write says what is asked for; the life ends there.
  await expect(run()).rejects.toThrow(/step-1/);
  deaths = [{ name: '.step-1', written: true }];
  await expect(run()).rejects.toThrow(/step-1/);
  outcomes.set(`${action.id}-1-0`, { result: 'FAILURE' });
  expect(await run()).toMatchObject({ result: 'SUCCESS' });
});

test('steps after a build run once', async () => {
  deaths = [{ name: action.id, written: true }];
  const run = await hand({
    builders: [{ kind: 'shell', script: 'true' }],
    publishers: [
      {
        kind: 'after',
        on: ['SUCCESS'],
        steps: [{ kind: 'shell', script: 'echo x >>count; wc -l <count' }],
        unstable: false,
      },
    ],
  });
  await expect(run()).rejects.toThrow(Killed);
  deaths = [{ name: action.id, written: false }];
  await expect(run()).rejects.toThrow(Killed);
  expect(await run()).toMatchObject({ result: 'SUCCESS' });
  expect((await console()).match(/^1$/gm)).toHaveLength(1);
});

test('a missing secret is a failure with words, not a build', async () => {
  const run = await hand({
    builders: [{ kind: 'shell', script: 'echo ran' }],
    publishers: [],
    bindings: [{ kind: 'text', secret: 'token', variable: 'T' }],
  });
  expect(await run()).toMatchObject({
    result: 'FAILURE',
    detail: 'the site has no secret "token" for job job in pipeline run',
  });
  expect(await console()).not.toMatch(/^ran$/m);
});
