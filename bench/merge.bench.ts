import { execFileSync } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import type { MergeAction, MergeEntry } from '../pipelines/action.ts';
import { urlSource } from '../workers/git/source.ts';
import { createMerger } from '../workers/merger.ts';

/**
 * Merges a queue of 20 changes on a repository of openstack/neutron's size: 2,000 files, 15,000 commits, merges included.
 * Run it with `npx tsx bench/merge.bench.ts`.
 *
 * What is timed is one `merge` of the port: fetching, 20 merges, publishing the refs. The first row is a queue that the
 * merger sees for the first time; the second is the reset after its head failed: 19 changes merged anew, under new refs.
 */

const commits = Number(process.env['COMMITS'] ?? 15_000);
const files = 2_000;
const depth = 20;
const rounds = 5;

const root = await mkdtemp(join(tmpdir(), 'stackgate-bench-merge-'));
try {
  const upstream = join(root, 'upstream.git');
  await buildUpstream(upstream);
  const merger = createMerger({
    dir: join(root, 'data'),
    sources: { gerrit: urlSource(`file://${root}`) },
    url: () => 'http://localhost/p',
    warn: (message) => console.error(message),
  });
  const rows: Record<string, number[]> = {
    [`queue of ${depth}, with fetch`]: [],
    [`reset, ${depth - 1} again`]: [],
  };
  const cloning = performance.now();
  await run(merger, [change(upstream, 1, 0)]);
  console.log(`clone: ${Math.round(performance.now() - cloning)} ms`);
  for (let round = 1; round <= rounds; round++) {
    const stack = Array.from({ length: depth }, (_, n) => change(upstream, round * 100 + n, n));
    await idle(merger);
    rows[`queue of ${depth}, with fetch`]?.push(await timed(() => run(merger, stack)));
    const again = stack
      .slice(1)
      .map((entry) => ({ ...entry, ref: zuulRef(round * 100 + Number(entry.number), 'b') }));
    await idle(merger);
    rows[`reset, ${depth - 1} again`]?.push(await timed(() => run(merger, again)));
  }
  for (const [row, times] of Object.entries(rows)) {
    const sorted = times.toSorted((a, b) => a - b);
    const median = sorted[Math.floor(sorted.length / 2)] ?? 0;
    console.log(
      `${row.padEnd(24)} median ${median.toFixed(0)} ms, all ${sorted.map((ms) => ms.toFixed(0)).join(' ')}`,
    );
  }
  await merger[Symbol.asyncDispose]();
} finally {
  await rm(root, { recursive: true, force: true });
}

async function timed(work: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

async function run(merger: ReturnType<typeof createMerger>, stack: MergeEntry[]): Promise<void> {
  const action: MergeAction = { kind: 'merge', id: 'merge-bench', precedence: 'normal', stack };
  const outcome = await merger.merge(action, AbortSignal.timeout(600_000));
  if (outcome.kind !== 'merged') throw new Error(JSON.stringify(outcome));
}

/** A merge that is published already waits for the upkeep of the one before and does nothing else. */
async function idle(merger: ReturnType<typeof createMerger>): Promise<void> {
  await run(merger, [change(join(root, 'upstream.git'), 1, 0)]);
}

function zuulRef(n: number, kind: string): string {
  return `refs/zuul/master/Z${kind}${String(n).padStart(31, '0')}`;
}

/** A change near the tip that touches two files of its own. */
function change(dir: string, number: number, n: number): MergeEntry {
  const refspec = `refs/changes/${String(number).padStart(2, '0').slice(-2)}/${number}/1`;
  const text = `change ${number}\n`;
  const stream = [
    `commit ${refspec}`,
    'committer Ann <ann@example.org> 1800000000 +0000',
    data(`Change ${number}\n`),
    `from ${execFileSync('git', ['rev-parse', `refs/heads/master~${n % 10}`], { cwd: dir, encoding: 'utf8' }).trim()}`,
    ...[n * 7, n * 7 + 900].map((file) => `M 100644 inline ${path(file)}\n${data(text)}`),
    '',
  ].join('\n');
  execFileSync('git', ['fast-import', '--quiet', '--force'], { cwd: dir, input: stream });
  const revision = execFileSync('git', ['rev-parse', refspec], { cwd: dir, encoding: 'utf8' }).trim();
  const entry = {
    connection: 'gerrit',
    project: 'upstream',
    branch: 'master',
    patchset: '1',
    mode: 'merge' as const,
  };
  return { ...entry, number: `${number}`, refspec, revision, ref: zuulRef(number, 'a') };
}

function path(file: number): string {
  return `pkg${file % 20}/sub${file % 7}/module${file}.py`;
}

function data(text: string): string {
  return `data ${Buffer.byteLength(text)}\n${text}`;
}

/** History as Gerrit's projects have it: every change is a side branch of one commit, merged into master. */
async function buildUpstream(dir: string): Promise<void> {
  execFileSync('git', ['init', '--quiet', '--bare', '--initial-branch=master', dir]);
  const script = join(root, 'import');
  const out = createWriteStream(script);
  const write = (text: string) => out.write(`${text}\n`);
  let clock = 1_400_000_000;
  const header = (mark: number, ref: string) => {
    clock += 600;
    write(
      `commit ${ref}\nmark :${mark}\ncommitter Ann <ann@example.org> ${clock} +0000\n${data(`c${mark}\n`)}`,
    );
  };
  header(1, 'refs/heads/master');
  for (let file = 0; file < files; file++) {
    const lines = Array.from({ length: 150 }, (_, n) => `line ${n} of ${file}\n`).join('');
    write(`M 100644 inline ${path(file)}\n${data(lines)}`);
  }
  for (let n = 1; n < commits / 2; n++) {
    const side = n * 2;
    const file = (n * 37) % files;
    const lines = Array.from(
      { length: 150 },
      (_, k) => `line ${k} of ${file}, ${k === n % 150 ? n : 0}\n`,
    ).join('');
    header(side, 'refs/heads/side');
    write(`from :${side - 1}\nM 100644 inline ${path(file)}\n${data(lines)}`);
    header(side + 1, 'refs/heads/master');
    write(`from :${side - 1}\nmerge :${side}\nM 100644 inline ${path(file)}\n${data(lines)}`);
  }
  await new Promise<void>((done) => out.end(done));
  execFileSync('sh', ['-c', 'exec git fast-import --quiet <"$1"', 'sh', script], { cwd: dir });
  execFileSync('git', ['update-ref', '-d', 'refs/heads/side'], { cwd: dir });
}
