import { existsSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { readJobs } from '../jobs/resolve.ts';
import { readYaml } from '../jobs/yaml.ts';
import { readFiles } from '../test/conformance/jjb-corpus.ts';

/**
 * OpenStack's whole JJB corpus of 2017 (155 files, 12,336 jobs) from text to job definitions. JJB itself takes 24 s.
 * Run it with `npx tsx bench/jobs.bench.ts [TAR_OR_DIR]`.
 */

const input = process.argv[2] ?? '../shared/conformance/jjb/real/openstack-project-config/in.tar.gz';
const rounds = 5;

if (existsSync(input)) bench();
else console.log(`jobs bench: ${input} is not there: nothing was measured`);

function bench(): void {
  const files = readFiles(input);
  const texts = new Map(files.map((file) => [file.name, file.text]));
  const sources = files.filter((file) => /\.ya?ml$/.test(file.name));
  const bytes = sources.reduce((sum, source) => sum + source.text.length, 0);
  const yaml: number[] = [];
  const jobs: number[] = [];
  let count = 0;
  for (let round = 0; round < rounds; round++) {
    const start = performance.now();
    for (const source of sources) readYaml(source, { tags: {} });
    yaml.push(performance.now() - start);
    const begin = performance.now();
    count = Object.keys(
      readJobs(sources, { read: (path) => texts.get(path), unsupported: 'ignore' }).jobs,
    ).length;
    jobs.push(performance.now() - begin);
  }
  const row = (name: string, times: readonly number[]): void =>
    console.log(
      `${name}: first ${format(times[0])}, median ${format(times.toSorted((a, b) => a - b)[rounds >> 1])}`,
    );
  console.log(`${sources.length} files, ${Math.round(bytes / 1000)} kB, ${count} jobs`);
  row('YAML with places', yaml);
  row('text to definitions', jobs);
  console.log(`peak memory: ${Math.round(process.resourceUsage().maxRSS / 1024)} MB`);
}

function format(ms: number | undefined): string {
  return `${Math.round(ms ?? 0)} ms`;
}
