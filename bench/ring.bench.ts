import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { demoLayout } from '../test/demo/site.ts';
import { type Gerrit, startGerrit } from '../test/fakes/gerrit/server.ts';
import { type Instance, startInstance } from '../test/harness/instance.ts';
import { CI_USER, writeSite } from '../test/harness/site.ts';

/**
 * The main job, as an operator feels it: event on the wire → job step running, start → ready, memory and processor at rest.
 * A real Stackgate (from dist/) on its embedded default against the simulated Gerrit. `npx tsx bench/ring.bench.ts [file.json]`
 */

const PROJECT = 'org/bench';
const CHANGES = 40;
const IDLE_SECONDS = 20;

interface Figure {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  readonly target: string;
}

function jobs(marks: string): string {
  return `- job:
    name: demo-test
    node: local
    builders:
      - shell: |
          date +%s%N > ${marks}/$ZUUL_CHANGE
`;
}

/** ms from the moment the event was on the wire to the job's first command, for changes one after the other. */
async function latencies(gerrit: Gerrit, marks: string): Promise<number[]> {
  const found: number[] = [];
  for (let n = 0; n < CHANGES; n++) {
    const { number } = await gerrit.push(PROJECT, { user: 'ann' });
    const sent = Date.now();
    const mark = join(marks, `${number}`);
    await gerrit.waitFor(() => existsSync(mark) && readFileSync(mark, 'utf8').endsWith('\n'), 30_000);
    found.push(Number(readFileSync(mark, 'utf8').trim()) / 1e6 - sent);
    await gerrit.waitFor(() => gerrit.reviews({ user: CI_USER, change: number }).length === 1, 30_000);
  }
  return found.toSorted((a, b) => a - b);
}

/** Resident memory (MiB) and processor use (%) over some quiet seconds. */
async function atRest(instance: Instance): Promise<{ rss: number; cpu: number }> {
  const before = cpuSeconds(instance.pid);
  await sleep(IDLE_SECONDS * 1000);
  const cpu = ((cpuSeconds(instance.pid) - before) / IDLE_SECONDS) * 100;
  const rss = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${instance.pid}/status`, 'utf8'))?.[1]) / 1024;
  return { rss, cpu };
}

function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (
    (Number(fields[11]) + Number(fields[12])) /
    Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))
  );
}

function share(sorted: readonly number[], part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}

async function main(): Promise<Figure[]> {
  const dir = mkdtempSync(join(tmpdir(), 'stackgate-bench-'));
  const marks = join(dir, 'marks');
  mkdirSync(marks);
  chmodSync(marks, 0o1777);
  const gerrit = await startGerrit({ dir: join(dir, 'gerrit') });
  try {
    gerrit.account('ann', { name: 'Ann', email: 'ann@example.org' });
    await gerrit.createProject(PROJECT);
    const siteFile = await writeSite({ dir, gerrit, layout: demoLayout(PROJECT), jobs: jobs(marks) });
    const first = await startInstance(siteFile, { deadline: 60_000 });
    await first.kill('SIGTERM');
    const instance = await startInstance(siteFile);
    try {
      const { rss, cpu } = await atRest(instance);
      const waits = await latencies(gerrit, marks);
      return [
        {
          what: 'event on the wire to job step running, p50',
          value: share(waits, 0.5),
          unit: 'ms',
          target: '< 250',
        },
        {
          what: 'event on the wire to job step running, p95',
          value: share(waits, 0.95),
          unit: 'ms',
          target: '',
        },
        { what: 'start to ready, new data directory', value: first.readyAfter, unit: 'ms', target: '' },
        {
          what: 'start to ready, existing data directory',
          value: instance.readyAfter,
          unit: 'ms',
          target: '< 3000',
        },
        { what: 'memory at rest', value: rss, unit: 'MiB', target: '< 500' },
        { what: 'processor at rest', value: cpu, unit: '%', target: '' },
      ];
    } finally {
      await instance.kill('SIGTERM');
    }
  } finally {
    await gerrit[Symbol.asyncDispose]();
    rmSync(dir, { recursive: true, force: true });
  }
}

const figures = await main();
for (const { what, value, unit, target } of figures)
  console.log(`${what.padEnd(48)} ${value.toFixed(1).padStart(9)} ${unit.padEnd(4)} ${target}`);
const [file] = process.argv.slice(2);
if (file !== undefined) writeFileSync(file, `${JSON.stringify(figures, undefined, 2)}\n`);
