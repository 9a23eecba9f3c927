import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import type { Fact } from '../pipelines/event.ts';
import { readLayout } from '../pipelines/layout/read.ts';
import type { SiteConfig } from '../pipelines/ports.ts';
import { step } from '../pipelines/step.ts';
import { account, mustChange, revisionOf } from '../test/harness/gerrit.ts';
import { create, deliver, endBuild, openRing, type Ring, running } from '../test/harness/ring.ts';

/**
 * How long the kernel thinks: a gate of 1,000 items under OpenStack’s last layout (10,122 jobs), and a stream of events that
 * are nobody’s business. `npx tsx bench/kernel.bench.ts [LAYOUT] [ITEMS]`
 */

function openstackLayout(): string {
  const folder = '../shared/conformance/zuul-v2/openstack';
  if (!existsSync(folder)) throw new Error(`no layout given, and no ${folder}`);
  const name =
    readdirSync(folder)
      .filter((each) => each.endsWith('.yaml'))
      .sort()
      .at(-1) ?? '';
  return join(folder, name);
}

function load(file: string): SiteConfig {
  const { layout, problems } = readLayout([{ name: file, text: readFileSync(file, 'utf8') }], {
    dialect: 'zuul-2.6',
    connections: { gerrit: 'gerrit', smtp: 'smtp' },
    functions: 'any',
  });
  if (layout === undefined) throw new Error(problems.map(({ message }) => message).join('\n'));
  const jobs = Object.fromEntries(Object.keys(layout.jobs).map((name) => [name, {}]));
  return { digest: 'bench', layout, jobs, needs: {} };
}

function timed(name: string, times: number[]): void {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (q: number) =>
    (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0).toFixed(3);
  console.log(`${name}: n=${times.length} p50=${at(0.5)} p90=${at(0.9)} p99=${at(0.99)} max=${at(1)} ms`);
}

/** Steps of the ring, each timed by itself. */
function measure(ring: Ring, act: () => void): number[] {
  const times: number[] = [];
  const from = ring.facts.length;
  ring.time = (ms) => times.push(ms);
  act();
  delete ring.time;
  if (ring.facts.length - from !== times.length) throw new Error('a step was not timed');
  return times;
}

const [file = openstackLayout(), wanted = '1000'] = process.argv.slice(2);
const items = Number(wanted);
let start = performance.now();
const config = load(file);
console.log(
  `layout read in ${(performance.now() - start).toFixed(0)} ms: ${Object.keys(config.layout.projects).length} projects`,
);

start = performance.now();
const ring = openRing(config);
console.log(`configured in ${(performance.now() - start).toFixed(1)} ms`);
const gate = config.layout.pipelines.find(({ name }) => name === 'gate');
const projects = gate?.queues.find(({ projects: names }) => names.includes('openstack/nova'))?.projects ?? [
  'openstack/nova',
];

const enqueued = measure(ring, () => {
  for (let n = 1; n <= items; n++) {
    const number = String(100_000 + n);
    const project = projects[n % projects.length] ?? 'openstack/nova';
    create(ring, { number, project, files: ['nova/compute/manager.py', 'nova/tests/test_it.py'] });
    const change = mustChange(ring.gerrit, number);
    const best = { 'Code-Review': 2, Approved: 1, Verified: 2 };
    for (const [label, value] of Object.entries(best)) {
      change.votes.push({ user: 'jenkins', label, value, grantedOn: ring.now });
    }
    deliver(ring, {
      kind: 'EnqueueRequested',
      at: ring.now,
      id: `e${n}`,
      by: 'bench',
      pipeline: 'gate',
      project,
      number,
      patchset: '1',
    });
  }
});
const queue = [...ring.world.tables.queues.values()].sort((a, b) => b.items.length - a.items.length)[0];
console.log(
  `queue ${queue?.name.slice(0, 40) ?? '-'}: ${queue?.items.length ?? 0} items, window ${queue?.window ?? 0}`,
);
timed('enqueue', enqueued);

const worked = measure(ring, () => {
  for (let n = 0; n < 600; n++) {
    const live = running(ring);
    const build = live[(n * 7) % Math.max(1, live.length)];
    if (build === undefined) break;
    ring.now += 1000;
    endBuild(ring, build, n % 97 === 96 ? 'FAILURE' : 'SUCCESS');
  }
});
timed('work (builds end, heads merge, resets)', worked);

const again = { ...config, digest: 'again' };
timed(
  'reconfigure',
  measure(ring, () => deliver(ring, { kind: 'Configured', at: ring.now, digest: 'again' }, again)),
);
const front = [...ring.world.tables.queues.values()].sort((a, b) => b.items.length - a.items.length)[0]
  ?.items[0];
const head = ring.world.tables.items.get(front ?? '')?.subject;
if (head?.kind === 'change') {
  const { project, number } = head;
  const request = { at: ring.now, by: 'bench', pipeline: 'gate' };
  timed(
    'dequeue the head',
    measure(ring, () => deliver(ring, { kind: 'DequeueRequested', ...request, id: 'd', project, number })),
  );
  const last = [...ring.world.tables.items.values()].findLast((item) => item.pipeline === 'gate')?.subject;
  const changes = last?.kind === 'change' ? [`${last.number},${last.patchset}`] : [];
  timed(
    'promote the last',
    measure(ring, () => deliver(ring, { kind: 'PromoteRequested', ...request, id: 'p', changes })),
  );
}

const strangers: Fact[] = [];
const names = Object.keys(config.layout.projects);
for (let n = 0; n < 20_000; n++) {
  const number = String(500_000 + n);
  strangers.push({
    kind: 'GerritEvent',
    at: ring.now,
    connection: 'gerrit',
    via: 'stream',
    type: 'comment-added',
    project: n % 2 === 0 ? (names[n % names.length] ?? '') : `foreign/project-${n}`,
    branch: 'master',
    number,
    patchset: '1',
    revision: revisionOf(number, '1'),
    account: account('reviewer'),
    comment: `Patch Set 1:\n\n${'I do not think that this is right. '.repeat(16)}`,
    approvals: [],
  });
}
start = performance.now();
for (const fact of strangers) step(ring.world, fact);
const seconds = (performance.now() - start) / 1000;
console.log(`events nobody wants: ${Math.round(strangers.length / seconds)}/s`);
