import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { z } from 'zod';
import { readJobs } from '../jobs/resolve.ts';
import { readYaml } from '../jobs/yaml.ts';
import { type CorpusFile, expandFiles, readFiles } from '../test/conformance/jjb-corpus.ts';

/**
 * OpenStack's whole JJB corpus of 2017 (155 files, 12,336 jobs): from text to jobs with their macros replaced, paired with
 * Debian's own jenkins-job-builder on the same files, and from text to job definitions, which JJB has no word for.
 * Run it with `npx tsx bench/jobs.bench.ts [TAR_OR_DIR]`; `PYTHON=` names another interpreter with jenkins-job-builder.
 */

const input = process.argv[2] ?? '../shared/conformance/jjb/real/openstack-project-config/in.tar.gz';
const rounds = 5;

function bench(files: readonly CorpusFile[]): void {
  const texts = new Map(files.map((file) => [file.name, file.text]));
  const sources = files.filter((file) => /\.ya?ml$/.test(file.name));
  const bytes = sources.reduce((sum, source) => sum + source.text.length, 0);
  const [yaml, expand, define]: [number[], number[], number[]] = [[], [], []];
  const timed = <T>(times: number[], run: () => T): T => {
    const start = performance.now();
    const result = run();
    times.push(performance.now() - start);
    return result;
  };
  let jobs = 0;
  for (let round = 0; round < rounds; round++) jobs = timed(expand, () => expandFiles(files)).jobs.size;
  const memory = Math.round(process.resourceUsage().maxRSS / 1024);
  for (let round = 0; round < rounds; round++) {
    timed(yaml, () => {
      for (const source of sources) readYaml(source, { tags: {} });
    });
    timed(define, () => readJobs(sources, { read: (path) => texts.get(path), unsupported: 'ignore' }));
  }
  const row = (name: string, times: readonly number[]): void => {
    const sorted = times.toSorted((a, b) => a - b);
    const shown = [times[0], sorted[0], sorted[rounds >> 1]].map((ms) => `${Math.round(ms ?? 0)} ms`);
    console.log(`${name}: first ${shown[0]}, best ${shown[1]}, median ${shown[2]}`);
  };
  console.log(`${sources.length} files, ${Math.round(bytes / 1000)} kB, ${jobs} jobs`);
  row('text to jobs, macros replaced', expand);
  console.log(`  peak memory until here: ${memory} MB`);
  row('of that, YAML with places', yaml);
  row('text to job definitions', define);
  pair(files, jobs, Math.min(...expand) / 1000);
}

const Told = z.object({ jobs: z.number(), seconds: z.number(), MB: z.number() });

/** The same files through Jenkins Job Builder: loading, expansion and macros, no XML. */
function pair(files: readonly CorpusFile[], jobs: number, ours: number): void {
  const python = process.env['PYTHON'] ?? '/usr/bin/python3';
  const version = 'import jenkins_jobs.version as v; print(v.version_info)';
  if (spawnSync(python, ['-c', version], { encoding: 'utf8' }).status !== 0) {
    console.log('JJB itself: skipped, no jenkins-job-builder here (apt-get install jenkins-job-builder)');
    return;
  }
  const scratch = mkdtempSync(join(tmpdir(), 'stackgate-bench-jjb-'));
  try {
    for (const { name, text } of files) {
      mkdirSync(dirname(join(scratch, name)), { recursive: true });
      writeFileSync(join(scratch, name), text);
    }
    const script = new URL('../test/conformance/jjb-record.py', import.meta.url).pathname;
    const { stdout, stderr } = spawnSync(python, [script, 'time', '.'], { cwd: scratch, encoding: 'utf8' });
    const told = Told.safeParse(stdout.startsWith('{') ? JSON.parse(stdout) : undefined);
    if (!told.success) {
      console.log(`JJB itself: failed: ${stderr.trim().split('\n').at(-1)}`);
      return;
    }
    const { seconds, MB } = told.data;
    console.log(
      `JJB itself: ${told.data.jobs} jobs in ${seconds} s, ${MB} MB: ${Math.round(seconds / ours)} times our best`,
    );
    if (told.data.jobs !== jobs) console.log(`JJB itself: it makes ${told.data.jobs} jobs, we ${jobs}`);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

if (existsSync(input)) bench(readFiles(input));
else console.log(`jobs bench: ${input} is not there: nothing was measured`);
