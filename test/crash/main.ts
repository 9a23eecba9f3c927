import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, styleText } from 'node:util';
import { defects, isCaught } from './defects.ts';
import { type PointResult, pointsOf, tracePoints, tryPoints } from './points.ts';
import { killAtRandom } from './random.ts';

const HELP = `npm run test:crash [-- options]

Kills Stackgate with SIGKILL before and after every durable step of a check run, then at random moments, and judges by
the simulated Gerrit's records, the file system and the processes left. Then it seeds defects, which must be seen.

  --kills N      random kills (default 200)
  --seed N       of the random part (default: the time, printed)
  --only WHAT    points, random or defects
  --match TEXT   only points whose name contains it
  --lanes N      sites at a time (default 3)`;

const { values: options } = parseArgs({
  options: {
    kills: { type: 'string', default: '200' },
    seed: { type: 'string', default: `${Date.now() % 1_000_000}` },
    only: { type: 'string' },
    match: { type: 'string', default: '' },
    lanes: { type: 'string', default: '3' },
    help: { type: 'boolean', default: false },
  },
});

const began = Date.now();
let passed = 0;
const failures: string[] = [];

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

const wants = (what: string) => options.only === undefined || options.only === what;
const lanes = Array.from({ length: Number(options.lanes) }, (_, lane) => lane);

async function points(dir: string): Promise<void> {
  const counts = await tracePoints(join(dir, 'trace'), {});
  const queue = pointsOf(counts).filter(({ name }) => name.includes(options.match));
  say(`a round passes ${counts.size} named steps; killing at ${queue.length} points`);
  const total = queue.length;
  let tried = 0;
  let died = 0;
  const told = ({ point, died: dead, violations }: PointResult) => {
    tried += 1;
    if (dead) died += 1;
    count(`${point.name}:${point.pass}`, violations);
    say(`${tried}/${total} ${point.name}:${point.pass}${dead ? '' : ' (not passed in this round)'}`);
  };
  await Promise.all(lanes.map((lane) => tryPoints(join(dir, `points-${lane}`), queue, {}, told)));
  summary.push(`${tried} crash points tried, ${died} of them died there`);
}

async function random(dir: string): Promise<void> {
  const kills = Math.ceil(Number(options.kills) / lanes.length);
  say(`killing at random, ${kills * lanes.length} times; --seed ${options.seed}`);
  const verdicts = await Promise.all(
    lanes.map((lane) =>
      killAtRandom(
        join(dir, `random-${lane}`),
        {
          kills,
          seed: Number(options.seed) + lane,
          told: (n) => n % 20 === 0 && say(`lane ${lane}: ${n} kills`),
        },
        {},
      ),
    ),
  );
  for (const [lane, verdict] of verdicts.entries())
    count(`random kills, seed ${Number(options.seed) + lane}`, verdict.violations);
  const sum = (pick: (verdict: (typeof verdicts)[number]) => number) =>
    verdicts.reduce((total, verdict) => total + pick(verdict), 0);
  summary.push(
    `${kills * lanes.length} random kills over ${sum((v) => v.patchsets)} patchsets, ${sum((v) => v.builds)} builds and ${sum((v) => v.reports)} reports`,
  );
}

async function seeded(dir: string): Promise<void> {
  let caught = 0;
  for (const [index, defect] of defects.entries()) {
    const seen = await isCaught(defect, join(dir, `defect-${index}`), ({ violations }) => {
      if (violations[0] !== undefined) say(`seen: ${violations[0].split('\n')[0]}`);
    });
    if (seen) caught += 1;
    count(`defect: ${defect.name}`, seen ? [] : ['the suite did not see it']);
    say(`defect "${defect.name}": ${seen ? 'caught' : 'NOT CAUGHT'}`);
  }
  summary.push(`${caught} of ${defects.length} seeded defects caught`);
}

const summary: string[] = [];

async function main(): Promise<number> {
  if (options.help) {
    console.log(HELP);
    return 0;
  }
  const dir = await mkdtemp(join(tmpdir(), 'stackgate-crash-'));
  // Jobs run as somebody else, who must be able to get through.
  await chmod(dir, 0o711);
  try {
    if (wants('points')) await points(dir);
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
