import { existsSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { readYaml } from '../jobs/yaml.ts';
import { createMemory } from '../pipelines/layout/memory.ts';
import { readLayout } from '../pipelines/layout/read.ts';

/**
 * How long a layout takes to load: `npx tsx bench/layout.bench.ts [LAYOUT.yaml] [RUNS]`. Without a file: OpenStack's last
 * production layout from the conformance data. The first run is cold; the median of the others counts. CPU time stands
 * beside wall time, since a busy machine stretches only the latter; it includes the garbage collector's own threads. A reload has
 * one more job in one project each time; its cold run reads everything.
 */

const usual = new URL('../../shared/conformance/zuul-v2/openstack/layout-2017-10-24.yaml', import.meta.url);
const [file = usual.pathname, runsText = '40'] = process.argv.slice(2);
if (!existsSync(file)) {
  console.log(`no layout at ${file}: nothing was measured`);
  process.exit(0);
}
const source = { name: basename(file), text: readFileSync(file, 'utf8') };
const options = {
  dialect: 'zuul-2.6',
  connections: { gerrit: 'gerrit', smtp: 'smtp' },
  functions: 'any',
} as const;

function timed(work: () => void): { wall: number; cpu: number } {
  const cpu = process.cpuUsage();
  const start = performance.now();
  work();
  const wall = performance.now() - start;
  const used = process.cpuUsage(cpu);
  return { wall, cpu: (used.user + used.system) / 1000 };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function measure(work: () => void): { cold: number; best: number; wall: number; cpu: number } {
  const cold = timed(work).wall;
  const warm = Array.from({ length: Math.max(1, Number(runsText) - 1) }, () => timed(work));
  const best = Math.min(...warm.map((each) => each.wall));
  return {
    cold,
    best,
    wall: median(warm.map((each) => each.wall)),
    cpu: median(warm.map((each) => each.cpu)),
  };
}

const { layout, problems } = readLayout([source], options);
const memory = createMemory();
let reloads = 0;
// Among the first jobs that the middle project runs by itself.
const middle = source.text.indexOf('\n    check:\n      - ', source.text.length * 0.6);
const spot = middle < 0 ? source.text.length : middle + '\n    check:\n'.length;
const reload = measure(() => {
  reloads += 1;
  const text = `${source.text.slice(0, spot)}      - job-${reloads}\n${source.text.slice(spot)}`;
  readLayout([{ ...source, text }], { ...options, memory });
});
const yaml = measure(() => readYaml(source));
const whole = measure(() => readLayout([source], options));
const rows = { 'YAML with places': yaml, 'whole layout': whole, 'one project changed': reload };

console.log(
  `${source.name}: ${source.text.length} bytes, ${Object.keys(layout?.projects ?? {}).length} projects, ` +
    `${Object.keys(layout?.jobs ?? {}).length} jobs, ${problems.length} problems`,
);
for (const [name, { cold, best, wall, cpu }] of Object.entries(rows)) {
  const ms = (value: number): string => `${value.toFixed(1).padStart(8)} ms`;
  console.log(`${name.padEnd(20)} cold ${ms(cold)}   warm ${ms(wall)}   best ${ms(best)}   cpu ${ms(cpu)}`);
}
console.log(
  JSON.stringify({ bench: 'layout', file: source.name, bytes: source.text.length, yaml, whole, reload }),
);
