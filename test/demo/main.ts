import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, styleText } from 'node:util';
import { type Gerrit, startGerrit } from '../fakes/gerrit/server.ts';
import { pushForReview } from '../harness/gitpush.ts';
import { type Instance, startInstance } from '../harness/instance.ts';
import { CI_USER, writeSite } from '../harness/site.ts';
import { demoJobs, demoLayout } from './site.ts';

/**
 * `npm run demo`: the main job from end to end. A simulated Gerrit and a real Stackgate start, a change is pushed with
 * git, check runs its job on it, and the review comment is printed as it stands on the change.
 */

const HELP = `npm run demo [-- --keep]

Starts a simulated Gerrit and Stackgate in a temporary folder, pushes a change with git, waits for the
check pipeline to vote, and prints the review comment. Exit code 0 when Verified +1 stands on the change.

  --keep   stay up afterwards and print the addresses; Ctrl-C ends it
  --help   this text`;

const { values: options } = parseArgs({
  options: { keep: { type: 'boolean', default: false }, help: { type: 'boolean', default: false } },
});
const PROJECT = 'org/demo';
const DEADLINE = 25_000;

function say(text: string): void {
  const seconds = ((Date.now() - began) / 1000).toFixed(1).padStart(5);
  console.log(`${styleText('dim', `${seconds} s`)}  ${text}`);
}

const began = Date.now();

async function demo(gerrit: Gerrit, dir: string): Promise<number> {
  await gerrit.createProject(PROJECT, {
    files: { 'README.md': 'A demo.\n', 'test.sh': '#!/bin/sh\ngrep -q demo README.md\n' },
  });
  say(`Gerrit (simulated) answers SSH on ${gerrit.host}:${gerrit.port} and has project ${PROJECT}`);
  const siteFile = await writeSite({ dir, gerrit, layout: demoLayout(PROJECT), jobs: demoJobs });
  const stackgate = await startInstance(siteFile);
  say(`Stackgate listens to its events; it was ready after ${stackgate.readyAfter} ms`);
  try {
    return await story(gerrit, stackgate, dir);
  } finally {
    if (options.keep) await stay(gerrit, stackgate, siteFile);
    await stackgate.kill('SIGTERM');
  }
}

async function story(gerrit: Gerrit, stackgate: Instance, dir: string): Promise<number> {
  const ann = gerrit.account('ann', { name: 'Ann Developer', email: 'ann@example.org' });
  const files = { 'README.md': 'A demo, made better by Ann.\n' };
  await pushForReview(gerrit, ann, {
    project: PROJECT,
    branch: 'master',
    files,
    message: 'Make the demo better',
    desk: join(dir, 'desk'),
  });
  const change = gerrit.changes()[0];
  if (change === undefined) throw new Error('the push made no change');
  say(`Ann pushed change ${change.number} with git`);
  const review = await gerrit
    .waitFor(() => gerrit.reviews({ user: CI_USER, change: change.number })[0], DEADLINE)
    .catch((caught: unknown) => {
      throw new Error(`no review came. Stackgate said:\n${stackgate.output()}`, { cause: caught });
    });
  const vote = gerrit.voteOf(change.number, 'Verified', CI_USER);
  say(`${review.by} reviewed it:`);
  console.log(`\n${review.text.replace(/^/gm, '    ')}\n`);
  const log = /https?:\/\/\S+/.exec(review.text)?.[0];
  if (log !== undefined) await showConsole(log);
  say(`Verified ${vote > 0 ? '+' : ''}${vote} stands on change ${change.number}`);
  return vote === 1 ? 0 : 1;
}

/** The log link of the comment works: what a developer sees who follows it. */
async function showConsole(url: string): Promise<void> {
  const response = await fetch(new URL('console.txt', url), { signal: AbortSignal.timeout(5_000) });
  if (!response.ok) throw new Error(`${response.url} answered ${response.status}`);
  const lines = (await response.text()).trimEnd().split('\n');
  say(`the console behind its link (${lines.length} lines) ends with:`);
  console.log(`\n${lines.slice(-6).join('\n').replace(/^/gm, '    ')}\n`);
}

async function stay(gerrit: Gerrit, stackgate: Instance, siteFile: string): Promise<void> {
  console.log(`\nStaying up; Ctrl-C ends it.
  status page   ${stackgate.url}
  Gerrit (SSH)  ${gerrit.host}:${gerrit.port}
  site file     ${siteFile}
  try           node dist/cli/main.js run demo-test --config ${siteFile}`);
  await new Promise<void>((resolve) => process.once('SIGINT', () => resolve()));
}

async function main(): Promise<number> {
  if (options.help) {
    console.log(HELP);
    return 0;
  }
  const dir = await mkdtemp(join(tmpdir(), 'stackgate-demo-'));
  const gerrit = await startGerrit({ dir: join(dir, 'gerrit') });
  try {
    return await demo(gerrit, dir);
  } finally {
    await gerrit[Symbol.asyncDispose]();
    await rm(dir, { recursive: true, force: true });
  }
}

process.exitCode = await main().catch((caught: unknown) => {
  console.error(caught instanceof Error ? caught.message : caught);
  return 1;
});
