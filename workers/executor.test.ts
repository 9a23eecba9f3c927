import { spawn } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { JobDefinition } from '../jobs/definition.ts';
import { resolveJobUser, run } from '../nodepool/jobuser.ts';
import { defaultLimits, type FolderPlan } from '../nodepool/supervisor/plan.ts';
import { localShell } from '../nodepool/supervisor/shell.ts';
import type { BuildAction } from '../pipelines/action.ts';
import { stopped } from '../pipelines/fault.ts';
import type { Filed } from '../pipelines/ports.ts';
import { processesOf, until } from '../test/conformance/ports/shell.ts';
import { type ExecutorOptions, executor } from './executor.ts';
import { followConsole } from './logs/live.ts';
import { directorySite, readManifest } from './logs/site.ts';

/** The hand with a real supervisor and a real log site; the store's two tables are maps that outlive a run. */

const asRoot = process.geteuid?.() === 0;
let directory = '';
let plan: FolderPlan;
let filed: Filed[] = [];
let effects = new Map<string, unknown>();
let jobs: Record<string, JobDefinition> = {};

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'stackgate-executor-'));
  await chmod(directory, 0o711);
  await mkdir(join(directory, 'nodes'), { mode: 0o711 });
  plan = {
    limits: { ...defaultLimits, grace: 300 },
    user: await resolveJobUser(asRoot ? { user: 'nobody' } : { allowSameUser: true }),
    exclusive: false,
    noNewPrivileges: true,
    environment: {},
  };
  filed = [];
  effects = new Map();
  jobs = {};
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const never = () => new AbortController().signal;
const logPath = '34/1234/5/check/job/0123456';
const folder = () => join(directory, 'logs', logPath);

function hand(more: Partial<ExecutorOptions> = {}) {
  const shell = localShell(join(directory, 'nodes'), plan);
  const node = {
    id: 'local-0',
    name: 'local',
    label: 'local',
    labels: ['local', 'master'],
    slot: 0,
    role: 'primary',
    provider: 'local',
    root: directory,
  };
  return executor({
    store: {
      async file(facts) {
        const fresh = facts.filter((fact) => !filed.some((other) => other.key === fact.key));
        filed.push(...fresh);
        return fresh.length;
      },
      effect: async (action) => effects.get(action),
      saveEffect: async (action, value) => void effects.set(action, structuredClone(value)),
    },
    definition: async (_, job) => jobs[job],
    shellOf: async (lease) => (lease === 'lease-1' ? { shell, node } : undefined),
    site: directorySite({ directory: join(directory, 'logs'), url: 'https://ci.example.org/' }),
    clock: { now: () => Date.now() },
    ...more,
  });
}

function job(scripts: readonly string[], more: Partial<JobDefinition> = {}): JobDefinition {
  const made: JobDefinition = {
    name: 'job',
    node: '',
    builders: scripts.map((script) => ({ kind: 'shell', script })),
    timestamps: false,
    publishers: [],
    parameters: {},
    ...more,
  };
  jobs['job'] = made;
  return made;
}

const action: BuildAction = {
  kind: 'build',
  id: 'build-0123456789abcdef0123456789abcdef',
  uuid: '0123456789abcdef0123456789abcdef',
  number: 7,
  job: 'job',
  pipeline: 'check',
  project: 'openstack/cinder',
  config: 'digest',
  lease: 'lease-1',
  params: { ZUUL_CHANGE: '1234', ZUUL_PATCHSET: '5', ZUUL_BRANCH: 'master', MARK: 'executor-test-mark' },
  logPath,
};

async function log(): Promise<string> {
  return gunzipSync(await readFile(join(folder(), 'console.txt.gz'))).toString();
}

