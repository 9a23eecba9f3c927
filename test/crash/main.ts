import { chmod, mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs, styleText } from 'node:util';
import { makeCluster } from '../../workers/store/pglite.ts';
import { missing as sshdMissing } from '../e2e/nodes/sshd.ts';
import { postgresMissing, redisMissing } from '../harness/servers.ts';
import { labMissing } from '../lab/missing.ts';
import type { Stage } from './cast.ts';
import { openCloud } from './cloud.ts';
import { defects, isCaught } from './defects.ts';
import { openHosts } from './hosts.ts';
import { nameOf, type Point, type PointResult, tracePoints, tryPoints } from './points.ts';
import { killAtRandom, shuffled } from './random.ts';
import { apart, crashServers, stopTheLeader } from './roles.ts';
import { twoBuilds } from './rounds.ts';
import { quickFolder, removed } from './tmp.ts';

const HELP = `npm run test:crash [-- options]

Kills Stackgate with SIGKILL before and after every durable step of a round (check and gate): one process with builds on its own
machine, one with builds on static hosts over SSH, one with node sets of the lab, and the processes of a site with one for each role. Stops the scheduler that
leads. Kills at random moments. Judges by the simulated Gerrit's records, the mails, the hosts, the file system and the processes
left. Then it seeds defects, which must be seen.

  --budget S     try as much as S seconds allow, drawn by the seed: another seed, other points
  --kills N      random kills (default 200)
  --seed N       of what is drawn (default: the time, printed)
  --only WHAT    points, hosts, cloud, roles, random or defects
  --match TEXT   only points whose name contains it (of roles: \`worker report\`)
  --lanes N      sites at a time (default 3)`;

const { values: options } = parseArgs({
  options: {
    budget: { type: 'string' },
    kills: { type: 'string', default: '200' },
    seed: { type: 'string', default: `${Date.now() % 1_000_000}` },
    only: { type: 'string' },
    match: { type: 'string', default: '' },
    lanes: { type: 'string', default: '3' },
    help: { type: 'boolean', default: false },
  },
});

const began = Date.now();
const budget = options.budget === undefined ? Number.POSITIVE_INFINITY : Number(options.budget) * 1000;
const seed = Number(options.seed);
let passed = 0;
const failures: string[] = [];
const summary: string[] = [];

/** How far into the budget each part may begin something new: the last one started still has to end. */
const SHARES = { points: 0.25, hosts: 0.42, cloud: 0.55, roles: 0.7, random: 0.8, defects: 0.88 } as const;
type Part = keyof typeof SHARES;
/** So many points of a part are tried however slow the machine is. */
const LEAST = 3;

const wants = (part: Part) => options.only === undefined || options.only === part;
const hasTime = (part: Part): boolean =>
  Date.now() - began < budget * (options.only === undefined ? SHARES[part] : 0.8);
const lanes = Array.from({ length: Number(options.lanes) }, (_, lane) => lane);

function say(text: string): void {
  console.log(`${((Date.now() - began) / 1000).toFixed(0).padStart(5)} s  ${text}`);
}

function count(name: string, violations: readonly string[]): void {
  if (violations.length === 0) {
    passed += 1;
    return;
  }
  failures.push(name);
  console.log(styleText('red', `VIOLATION at ${name}`));
  for (const violation of violations) console.log(violation.replace(/^/gm, '    '));
}

/** With a budget in an order that the seed draws, so that every run tries others first. */
function drawn<T>(all: readonly T[]): T[] {
  return options.budget === undefined ? [...all] : shuffled(all, seed);
}

/** Counts what is told, and empties the queue when the time for this part is over. */
function teller(part: Part, queue: Point[]) {
  const total = queue.length;
  let tried = 0;
  let died = 0;
  return {
    told: ({ point, died: dead, violations }: PointResult) => {
      tried += 1;
      if (dead) died += 1;
      count(nameOf(point), violations);
      say(`${tried}/${total} ${nameOf(point)}${dead ? '' : ' (not passed in this round)'}`);
      if (tried >= LEAST && !hasTime(part)) queue.length = 0;
    },
    sum: () => `${tried} of ${total} points tried, ${died} of them died there`,
  };
}

/** Steps of which it matters where builds run; the others are tried elsewhere. */
const OF_MACHINES = /^(shell|node|request)\.|^build\.(start|stop|publish|scp|after|finish)/;

/** The life of a node and of a lease, and what is done on nodes. */
const OF_POOL = /^(node|request|shell)\./;

async function points(dir: string, part: Part, stage: Stage, steps = /^/): Promise<void> {
  const all = await tracePoints(join(dir, `${part}-trace`), stage);
  const queue = drawn(all.filter((each) => steps.test(each.name) && nameOf(each).includes(options.match)));
  say(`${part}: killing at ${queue.length} points`);
  const { told, sum } = teller(part, queue);
  await Promise.all(lanes.map((lane) => tryPoints(join(dir, `${part}-${lane}`), stage, queue, told)));
  summary.push(`${part}: ${sum()}`);
}

