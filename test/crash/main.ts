import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, styleText } from 'node:util';
import { postgresMissing, redisMissing } from '../harness/servers.ts';
import { defects, isCaught } from './defects.ts';
import { type PointResult, pointsOf, tracePoints, tryPoints } from './points.ts';
import { killAtRandom, shuffled } from './random.ts';
import { crashServers, roleSteps, stopTheLeader, tryRolePoints } from './roles.ts';

const HELP = `npm run test:crash [-- options]

Kills Stackgate with SIGKILL before and after every durable step of a round (check and gate), then at random moments, then the
processes of a site with one for each role; stops the scheduler that leads; and judges by the simulated Gerrit's records, the
file system and the processes left. Then it seeds defects, which must be seen.

  --budget S     try as much as S seconds allow, drawn by the seed: another seed, other points
  --kills N      random kills (default 200)
  --seed N       of what is drawn (default: the time, printed)
  --only WHAT    points, random, roles or defects
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
const SHARES = { points: 0.4, roles: 0.62, random: 0.75, defects: 0.85 } as const;
type Part = keyof typeof SHARES;

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
function teller(part: Part, queue: unknown[], total: number) {
  let tried = 0;
  let died = 0;
  return {
    told: ({ point, died: dead, violations }: PointResult) => {
      tried += 1;
      if (dead) died += 1;
      count(`${point.name}:${point.pass}`, violations);
      say(`${tried}/${total} ${point.name}:${point.pass}${dead ? '' : ' (not passed in this round)'}`);
      if (!hasTime(part)) queue.length = 0;
    },
    sum: () => `${tried} of ${total} points tried, ${died} of them died there`,
  };
}

async function points(dir: string): Promise<void> {
  const counts = await tracePoints(join(dir, 'trace'), {});
  const queue = drawn(pointsOf(counts).filter(({ name }) => name.includes(options.match)));
  say(`a round passes ${counts.size} named steps; killing at ${queue.length} points`);
  const { told, sum } = teller('points', queue, queue.length);
  await Promise.all(lanes.map((lane) => tryPoints(join(dir, `points-${lane}`), queue, {}, told)));
  summary.push(`one process: ${sum()}`);
}

async function roles(dir: string): Promise<void> {
  const missing = postgresMissing() ?? redisMissing();
  if (missing !== undefined) {
    summary.push(`roles skipped: ${missing}`);
    return;
  }
  await using servers = await crashServers();
  const all = await roleSteps(join(dir, 'roles-trace'), servers, {});
  const queue = drawn(all.filter(({ role, name }) => `${role} ${name}`.includes(options.match)));
  say(`one process for each role: killing at ${queue.length} points`);
  const { told, sum } = teller('roles', queue, queue.length);
  const rounds = options.match !== '' ? 0 : options.budget === undefined ? 10 : 1;
  const stopped: string[] = [];
  const note = (result: PointResult) => {
    count(`${result.point.name}:${result.point.pass}`, result.violations);
    stopped.push(result.point.name);
    say(`the leader was stopped, replaced and woken up, ${stopped.length}/${rounds}`);
  };
  await Promise.all([
    ...(rounds === 0 ? [] : [stopTheLeader(join(dir, 'stopped'), servers, {}, rounds, note)]),
    ...lanes
      .slice(rounds === 0 ? 0 : 1)
      .map((lane) => tryRolePoints(join(dir, `roles-${lane}`), servers, queue, {}, told)),
  ]);
  summary.push(`each role: ${sum()}; the leader stopped and woken up ${stopped.length} times`);
}

async function random(dir: string): Promise<void> {
  const kills = Math.ceil(Number(options.kills) / lanes.length);
  say(`killing at random, at most ${kills * lanes.length} times; --seed ${seed}`);
  let made = 0;
  const told = () => {
    made += 1;
    if (made % 20 === 0) say(`${made} kills`);
    return hasTime('random');
  };
  const verdicts = await Promise.all(
    lanes.map((lane) => killAtRandom(join(dir, `random-${lane}`), { kills, seed: seed + lane, told }, {})),
  );
  for (const [lane, verdict] of verdicts.entries())
    count(`random kills, seed ${seed + lane}`, verdict.violations);
  const sum = (pick: (verdict: (typeof verdicts)[number]) => number) =>
    verdicts.reduce((total, verdict) => total + pick(verdict), 0);
  summary.push(
    `${made} random kills over ${sum((v) => v.patchsets)} patchsets, ${sum((v) => v.builds)} builds and ${sum((v) => v.reports)} reports`,
  );
}

async function seeded(dir: string): Promise<void> {
  let caught = 0;
  let tried = 0;
  for (const [index, defect] of drawn(defects).entries()) {
    // At least one, or a run could not tell that it sees anything.
    if (tried > 0 && !hasTime('defects')) break;
    tried += 1;
    const seen = await isCaught(defect, join(dir, `defect-${index}`), ({ violations }) => {
      if (violations[0] !== undefined) say(`seen: ${violations[0].split('\n')[0]}`);
    });
    if (seen) caught += 1;
    count(`defect: ${defect.name}`, seen ? [] : ['the suite did not see it']);
    say(`defect "${defect.name}": ${seen ? 'caught' : 'NOT CAUGHT'}`);
  }
  summary.push(`${caught} of ${tried} seeded defects caught (${defects.length} there are)`);
}

async function main(): Promise<number> {
  if (options.help) {
    console.log(HELP);
    return 0;
  }
  if (options.budget !== undefined) say(`as much as ${options.budget} s allow, drawn by --seed ${seed}`);
  const dir = await mkdtemp(join(tmpdir(), 'stackgate-crash-'));
  // Jobs run as somebody else, who must be able to get through.
  await chmod(dir, 0o711);
  try {
    if (wants('points')) await points(dir);
    if (wants('roles')) await roles(dir);
    if (wants('random')) await random(dir);
    if (wants('defects')) await seeded(dir);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
  console.log(`\n${summary.join('\n')}\n${failures.length} violations`);
  console.log(`${passed} passed, ${failures.length} failed`);
  return failures.length === 0 ? 0 : 1;
}

process.exitCode = await main();
