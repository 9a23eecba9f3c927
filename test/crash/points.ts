import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { StartOptions } from '../harness/instance.ts';
import { type Expected, judge } from './judge.ts';
import { keep } from './keeper.ts';
import { oneOfEverything, settled } from './rounds.ts';
import { type CrashSite, makeCrashSite } from './site.ts';

/** Killing at every named step. A point is a name and how often it is passed before the process dies there. */
export interface Point {
  readonly name: string;
  readonly pass: number;
}

export interface PointResult {
  readonly point: Point;
  /** False: this round never came by there a `pass`-th time. */
  readonly died: boolean;
  readonly violations: readonly string[];
}

/** Runs one round undisturbed and answers the steps it passed, with how often. */
export async function tracePoints(dir: string, plain: StartOptions): Promise<Map<string, number>> {
  const site = await makeCrashSite(dir);
  const trace = join(dir, 'trace');
  const keeper = keep(site.siteFile, { ...plain, env: { ...plain.env, STACKGATE_CRASH_TRACE: trace } });
  try {
    const expected = await oneOfEverything(site);
    await settled(site, keeper);
    const { violations } = judge(site, expected);
    if (violations.length > 0) throw new Error(`even an undisturbed round fails:\n${violations.join('\n')}`);
    const counts = new Map<string, number>();
    for (const name of (await readFile(trace, 'utf8')).split('\n').filter((line) => line !== ''))
      counts.set(name, (counts.get(name) ?? 0) + 1);
    return counts;
  } catch (caught) {
    await keeper[Symbol.asyncDispose]();
    throw new Error(
      `the undisturbed round did not end well; the process said:\n${keeper.outputs.join('\n')}`,
      { cause: caught },
    );
  } finally {
    await keeper[Symbol.asyncDispose]();
    await site.gerrit[Symbol.asyncDispose]();
    await rm(dir, { recursive: true, force: true });
  }
}

/** Steps that every kind of fact and action passes: there it matters which one it was. */
const SHARED = /^(store|scheduler)\./;

/** The first passing of each step; of the shared ones that a round passes often, the middle one as well. */
export function pointsOf(counts: ReadonlyMap<string, number>): Point[] {
  return [...counts]
    .toSorted(([a], [b]) => a.localeCompare(b))
    .flatMap(([name, count]) => {
      const later = SHARED.test(name) && count > 8 ? [Math.ceil(count / 2)] : [];
      return [1, ...later].map((pass) => ({ name, pass }));
    });
}

/**
 * Takes points from `queue` until it is empty: each kills a fresh process of one long-lived site in the middle of a round. The site
 * is judged as a whole after each, so that a late echo of an earlier death is found, too.
 */
export async function tryPoints(
  dir: string,
  queue: Point[],
  plain: StartOptions,
  told: (result: PointResult) => void,
  deadline?: number,
): Promise<void> {
  const site = await makeCrashSite(dir, deadline);
  const keeper = keep(site.siteFile, plain);
  const expected: Expected[] = [];
  try {
    for (let point = queue.shift(); point !== undefined; point = queue.shift()) {
      told(await tryPoint(site, keeper, point, expected));
    }
  } finally {
    await keeper[Symbol.asyncDispose]();
    await site.gerrit[Symbol.asyncDispose]();
    await rm(dir, { recursive: true, force: true });
  }
}

async function tryPoint(
  site: CrashSite,
  keeper: ReturnType<typeof keep>,
  point: Point,
  expected: Expected[],
): Promise<PointResult> {
  const before = keeper.deaths;
  await keeper.restart({ env: { STACKGATE_CRASH_AT: `${point.name}:${point.pass}` } });
  try {
    expected.push(...(await oneOfEverything(site)));
    await settled(site, keeper);
  } catch (caught) {
    const message = caught instanceof Error ? caught.message : String(caught);
    return {
      point,
      died: keeper.deaths > before + 1,
      violations: [message, ...judge(site, expected).violations, ...keeper.outputs.slice(-2)],
    };
  }
  return { point, died: keeper.deaths > before + 1, violations: judge(site, expected).violations };
}