async function hosts(dir: string, cluster: string): Promise<void> {
  const missing = sshdMissing();
  if (missing !== undefined) {
    summary.push(`hosts skipped: ${missing}`);
    return;
  }
  const site = () => ({ cluster, machines: openHosts });
  await points(dir, 'hosts', { roles: ['start'], plain: {}, site }, OF_MACHINES);
}

async function cloud(dir: string, cluster: string): Promise<void> {
  const missing = labMissing();
  if (missing !== undefined) {
    summary.push(`cloud skipped: ${missing}`);
    return;
  }
  const site = () => ({ cluster, machines: openCloud });
  await points(dir, 'cloud', { roles: ['start'], plain: {}, site, round: twoBuilds }, OF_POOL);
}

async function roles(dir: string): Promise<void> {
  const missing = postgresMissing() ?? redisMissing();
  if (missing !== undefined) {
    summary.push(`roles skipped: ${missing}`);
    return;
  }
  await using servers = await crashServers();
  const stage = apart(servers);
  const rounds = options.match !== '' ? 0 : options.budget === undefined ? 10 : 1;
  let stopped = 0;
  const note = ({ point, violations }: PointResult) => {
    stopped += 1;
    count(nameOf(point), violations);
    say(`the leader was stopped, replaced and woken up, ${stopped}/${rounds}`);
  };
  // Most of that is waiting.
  const stopping = rounds === 0 ? undefined : stopTheLeader(join(dir, 'stopped'), stage, rounds, note);
  await Promise.all([points(dir, 'roles', stage), stopping]);
  if (rounds > 0) summary.push(`the leader stopped and woken up ${stopped} times`);
}

async function random(dir: string, stage: Stage): Promise<void> {
  const kills = Math.ceil(Number(options.kills) / lanes.length);
  say(`killing at random, at most ${kills * lanes.length} times; --seed ${seed}`);
  let made = 0;
  const told = () => {
    made += 1;
    if (made % 20 === 0) say(`${made} kills`);
    return hasTime('random');
  };
  const verdicts = await Promise.all(
    lanes.map((lane) => killAtRandom(join(dir, `random-${lane}`), stage, { kills, seed: seed + lane, told })),
  );
  for (const [lane, verdict] of verdicts.entries())
    count(`random kills, seed ${seed + lane}`, verdict.violations);
  const sum = (pick: (verdict: (typeof verdicts)[number]) => number) =>
    verdicts.reduce((total, verdict) => total + pick(verdict), 0);
  summary.push(
    `${made} random kills over ${sum((v) => v.patchsets)} patchsets, ${sum((v) => v.builds)} builds and ${sum((v) => v.reports)} reports`,
  );
}

async function seeded(dir: string, cluster: string): Promise<void> {
  let caught = 0;
  let tried = 0;
  const told = ({ violations }: PointResult) => {
    if (violations[0] !== undefined) say(`seen: ${violations[0].split('\n')[0]}`);
  };
  const queue = drawn(defects);
  const lane = async (): Promise<void> => {
    for (let defect = queue.shift(); defect !== undefined; defect = queue.shift()) {
      // At least one, or a run could not tell that it sees anything.
      if (tried > 0 && !hasTime('defects')) return;
      tried += 1;
      const seen = await isCaught(defect, join(dir, `defect-${tried}`), cluster, told);
      if (seen) caught += 1;
      count(`defect: ${defect.name}`, seen ? [] : ['the suite did not see it']);
      say(`defect "${defect.name}": ${seen ? 'caught' : 'NOT CAUGHT'}`);
    }
  };
  await Promise.all(lanes.map(lane));
  summary.push(`${caught} of ${tried} seeded defects caught (${defects.length} there are)`);
}

async function main(): Promise<number> {
  if (options.help) {
    console.log(HELP);
    return 0;
  }
  if (options.budget !== undefined) say(`as much as ${options.budget} s allow, drawn by --seed ${seed}`);
  const dir = await mkdtemp(join(quickFolder(), 'stackgate-crash-'));
  // Jobs run as somebody else, who must be able to get through.
  await chmod(dir, 0o711);
  const cluster = join(dir, 'cluster');
  await makeCluster(cluster);
  const alone: Stage = { roles: ['start'], plain: {}, site: () => ({ cluster }) };
  try {
    if (wants('points')) await points(dir, 'points', alone);
    if (wants('hosts')) await hosts(dir, cluster);
    if (wants('cloud')) await cloud(dir, cluster);
    if (wants('roles')) await roles(dir);
    if (wants('random')) await random(dir, alone);
    if (wants('defects')) await seeded(dir, cluster);
  } finally {
    await removed(dir);
  }
  console.log(`\n${summary.join('\n')}\n${failures.length} violations`);
  console.log(`${passed} passed, ${failures.length} failed`);
  return failures.length === 0 ? 0 : 1;
}

process.exitCode = await main();
