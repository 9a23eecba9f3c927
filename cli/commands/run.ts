import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { Accepted, type BuildView, RunView } from '../../server/contract.ts';
import { type Client, CommandError } from '../client.ts';
import { duration, printable } from '../text.ts';
import { followConsole } from './log.ts';

export interface RunOptions {
  readonly change?: string;
  readonly param: readonly string[];
  /** NAME=PATH. */
  readonly paramFile?: readonly string[];
  readonly vote: boolean;
  readonly detach: boolean;
  readonly json: boolean;
}

/** Exit codes of a followed run: the result is the code. */
const EXITS: Readonly<Record<string, number>> = {
  SUCCESS: 0,
  ABORTED: 7,
  CANCELED: 7,
  TIMED_OUT: 6,
  NODE_FAILURE: 8,
  RETRY_LIMIT: 8,
  DISK_FULL: 8,
};
const POLL = 250;
/** A run nobody took up within this time is a server that does not move. */
const ACCEPT_DEADLINE = 30_000;

export async function runJob(client: Client, job: string, options: RunOptions): Promise<number> {
  const params = Object.fromEntries(options.param.map((text) => parameter(text, '--param')));
  for (const [name, path] of (options.paramFile ?? []).map((text) => parameter(text, '--param-file')))
    params[name] = await contentOf(path);
  const body = {
    job,
    params,
    vote: options.vote,
    ...(options.change === undefined ? {} : { change: options.change }),
  };
  const { id } = await client.post('/api/v1/run', body, Accepted, `run-${randomUUID()}`);
  if (options.detach) {
    process.stdout.write(options.json ? `${JSON.stringify({ id })}\n` : `${id}\n`);
    return 0;
  }
  const build = await firstBuild(client, id);
  process.stderr.write(`build ${build.uuid} on ${build.node ?? '?'}, ${build.url ?? ''}\n`);
  await followConsole(client, build.uuid);
  const done = await finished(client, id);
  if (options.json) process.stdout.write(`${JSON.stringify(done)}\n`);
  const took =
    done.startedAt === null || done.finishedAt === null
      ? ''
      : ` in ${duration(done.finishedAt - done.startedAt)}`;
  process.stderr.write(
    `${printable(job)}: ${done.result ?? '?'}${took}${done.detail === null ? '' : ` (${printable(done.detail)})`}\n`,
  );
  return EXITS[done.result ?? ''] ?? 1;
}

function parameter(text: string, option: '--param' | '--param-file'): [string, string] {
  const match = /^([A-Za-z_]\w*)=([\s\S]*)$/.exec(text);
  if (match?.[1] !== undefined) return [match[1], match[2] ?? ''];
  const form = option === '--param' ? 'NAME=VALUE' : 'NAME=PATH';
  throw new CommandError(`${option} ${JSON.stringify(text)} is not of the form ${form}`, 2);
}

/** Without the line end that editors and `echo` put after a single line. */
async function contentOf(path: string): Promise<string> {
  const read = path === '-' ? text(process.stdin) : readFile(path, 'utf8');
  const content = await read.catch((caught: unknown) => {
    throw new CommandError(`${path} cannot be read: ${caught instanceof Error ? caught.message : ''}`, 2);
  });
  const line = content.replace(/\r?\n$/, '');
  return line.includes('\n') ? content : line;
}

/** Waits, without an end of its own, for a build to start: scarce nodes may take hours. Says why it waits. */
async function firstBuild(client: Client, id: string): Promise<BuildView> {
  const began = Date.now();
  let said = '';
  while (true) {
    const run = await client.get(`/api/v1/run/${id}`, RunView);
    if (run.state === 'refused') throw new CommandError(run.why ?? 'the run was refused', 1);
    const build = run.builds.at(-1);
    if (build?.state === 'running' || build?.state === 'finished') return build;
    if (run.state === 'finished') throw new CommandError(run.why ?? 'the run ended without a build', 1);
    if (run.state === 'accepted' && Date.now() - began > ACCEPT_DEADLINE) {
      throw new CommandError('the server took the run but does not act on it', 5, 'look at /readyz');
    }
    if (run.why !== null && run.why !== said) {
      said = run.why;
      process.stderr.write(`waiting: ${printable(said)}\n`);
    }
    await pause(POLL);
  }
}

/** The verdict follows the end of the console within moments. A lost build is run again: then that one counts. */
async function finished(client: Client, id: string): Promise<BuildView> {
  while (true) {
    const run = await client.get(`/api/v1/run/${id}`, RunView);
    const build = run.builds.at(-1);
    if (run.state === 'finished' && build !== undefined) return build;
    await pause(POLL);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
