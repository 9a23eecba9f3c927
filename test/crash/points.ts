import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Cast, castOf, type Role, type Stage } from './cast.ts';
import { type Expected, judge } from './judge.ts';
import { settled } from './rounds.ts';

/** Killing at every named step. A point is a name and how often it is passed before the process dies there. */
export interface Point {
  readonly role: Role;
  readonly name: string;
  readonly pass: number;
  /** Counted from the start of a fresh process, instead of from the beginning of a round in one that has lived. */
  readonly fresh?: boolean;
}

export interface PointResult {
  readonly point: Point;
  /** False: this round never came by there a `pass`-th time. */
  readonly died: boolean;
  readonly violations: readonly string[];
}

export function nameOf({ role, name, pass, fresh }: Point): string {
  return `${role === 'start' ? '' : `${role} `}${name}:${pass}${fresh === true ? ' of a fresh process' : ''}`;
}

/** Runs one round undisturbed and answers the points that its processes passed. */
export async function tracePoints(dir: string, stage: Stage): Promise<Point[]> {
  const trace = (role: Role) => join(dir, `trace-${role}`);
  await using cast = await castOf(dir, stage, (role) => ({ STACKGATE_CRASH_TRACE: trace(role) }));
  const { site, door } = cast;
  try {
    for (const keeper of cast.keepers.values()) await keeper.ready(site.deadline);
    const started = new Map<Role, string[]>();
    for (const role of stage.roles) started.set(role, await linesOf(trace(role)));
    const expected = await cast.play(site);
    await settled(cast, expected);
    const { violations } = judge(site, expected);
    if (violations.length > 0) throw new Error(violations.join('\n'));
    const points: Point[] = [];
    for (const role of stage.roles) {
      const before = started.get(role) ?? [];
      const later = (await linesOf(trace(role))).slice(before.length);
      points.push(...pointsOf(role, before, later));
    }
    return points;
  } catch (caught) {
    throw new Error(`the undisturbed round did not end well; it was said:\n${door.outputs.join('\n')}`, {
      cause: caught,
    });
  }
}

async function linesOf(file: string): Promise<string[]> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text.split('\n').filter((line) => line !== '');
}

/** Steps that every kind of fact and action passes: there it matters which one it was. */
const SHARED = /^(store|scheduler)\./;

/** The first passing of each step at the start, and in a round; of a shared one that a round passes often, the one in the middle. */
function pointsOf(role: Role, started: readonly string[], round: readonly string[]): Point[] {
  const counts = new Map<string, number>();
  for (const name of round) counts.set(name, (counts.get(name) ?? 0) + 1);
  const starts = new Set(started);
  const fresh = [...starts].sort().map((name) => ({ role, name, pass: 1, fresh: true }));
  const lived = [...counts]
    .toSorted(([a], [b]) => a.localeCompare(b))
    .flatMap(([name, count]) => {
      const middle = SHARED.test(name) && count > 8 ? [Math.ceil(count / 2)] : [];
      const first = middle.length > 0 && starts.has(name) ? [] : [1];
      return [...first, ...middle].map((pass) => ({ role, name, pass }));
    });
  return [...fresh, ...lived];
}

/**
 * Takes points from `queue` until it is empty: each kills one process of a long-lived site in the middle of a round, while the
 * others live on. The site is judged as a whole after each, so that a late echo of an earlier death is found, too.
 */
export async function tryPoints(
  dir: string,
  stage: Stage,
  queue: Point[],
  told: (result: PointResult) => void,
): Promise<void> {
  if (queue.length === 0) return;
  await using cast = await castOf(dir, stage);
  const expected: Expected[] = [];
  for (let point = queue.shift(); point !== undefined; point = queue.shift())
    told(await tryPoint(cast, point, expected));
}

async function tryPoint(cast: Cast, point: Point, expected: Expected[]): Promise<PointResult> {
  const keeper = cast.keeper(point.role);
  const killed = point.fresh === true ? 1 : 0;
  const before = keeper.deaths;
  if (point.fresh === true)
    await keeper.restart({ env: { STACKGATE_CRASH_AT: `${point.name}:${point.pass}` } });
  else {
    await keeper.ready(cast.site.deadline);
    await keeper.arm(point);
  }
  const violations = await round(cast, expected);
  await keeper.disarm();
  return { point, died: keeper.deaths > before + killed, violations };
}

/** One round, and what is wrong with the site after it. */
export async function round(cast: Cast, expected: Expected[]): Promise<readonly string[]> {
  try {
    expected.push(...(await cast.play(cast.site)));
    await settled(cast, expected);
    return judge(cast.site, expected).violations;
  } catch (caught) {
    const message = caught instanceof Error ? caught.message : String(caught);
    return [message, ...judge(cast.site, expected).violations, ...cast.outputs()];
  }
}
