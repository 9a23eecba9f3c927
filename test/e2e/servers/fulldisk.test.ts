import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { HealthView } from '../../../server/contract.ts';
import { demoLayout } from '../../demo/site.ts';
import { type Gerrit, startGerrit } from '../../fakes/gerrit/server.ts';
import { type Instance, startInstance } from '../../harness/instance.ts';
import { eventually } from '../../harness/servers.ts';
import { CI_USER, writeSite } from '../../harness/site.ts';

/** The disk of the data directory, full to the last byte, under a process that has everything in it. */

const asRoot = process.geteuid?.() === 0;
if (!asRoot) console.log('skipped: a disk of its own for a test needs root (mount); run it with sudo');

const PROJECT = 'org/full';
const PATIENCE = 110_000;
const run = promisify(execFile);

let dir: string;
let data: string;
let gerrit: Gerrit;
let one: Instance;

const jobs = () => `- job:
    name: demo-test
    node: local
    builders:
      - shell: |
          git init -q . && git fetch -q "$ZUUL_URL/$ZUUL_PROJECT" "$ZUUL_REF" && git checkout -q FETCH_HEAD
          touch ${dir}/marks/$ZUUL_CHANGE
          while [ "$(cat verdict)" = wait ] && [ ! -e ${dir}/marks/go ]; do echo tick; sleep 0.1; done
`;

beforeEach(async () => {
  if (!asRoot) return;
  dir = await mkdtemp(join(tmpdir(), 'stackgate-full-'));
  data = join(dir, 'data');
  await mkdir(data);
  await mkdir(join(dir, 'marks'));
  await chmod(join(dir, 'marks'), 0o1777);
  await run('mount', ['-t', 'tmpfs', '-o', 'size=400m,mode=711', 'tmpfs', data]);
  gerrit = await startGerrit({ dir: join(dir, 'gerrit') });
  gerrit.account('ann', { name: 'Ann Developer', email: 'ann@example.org' });
  await gerrit.createProject(PROJECT, { files: { README: 'full\n' } });
  one = await startInstance(await writeSite({ dir, gerrit, layout: demoLayout(PROJECT), jobs: jobs() }));
});

afterEach(async () => {
  if (!asRoot) return;
  await one.kill('SIGKILL');
  await gerrit[Symbol.asyncDispose]();
  await eventually(() => run('umount', [data]), PATIENCE);
  await rm(dir, { recursive: true, force: true });
});

async function fill(): Promise<void> {
  await using file = await open(join(data, 'fill'), 'w');
  const block = Buffer.alloc(4096);
  for (;;) {
    const full = await file.write(block).then(
      () => false,
      () => true,
    );
    if (full) return;
  }
}

const push = async (verdict: string) =>
  (await gerrit.push(PROJECT, { user: 'ann', files: { verdict } })).number;
const reviews = (change: number) => gerrit.reviews({ user: CI_USER, change });
const database = async () =>
  HealthView.parse(await (await one.get('/readyz')).json()).parts['database'] ?? { ok: false, detail: '' };
const until = (work: () => unknown) =>
  eventually(work, PATIENCE).catch((caught: unknown) => {
    throw new Error(`${String(caught)}\n${one.output()}`, { cause: caught });
  });

test.skipIf(!asRoot)(
  'a full disk: one sentence, nothing lost, and all goes on when there is room',
  {
    timeout: 4 * PATIENCE,
  },
  async () => {
    const running = await push('wait');
    await until(() => run('test', ['-e', join(dir, 'marks', String(running))]));
    await fill();
    const meanwhile = [await push('pass'), await push('pass')];
    await until(async () => expect(await database()).toMatchObject({ ok: false }));
    expect((await database()).detail).toMatch(/less than 64 MB are free where .* Nothing is lost/);
    // Pages and the status are read; the build that runs goes on, and so does whoever asks again and again for its turn.
    expect((await one.get('/api/v1/status')).status).toBe(200);
    expect((await one.get(`/api/v1/builds?change=${running}`)).status).toBe(200);
    await writeFile(join(dir, 'marks', 'go'), '');
    await new Promise((resolve) => setTimeout(resolve, 20_000));
    expect(reviews(meanwhile[0] ?? 0)).toEqual([]);

    await rm(join(data, 'fill'));
    for (const change of [running, ...meanwhile]) await until(() => expect(reviews(change)).toHaveLength(1));
    expect(reviews(running)[0]?.labels).toEqual({ Verified: 1 });
    expect(await database()).toEqual({ ok: true, detail: 'answers' });
    const warnings = one
      .output()
      .split('\n')
      .filter((line) => line.includes('"level":40'));
    expect(warnings.filter((line) => line.includes('less than 64 MB are free'))).toHaveLength(1);
    // The build that could not write its console says so itself.
    expect(warnings.filter((line) => !/64 MB|"kind":"build".*log site: ENOSPC/.test(line))).toEqual([]);
    expect(warnings.length).toBeLessThanOrEqual(2);
  },
);
