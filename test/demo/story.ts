import { join } from 'node:path';
import { z } from 'zod';
import type { Gerrit } from '../fakes/gerrit/server.ts';
import { pushForReview } from '../harness/gitpush.ts';
import type { Instance } from '../harness/instance.ts';
import { CI_USER } from '../harness/site.ts';
import { bad, good, heading, quote, say } from './words.ts';

/** What the demo tells: check, and then the gate. */

export const PROJECT = 'org/demo';

export interface Stage {
  readonly gerrit: Gerrit;
  readonly dir: string;
  /** The server. */
  readonly stackgate: Instance;
  /** What all processes wrote, for a person who asks why it stopped. */
  output(): string;
}

const DEADLINE = 180_000;

/** Two people push a change each; both are tested and voted on. Answers their numbers. */
export async function tellOfCheck(stage: Stage): Promise<readonly [number, number]> {
  heading('Check: every patch is tested as it comes');
  const first = await push(stage, 'ann', 'Ann Developer', 'Make the demo better', {
    'README.md': 'A demo, made better by Ann.\n',
  });
  const second = await push(stage, 'bob', 'Bob Developer', 'Tell the news', {
    NEWS: 'The demo is better.\n',
  });
  const text = await voted(stage, first, 1);
  await voted(stage, second, 1);
  quote(text);
  const log = /https?:\/\/\S+/.exec(text)?.[0];
  if (log !== undefined) await showConsole(log);
  return [first, second];
}

/** Both are approved, the first one fails once, and both are merged all the same. */
export async function tellOfGate(stage: Stage, [first, second]: readonly [number, number]): Promise<boolean> {
  const { gerrit } = stage;
  heading('Gate: approved patches are tested together, and merged only as they were tested');
  gerrit.account('cora', { name: 'Cora Core', email: 'cora@example.org', groups: ['Administrators'] });
  const watch = watchGate(stage);
  try {
    for (const change of [first, second]) await gerrit.vote(change, { 'Code-Review': 2 }, { user: 'cora' });
    say(`Cora approved ${first} and ${second}: ${second} is tested on top of ${first}`);
    await voted(stage, first, -1);
    say(`${first} met a hiccup of the network, so ${second} is tested again, without it`);
    await merged(stage, second);
    await gerrit.comment(first, 'reverify', { user: 'ann' });
    say(`Ann looked at the log of ${first}, saw the hiccup, and wrote "reverify"`);
    await merged(stage, first);
  } finally {
    watch.abort();
  }
  const tip = await gerrit.tip(PROJECT, 'master');
  const both = [first, second].every((change) => gerrit.change(change).status === 'MERGED');
  say(
    `master of ${PROJECT} is ${tip?.slice(0, 7) ?? '?'} and has both; at no moment did it hold an untested state`,
  );
  return both;
}

async function push(
  { gerrit, dir }: Stage,
  user: string,
  name: string,
  message: string,
  files: Readonly<Record<string, string>>,
): Promise<number> {
  const author = { name, email: `${user}@example.org` };
  const login = gerrit.account(user, author);
  const before = gerrit.changes().length;
  await pushForReview(gerrit, login, {
    project: PROJECT,
    branch: 'master',
    files,
    message,
    author,
    desk: join(dir, user),
  });
  const change = gerrit.changes()[before];
  if (change === undefined) throw new Error('the push made no change');
  say(`${name} pushed change ${change.number} with git: ${message}`);
  return change.number;
}

/** Waits until the CI's vote stands as told; answers its last review. */
async function voted(stage: Stage, change: number, wanted: 1 | -1): Promise<string> {
  const { gerrit } = stage;
  await until(stage, `a vote of ${wanted} on ${change}`, () => {
    return gerrit.voteOf(change, 'Verified', CI_USER) === wanted;
  });
  say(`Demo CI voted ${wanted > 0 ? good('Verified +1') : bad('Verified -1')} on ${change}`);
  return gerrit.reviews({ user: CI_USER, change }).at(-1)?.text ?? '';
}

async function merged(stage: Stage, change: number): Promise<void> {
  await until(stage, `the merge of ${change}`, () => stage.gerrit.change(change).status === 'MERGED');
  say(`${good('Merged')}: Gerrit has ${change} on master, asked by Demo CI`);
}

async function until(stage: Stage, what: string, ready: () => boolean): Promise<void> {
  await stage.gerrit.waitFor(ready, DEADLINE).catch((caught: unknown) => {
    throw new Error(`${what} did not come. Stackgate said:\n${stage.output()}`, { cause: caught });
  });
}

const Queues = z.object({
  pipelines: z.array(
    z.object({
      name: z.string(),
      change_queues: z.array(
        z.object({
          heads: z.array(
            z.array(
              z.object({
                id: z.string().nullable(),
                jobs: z.array(z.object({ name: z.string(), result: z.string().nullable() })),
              }),
            ),
          ),
        }),
      ),
    }),
  ),
});

/** Draws the gate's queue whenever it changes, until aborted. */
function watchGate({ stackgate }: Stage): AbortController {
  const stop = new AbortController();
  let before = '';
  const look = async (): Promise<void> => {
    const status = Queues.parse(await (await stackgate.get('/status.json')).json());
    const gate = status.pipelines.find(({ name }) => name === 'gate');
    const queue = (gate?.change_queues ?? []).flatMap(({ heads }) => heads.map(drawn)).join('   |   ');
    if (queue === before || stop.signal.aborted) return;
    before = queue;
    say(`  gate: ${queue === '' ? '(empty)' : queue}`);
  };
  const timer = setInterval(() => void look().catch(() => undefined), 150);
  stop.signal.addEventListener('abort', () => clearInterval(timer));
  return stop;
}

/** `1,1 running ◀ 2,1 waiting`: who stands at the head, and who is tested on top. */
function drawn(head: readonly { id: string | null; jobs: readonly { result: string | null }[] }[]): string {
  return head
    .map(({ id, jobs }) => {
      const result = jobs.map((job) => job.result).find((each) => each !== null) ?? 'testing';
      return `[${id ?? '?'} ${result}]`;
    })
    .join(' ◀ ');
}

/** The log link of the comment works: what a developer sees who follows it. */
async function showConsole(url: string): Promise<void> {
  const response = await fetch(new URL('console.txt', url), { signal: AbortSignal.timeout(5_000) });
  if (!response.ok) throw new Error(`${response.url} answered ${response.status}`);
  const lines = (await response.text()).trimEnd().split('\n');
  say(`the console behind its link (${lines.length} lines) ends with:`);
  quote(lines.slice(-6).join('\n'));
}
