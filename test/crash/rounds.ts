import { randomUUID } from 'node:crypto';
import { CI_USER } from '../harness/site.ts';
import { type Expected, livingBuilds, mailsOf, mailsWanted } from './judge.ts';
import type { Keeper } from './keeper.ts';
import { readMarks } from './marks.ts';
import { type CrashSite, PROJECT } from './site.ts';

/** What people do on the simulated Gerrit, whatever Stackgate goes through meanwhile. */

export type Fate = 'pass' | 'fail' | 'hold';

/**
 * One of everything: a change that passes and is rechecked, one that fails, one whose running build is superseded by a new
 * patchset, one that is abandoned while its build runs, and two that are approved, gated together and merged. Answers what
 * must have become of them.
 */
export async function oneOfEverything(site: CrashSite): Promise<Expected[]> {
  const { gerrit } = site;
  const [passing, failing, superseded, abandoned, head, behind] = await Promise.all([
    push(site, 'pass'),
    push(site, 'fail'),
    push(site, 'hold'),
    push(site, 'hold'),
    push(site, 'pass'),
    push(site, 'pass'),
  ]);
  await reported(site, head, 1, 1);
  await reported(site, behind, 1, 1);
  for (const change of [head, behind]) await gerrit.vote(change, { 'Code-Review': 2 }, { user: 'cora' });
  await reported(site, failing, 1, 1);
  await reported(site, passing, 1, 1);
  await running(site, `${superseded},1`);
  await push(site, 'pass', superseded);
  await running(site, `${abandoned},1`);
  await gerrit.abandon(abandoned);
  await gerrit.comment(passing, 'recheck', { user: 'ann' });
  await reported(site, passing, 1, 2);
  await reported(site, superseded, 2, 1);
  for (const change of [head, behind]) await merged(site, change);
  return [
    { change: head, patchset: 1, reports: 2, vote: 1, builds: 2, merged: true },
    { change: behind, patchset: 1, reports: 2, vote: 1, builds: 2, merged: true },
    { change: passing, patchset: 1, reports: 2, vote: 1, builds: 2 },
    { change: failing, patchset: 1, reports: 1, vote: -1, builds: 1 },
    { change: superseded, patchset: 1, reports: 0, vote: 0, builds: 1 },
    { change: superseded, patchset: 2, reports: 1, vote: 1, builds: 1 },
    { change: abandoned, patchset: 1, reports: 0, vote: 0, builds: 1 },
  ];
}

/** Two builds on machines that are made for them: one that passes, and one that is abandoned while it runs. */
export async function twoBuilds(site: CrashSite): Promise<Expected[]> {
  const [passing, abandoned] = await Promise.all([push(site, 'pass'), push(site, 'hold')]);
  await running(site, `${abandoned},1`);
  await site.gerrit.abandon(abandoned);
  await reported(site, passing, 1, 1);
  return [
    { change: passing, patchset: 1, reports: 1, vote: 1, builds: 1 },
    { change: abandoned, patchset: 1, reports: 0, vote: 0, builds: 1 },
  ];
}

/** Pushes a change (or a new patchset of one) whose build will go as `fate` says. */
export async function push(site: CrashSite, fate: Fate, change?: number): Promise<number> {
  const pushed = await site.gerrit.push(PROJECT, {
    user: 'ann',
    files: { verdict: fate, [`notes/${randomUUID()}`]: fate },
    ...(change === undefined ? {} : { change }),
  });
  return pushed.number;
}

/** Waits until the CI's reviews of a patchset number at least `count`. */
export async function reported(
  site: CrashSite,
  change: number,
  patchset: number,
  count: number,
  deadline = site.deadline,
): Promise<void> {
  const enough = () =>
    site.gerrit.reviews({ user: CI_USER, change }).filter((review) => review.patchset === patchset).length >=
    count;
  await site.gerrit.waitFor(enough, deadline).catch(() => {
    throw new Error(`${change},${patchset} was not reported ${count} times within ${deadline} ms`);
  });
}

/** Waits until Gerrit merged it. */
async function merged(site: CrashSite, change: number): Promise<void> {
  await site.gerrit
    .waitFor(() => site.gerrit.change(change).status === 'MERGED', site.deadline)
    .catch(() => {
      throw new Error(`${change} was not merged within ${site.deadline} ms`);
    });
}

/** Waits until a build of this patchset left its first mark. */
async function running(site: CrashSite, what: string): Promise<void> {
  await site.gerrit
    .waitFor(() => readMarks(site.marks).some((mark) => mark.what === what), site.deadline)
    .catch(() => {
      throw new Error(`no build of ${what} started within ${site.deadline} ms`);
    });
}

/** Waits until nothing is left to do: no item, no mail, no node, no process of a build. Rejects with what is left, and the ledger's end. */
export async function settled(
  { site, door }: { readonly site: CrashSite; readonly door: Keeper },
  expected: readonly Expected[],
): Promise<void> {
  const { deadline } = site;
  const until = Date.now() + deadline;
  let left = 'no server';
  while (Date.now() < until) {
    left = await leftOver(site, door, expected, until).catch(messageOf);
    if (left === '') return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const instance = await door.ready(10_000).catch(() => undefined);
  const ledger =
    instance === undefined
      ? ''
      : await instance.get('/api/v1/events?limit=60').then((answer) => answer.text(), messageOf);
  throw new Error(`not settled within ${deadline} ms: ${left}\nledger: ${ledger}`);
}

async function leftOver(
  site: CrashSite,
  door: Keeper,
  expected: readonly Expected[],
  until: number,
): Promise<string> {
  const instance = await door.ready(until - Date.now());
  const status = await instance.get('/status.json').then((answer) => answer.text());
  if (/"heads":\[\[/.test(status)) return `status: ${status}`;
  const living = livingBuilds(site.dir);
  if (living.length > 0) return living.join('; ');
  if (mailsOf(site).size < mailsWanted(expected)) return `${mailsOf(site).size} mails`;
  const nodes = await instance.get('/api/v1/nodes').then((answer) => answer.text());
  if (nodes !== '{"nodes":[]}') return `nodes: ${nodes}`;
  return (await site.left()).map((what) => `left behind: ${what}`).join('; ');
}

function messageOf(caught: unknown): string {
  return caught instanceof Error ? caught.message : String(caught);
}