describe('executor', () => {
  test('a build that succeeds: facts, console, variables, artifacts, manifest', async () => {
    job(
      [
        '#!/bin/bash\necho "$JOB_NAME $BUILD_NUMBER $BUILD_ID $BUILD_TAG $NODE_NAME [$NODE_LABELS] $EXECUTOR_NUMBER $BUILD_TIMEOUT $ZUUL_CHANGE $FLAVOUR $BUILD_URL"\nmkdir logs; echo hi > logs/a.txt; echo tmp > logs/a.txt~; cp /bin/true logs/bin',
      ],
      {
        timestamps: true,
        timeout: { limit: 60_000, fail: false, variable: 'BUILD_TIMEOUT' },
        parameters: { FLAVOUR: 'sour' },
        publishers: [
          { kind: 'archive', include: ['logs/'], exclude: [], allowEmpty: false, onlyIfSuccess: false },
        ],
      },
    );
    const outcome = await hand()(action, never());
    const url = 'https://ci.example.org/34/1234/5/check/job/0123456/';
    expect(outcome).toMatchObject({ kind: 'finished', result: 'SUCCESS', url });
    expect(filed.map((each) => [each.key, each.fact.kind])).toEqual([
      [`started/${action.id}`, 'BuildStarted'],
    ]);
    const text = await log();
    expect(text).toContain(`job 7 7 jenkins-job-7 local [local master] 0 60000 1234 sour ${url}\n`);
    expect(text).toMatch(/\| Finished: SUCCESS in \d+s\n$/);
    for (const line of text.trimEnd().split('\n')) {
      expect(line).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \| /);
    }
    const manifest = await readManifest(folder());
    expect(manifest).toMatchObject({ result: 'SUCCESS', job: 'job', change: '1234', node: 'local' });
    expect(manifest?.files.map((file) => file.stored)).toEqual([
      'console.txt.gz',
      'logs/a.txt.gz',
      'logs/bin',
    ]);
    // Once written down, the answer stays, whatever became of the rest.
    await rm(folder(), { recursive: true });
    expect(await hand()(action, never())).toEqual(outcome);
  });

  test('failures have a word and a sentence', async () => {
    job(['#!/bin/sh\nexit 3']);
    expect(await hand()(action, never())).toMatchObject({
      result: 'FAILURE',
      detail: expect.stringContaining('3') as unknown,
    });
    job(['#!/bin/sh\nsleep 60'], { timeout: { limit: 300, fail: true } });
    expect(await hand()({ ...action, id: 'build-2', logPath: '1/2' }, never())).toMatchObject({
      result: 'TIMED_OUT',
    });
    job(['#!/bin/sh\ntrue'], {
      publishers: [
        { kind: 'archive', include: ['*.xml'], exclude: [], allowEmpty: false, onlyIfSuccess: true },
      ],
    });
    expect(await hand()({ ...action, id: 'build-3', logPath: '1/3' }, never())).toMatchObject({
      result: 'POST_FAILURE',
    });
    expect(await hand()({ ...action, id: 'build-4', job: 'nope' }, never())).toMatchObject({
      result: 'NOT_REGISTERED',
    });
    expect(await hand()({ ...action, id: 'build-5', lease: 'gone' }, never())).toMatchObject({
      kind: 'lost',
    });
  });

  test('a cancel ends the build, and what it wrote can be read', async () => {
    job(["#!/bin/bash\ntrap 'echo bye; exit 1' TERM\necho on; while :; do sleep 0.05; done"]);
    const cancel = new AbortController();
    const end = hand()(action, cancel.signal);
    await until(async () =>
      (await readFile(join(folder(), 'console.txt'), 'utf8').catch(() => '')).includes('on\n'),
    );
    cancel.abort(stopped('superseded'));
    expect(await end).toMatchObject({ kind: 'finished', result: 'ABORTED' });
    expect(await log()).toMatch(/on\n(?:.*\n)*bye\nEnded: cancelled\nFinished: ABORTED/);
    expect(await processesOf('executor-test-mark')).toEqual([]);
  });

  test('a cancel before the begin starts nothing; one before a second life stops what runs', async () => {
    job(['#!/bin/bash\nsleep 60']);
    const cancelled = AbortSignal.abort(stopped('abandoned'));
    expect(await hand()(action, cancelled)).toMatchObject({ result: 'ABORTED' });
    expect(await readdir(join(directory, 'nodes'))).toEqual([]);

    const first = new AbortController();
    const end = hand()(action, first.signal);
    await until(async () => filed.length > 0);
    first.abort(stopped());
    await expect(end).rejects.toMatchObject({ code: 'stopped' });
    await until(async () => (await processesOf('executor-test-mark')).length > 0);
    expect(await hand()(action, cancelled)).toMatchObject({ result: 'ABORTED' });
    expect(await processesOf('executor-test-mark')).toEqual([]);
  });

  test('begun but never started, then cancelled: aborted, and its log is final', async () => {
    job(['#!/bin/bash\necho ran']);
    effects.set(action.id, { phase: 'begun', at: Date.now() });
    expect(await hand()(action, AbortSignal.abort(stopped('dequeued')))).toMatchObject({ result: 'ABORTED' });
    expect(await log()).not.toContain('ran');
  });

  test('the end of our process lets go; the next life finds the build and writes every line once', async () => {
    job(['#!/bin/bash\nfor i in {1..40}; do echo "line $i"; sleep 0.02; done'], { timestamps: true });
    for (let life = 0; life < 3; life++) {
      const process = new AbortController();
      const end = hand()(action, process.signal);
      await until(async () =>
        (await readFile(join(folder(), 'console.txt'), 'utf8').catch(() => '')).includes(
          `line ${life * 5 + 1}\n`,
        ),
      );
      process.abort(stopped());
      await expect(end).rejects.toMatchObject({ code: 'stopped' });
    }
    const before = await readFile(join(folder(), 'console.txt'), 'utf8');
    expect(await hand()(action, never())).toMatchObject({ result: 'SUCCESS' });
    const text = await log();
    expect(text.startsWith(before)).toBe(true);
    expect(text.match(/line \d+/g)).toEqual(Array.from({ length: 40 }, (_, index) => `line ${index + 1}`));
    expect(filed).toHaveLength(1);
  });

  test('a supervisor that was killed makes the build lost; its output stays readable', async () => {
    job(['#!/bin/bash\necho last words; sleep 60']);
    const end = hand()(action, never());
    await until(async () =>
      (await readFile(join(folder(), 'console.txt'), 'utf8').catch(() => '')).includes('last words\n'),
    );
    const identity = await readFile(join(directory, 'nodes', action.id, 'supervisor'), 'utf8');
    process.kill(Number(identity.split(' ')[0]), 'SIGKILL');
    expect(await end).toMatchObject({ kind: 'lost' });
    expect(await log()).toMatch(/last words\nLost: /);
    expect(await readManifest(folder())).toMatchObject({ result: 'LOST' });
    expect(await processesOf('executor-test-mark')).toEqual([]);
    expect(await hand()(action, never())).toMatchObject({ kind: 'lost' });
  });

  test('secrets appear in no log, however they are printed', async () => {
    job([
      '#!/bin/bash\necho "pass: $TOKEN"; printf "%s" "${TOKEN:0:5}"; sleep 0.2; echo "${TOKEN:5}"; echo "${TOKEN:3}"',
    ]);
    await hand({ hidden: ['s3cr3t-token'] })(
      { ...action, params: { ...action.params, TOKEN: 's3cr3t-token' } },
      never(),
    );
    const text = await log();
    expect(text).not.toContain('s3cr3t-token');
    expect(text).toContain('pass: ****\n****\nr3t-token\n');
  });

  test('people read along while it runs', async () => {
    job(['#!/bin/bash\necho begin; sleep 0.3; echo end']);
    let text = '';
    const reading = (async () => {
      for await (const chunk of followConsole(folder(), 0, AbortSignal.timeout(20_000)))
        text += chunk.toString();
    })();
    const end = hand()(action, never());
    await until(async () => text.includes('\nbegin\n'));
    expect(text).not.toContain('\nend\n');
    await end;
    await reading;
    expect(text).toBe(await log());
  });

  test('as many and as large artifacts as a build may keep, and the rest by name', async () => {
    job(['#!/bin/bash\nhead -c 5000 /dev/zero > b.bin; for i in a c d e; do echo $i > $i.log; done'], {
      publishers: [
        { kind: 'archive', include: ['*'], exclude: ['a.*'], allowEmpty: true, onlyIfSuccess: false },
      ],
    });
    await hand({ artifacts: { files: 2, file: 1000, total: 10_000 } })(action, never());
    const manifest = await readManifest(folder());
    expect(manifest?.files.map((file) => file.path)).toEqual(['c.log', 'console.txt', 'd.log']);
    expect(manifest?.['skipped']).toEqual([
      { path: 'b.bin', why: expect.stringContaining('1000') as unknown },
      { path: 'e.log', why: expect.stringContaining('2 files') as unknown },
    ]);
    expect(await log()).toContain('Archived *: 2 files, 4 bytes, 2 left out');
  });

  test.skipIf(!asRoot)(
    'a log site without room waits for some; the build goes on meanwhile',
    async (context) => {
      const logs = join(directory, 'logs');
      await mkdir(logs);
      const mounted = await run('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', logs]);
      context.skip(mounted.code !== 0, 'mount is not allowed here');
      try {
        job(['#!/bin/bash\nfor i in {1..20000}; do echo "line $i of a console"; done']);
        await expect(hand()(action, never())).rejects.toMatchObject({ code: 'disk-full', retry: true });
        await expect(hand()(action, never())).rejects.toMatchObject({ code: 'disk-full' });
        await run('mount', ['-o', 'remount,size=16m', logs]);
        expect(await hand()(action, never())).toMatchObject({ result: 'SUCCESS' });
        expect((await log()).match(/^line \d+ of a console$/gm)).toHaveLength(20_000);
      } finally {
        await run('umount', ['-l', logs]);
      }
    },
  );

  test('a million short lines do not fill the memory', async () => {
    job(['#!/bin/sh\nyes | head -n 1000000'], { timestamps: true });
    const outcome = await hand({ consoleLimit: 8 * 1024 * 1024 })(action, never());
    expect(outcome).toMatchObject({ result: 'SUCCESS' });
    const text = await log();
    expect(text.length).toBeLessThan(8.1 * 1024 * 1024);
    expect(text).toMatch(/the rest is left out\]\n.*Finished: SUCCESS in \d+s\n$/);
  }, 60_000);
});

