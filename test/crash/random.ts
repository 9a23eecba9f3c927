import { setTimeout as sleep } from 'node:timers/promises';
import { CI_USER } from '../harness/site.ts';
import { type Cast, castOf, type Stage } from './cast.ts';
import { type Expected, judge, type Verdict } from './judge.ts';
import { type Fate, push, settled } from './rounds.ts';
import type { CrashSite } from './site.ts';

/** Killing at random moments from outside, while people go on pushing, rechecking, superseding and abandoning. */

export interface RandomOptions {
  readonly kills: number;
  readonly seed: number;
  /** Called after each kill; false: it is enough. */
  readonly told?: () => boolean;
}

/** A life lasts from far too short to start up to long enough to finish something, ms. */
const SHORTEST = 100;
const LONGEST = 3_000;
const PUSH_EVERY = 700;

export async function killAtRandom(dir: string, stage: Stage, options: RandomOptions): Promise<Verdict> {
  const random = mulberry(options.seed);
  await using cast = await castOf(dir, stage);
  const { site } = cast;
  const stop = new AbortController();
  try {
    const people = traffic(site, random, stop.signal);
    for (let kills = 0; kills < options.kills; kills++) {
      await sleep(SHORTEST + random() * (LONGEST - SHORTEST));
      const roles = [...cast.keepers.values()];
      await roles[Math.floor(random() * roles.length)]?.restart();
      if (options.told?.() === false) break;
    }
    stop.abort();
    const expected = await people;
    const unrest = await quiet(cast, expected);
    const verdict = judge(site, expected);
    return unrest === undefined
      ? verdict
      : { ...verdict, violations: [...verdict.violations, unrest, ...cast.outputs()] };
  } finally {
    stop.abort();
  }
}

/** Pushes until told to stop. A change is touched again only when what it was pushed for came true, so that outcomes are certain. */
async function traffic(site: CrashSite, random: () => number, stop: AbortSignal): Promise<Expected[]> {
  const expected: Expected[] = [];
  const following: Promise<void>[] = [];
  while (!stop.aborted) {
    const kind = random();
    if (kind < 0.5)
      expected.push({ change: await push(site, 'pass'), patchset: 1, reports: 1, vote: 1, builds: 1 });
    else if (kind < 0.7)
      expected.push({ change: await push(site, 'fail'), patchset: 1, reports: 1, vote: -1, builds: 1 });
    else if (kind < 0.85) following.push(recheckWhenReported(site, await push(site, 'pass'), expected));
    else
      following.push(
        replaceOrAbandon(
          site,
          await push(site, 'hold'),
          random() < 0.5 ? 'pass' : undefined,
          random() * 2_000,
          expected,
        ),
      );
    await sleep(PUSH_EVERY * (0.5 + random()), undefined, { signal: stop }).catch(() => undefined);
  }
  await Promise.all(following);
  return expected;
}

async function recheckWhenReported(site: CrashSite, change: number, expected: Expected[]): Promise<void> {
  await site.gerrit.waitFor(() => site.gerrit.reviews({ user: CI_USER, change }).length > 0, 600_000);
  await site.gerrit.comment(change, 'recheck', { user: 'ann' });
  expected.push({ change, patchset: 1, reports: 2, vote: 1, builds: 2 });
}

async function replaceOrAbandon(
  site: CrashSite,
  change: number,
  fate: Fate | undefined,
  after: number,
  expected: Expected[],
): Promise<void> {
  expected.push({ change, patchset: 1, reports: 0, vote: 0, builds: 1 });
  await sleep(after);
  if (fate === undefined) return site.gerrit.abandon(change);
  await push(site, fate, change);
  expected.push({ change, patchset: 2, reports: 1, vote: 1, builds: 1 });
}

/** Every report that must come has come, and nothing is left to do; what is missing then is the judge's to name. */
async function quiet(cast: Cast, expected: readonly Expected[]): Promise<string | undefined> {
  const { gerrit, deadline } = cast.site;
  const wanted = expected.reduce((sum, { reports }) => sum + reports, 0);
  await gerrit
    .waitFor(() => gerrit.reviews({ user: CI_USER }).length >= wanted, deadline)
    .catch(() => undefined);
  return settled(cast, expected).then(
    () => undefined,
    (caught: unknown) => (caught instanceof Error ? caught.message : String(caught)),
  );
}

/** All of them in an order that the seed draws. */
export function shuffled<T>(all: readonly T[], seed: number): T[] {
  const random = mulberry(seed);
  return all
    .map((value) => ({ value, place: random() }))
    .sort((a, b) => a.place - b.place)
    .map(({ value }) => value);
}

/** A small seeded generator: a run that failed can be run again. */
function mulberry(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
