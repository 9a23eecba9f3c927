import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { readLayout } from '../pipelines/layout/read.ts';
import type { SiteConfig } from '../pipelines/ports.ts';
import { step } from '../pipelines/step.ts';
import { mustChange, revisionOf } from '../test/harness/gerrit.ts';
import { create, deliver, endBuild, openRing, type Ring, running } from '../test/harness/ring.ts';
import { toFact } from '../workers/gerrit/event.ts';

/**
 * How long the kernel thinks: a gate of 1,000 items under OpenStack’s last layout (10,122 jobs), and a stream of events that
 * are nobody’s business, read from Gerrit’s lines. `npx tsx bench/kernel.bench.ts [LAYOUT] [ITEMS]`
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

const every: number[] = [];
const byKind = new Map<string, number[]>();

function timed(name: string, times: readonly number[]): void {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (q: number) =>
    (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0).toFixed(3);
  console.log(
    `${name.padEnd(32)} n=${times.length} p50=${at(0.5)} p90=${at(0.9)} p99=${at(0.99)} max=${at(1)} ms`,
  );
}

/** Steps of the ring, each timed by itself. */
function measure(ring: Ring, act: () => void): number[] {
  const times: number[] = [];
  const from = ring.facts.length;
  ring.time = (ms) => times.push(ms);
  act();
  delete ring.time;
  const facts = ring.facts.slice(from);
  if (facts.length !== times.length) throw new Error('a step was not timed');
  facts.forEach(({ fact: { kind } }, n) => {
    byKind.set(kind, [...(byKind.get(kind) ?? []), times[n] ?? 0]);
  });
  every.push(...times);
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

console.log('a fact to its actions, processor time:');
for (const [kind, times] of byKind) timed(`  ${kind}`, times);
timed('  every fact', every);

/** What Gerrit sends for a comment of 600 characters. */
function commentLine(n: number, project: string, text: string): string {
  const number = 500_000 + n;
  const person = { name: 'Jane Reviewer', email: 'jane@example.org', username: 'jane' };
  const id = `I${revisionOf(`${number}`, '0')}`;
  const ref = `refs/changes/${`${number}`.slice(-2)}/${number}/1`;
  const revision = revisionOf(`${number}`, '1');
  return JSON.stringify({
    author: person,
    approvals: [{ type: 'Verified', description: 'Verified', value: '0' }],
    comment: text,
    patchSet: { number: 1, revision, parents: [revisionOf(`${number}`, 'p')], ref, uploader: person },
    change: {
      project,
      branch: 'master',
      id,
      number,
      subject: 'Do it',
      owner: person,
      status: 'NEW',
      url: `https://review.example.org/c/${project}/+/${number}`,
      commitMessage: `Do it\n\n${'It was not done before. '.repeat(10)}\n\nChange-Id: ${id}\n`,
    },
    project: { name: project },
    refName: 'refs/heads/master',
    changeKey: { key: id },
    type: 'comment-added',
    eventCreatedOn: 1_500_000_000 + n,
  });
}

const names = Object.keys(config.layout.projects);
const prose = 'I do not think that this is right. '.repeat(20).slice(0, 580);
const lines = Array.from({ length: 20_000 }, (_, n) => {
  const ours = names[n % names.length] ?? '';
  // One in ten is for us; of the others half are about projects of ours.
  if (n % 10 === 0) return commentLine(n, ours, `Patch Set 1:\n\nrecheck\n\n${prose}`);
  return commentLine(n, n % 2 === 0 ? ours : `foreign/project-${n}`, `Patch Set 1:\n\n${prose}`);
});
const rounds = Array.from({ length: 5 }, () => {
  const cpu = process.cpuUsage();
  start = performance.now();
  let wanted = 0;
  for (const line of lines) {
    const fact = toFact(line, 'gerrit', ring.now);
    if (fact !== undefined && step(ring.world, fact).actions.length > 0) wanted += 1;
  }
  const { user, system } = process.cpuUsage(cpu);
  return { wall: performance.now() - start, cpu: (user + system) / 1000, wanted };
}).sort((a, b) => a.cpu - b.cpu);
const perSecond = (ms: number) => Math.round(lines.length / (ms / 1000));
const [best, , middle] = rounds;
console.log(
  `comments parsed and matched: ${perSecond(best?.cpu ?? 0)}/s at best, ${perSecond(middle?.cpu ?? 0)}/s in the middle ` +
    `(processor time; ${perSecond(middle?.wall ?? 0)}/s by the clock), ${middle?.wanted ?? 0} of ${lines.length} wanted`,
);