describe('crash points', () => {
  const points = ['start', 'started', 'publish', 'finish', 'finished'].flatMap((step) => [
    `build.${step}.before`,
    `build.${step}.after`,
  ]);

  test.each(points)('killed at %s, the next life answers the same build once', async (point) => {
    const script =
      '#!/bin/bash\necho run >> $TMPDIR/../../job/tmp/runs; cat $TMPDIR/runs; echo done; echo x > x.log';
    const definition = job([script], {
      publishers: [
        { kind: 'archive', include: ['x.log'], exclude: [], allowEmpty: false, onlyIfSuccess: false },
      ],
    });
    const child = spawn(
      process.execPath,
      [
        '--import',
        'tsx',
        '--input-type=module',
        '-e',
        `
        import { readFileSync, writeFileSync } from 'node:fs';
        const { executor } = await import(${JSON.stringify(new URL('executor.ts', import.meta.url).href)});
        const { directorySite } = await import(${JSON.stringify(new URL('logs/site.ts', import.meta.url).href)});
        const { localShell } = await import(${JSON.stringify(new URL('../nodepool/supervisor/shell.ts', import.meta.url).href)});
        const directory = ${JSON.stringify(directory)};
        const node = { id: 'local-0', name: 'local', label: 'local', role: 'primary', provider: 'local', root: directory };
        const save = (name, value) => writeFileSync(directory + '/' + name, JSON.stringify(value));
        await executor({
          store: {
            file: async (facts) => { save('facts', facts); return 1; },
            effect: async () => undefined,
            saveEffect: async (_, value) => save('effect', value),
          },
          definition: async () => (${JSON.stringify(definition)}),
          shellOf: async () => ({ shell: localShell(directory + '/nodes', ${JSON.stringify(plan)}), node }),
          site: directorySite({ directory: directory + '/logs', url: 'https://ci.example.org/' }),
          clock: { now: () => Date.now() },
        })(${JSON.stringify(action)}, new AbortController().signal);
        `,
      ],
      {
        env: { ...process.env, STACKGATE_CRASH_AT: point },
        stdio: ['ignore', 'ignore', 'inherit'],
        cwd: new URL('..', import.meta.url).pathname,
      },
    );
    const signal = await new Promise((resolve) => child.once('exit', (_, name) => resolve(name)));
    expect(signal).toBe('SIGKILL');
    const saved = async (name: string): Promise<unknown> => {
      const text = await readFile(join(directory, name), 'utf8').catch(() => undefined);
      return text === undefined ? undefined : JSON.parse(text);
    };
    const effect = await saved('effect');
    if (effect !== undefined) effects.set(action.id, effect);
    expect(await hand()(action, never())).toMatchObject({ kind: 'finished', result: 'SUCCESS' });
    const text = await log();
    expect(text.match(/^run$/gm)).toEqual(['run']);
    expect(text.match(/^done$/gm)).toEqual(['done']);
    expect(text.match(/^Finished: SUCCESS/gm)).toHaveLength(1);
    const manifest = await readManifest(folder());
    expect(manifest?.files.map((file) => file.path)).toEqual(['console.txt', 'x.log']);
  });
});
