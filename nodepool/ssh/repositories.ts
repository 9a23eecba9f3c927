import { spawn } from 'node:child_process';
import { pipeline } from 'node:stream/promises';
import { Fault } from '../../pipelines/fault.ts';
import type { StagedRepository } from '../../pipelines/ports.ts';
import type { NodeConnection } from './connection.ts';
import { contentFrames } from './frames.ts';
import { saidBy, script } from './script.ts';

/**
 * Lays the repositories of a build beside it on its node.
 *
 * They are pushed over the connection that we have, as packs: that works wherever ssh does, whether or not the node can
 * reach us, and afterwards the build needs nobody. A pack holds only what the node has not: builds leave what they brought in
 * a cache there, and repositories that the image has in /opt/git count, too.
 */

export interface LaidBy {
  readonly connection: NodeConnection;
  readonly root: string;
  /** Name of the folder that is being laid down in the root. */
  readonly aside: string;
  readonly owner: { readonly uid: number; readonly gid: number } | undefined;
}

const minute = 60_000;

export async function layRepositories(
  repositories: readonly StagedRepository[],
  by: LaidBy,
  signal: AbortSignal,
): Promise<void> {
  if (repositories.length === 0) return;
  const projects = repositories.map(({ project }) => project);
  const asked = await by.connection.run(script('git', ['have', by.root, ...projects]), {
    signal,
    deadline: 2 * minute,
  });
  const had = readHave(saidBy(asked, 'cannot look for repositories on the node'));
  // The first clone of a large project takes minutes.
  const inTime = AbortSignal.any([signal, AbortSignal.timeout(30 * minute)]);
  for (const repository of repositories) {
    await lay(repository, had.get(repository.project) ?? [], by, inTime);
  }
}

/** What `have` of git.sh and cache.sh says: by project the commits that are there. */
export function readHave(text: string): Map<string, string[]> {
  const all = new Map<string, string[]>();
  let commits: string[] = [];
  for (const line of text.split('\n')) {
    if (line.startsWith('= ')) all.set(line.slice(2), (commits = []));
    else if (/^[0-9a-f]{40,64}$/.test(line)) commits.push(line);
  }
  return all;
}

async function lay(
  repository: StagedRepository,
  had: readonly string[],
  by: LaidBy,
  signal: AbortSignal,
): Promise<void> {
  const { project, head, refs } = repository;
  const { uid, gid } = by.owner ?? { uid: '', gid: '' };
  const place = `${by.root}/${by.aside}/job/git`;
  const entries = Object.entries(refs).sort(([a], [b]) => (a < b ? -1 : 1));
  const packedRefs = entries.map(([name, commit]) => `${commit} ${name}\n`).join('');
  const take = script('git', ['take', by.root, project, place, uid, gid, head]);
  const what = `cannot lay ${project} on the node`;
  await sendRepository(by.connection, { repository, take, packedRefs, had, what }, signal);
}

export interface Sending {
  readonly repository: StagedRepository;
  /** The script that reads `packedRefs` (as content) and then the pack. */
  readonly take: string;
  readonly packedRefs: string;
  /** Commits the node has. */
  readonly had: readonly string[];
  /** What it is when it fails. */
  readonly what: string;
}

/** Sends what a node has not of a repository; answers how many bytes that was. */
export async function sendRepository(
  connection: NodeConnection,
  { repository, take, packedRefs, had, what }: Sending,
  signal: AbortSignal,
): Promise<number> {
  const { path, refs } = repository;
  const known = await existing(path, had, signal);
  const process = await connection.spawn(take, signal);
  process.stdout.resume();
  for (const frame of contentFrames(packedRefs)) process.stdin.write(frame);
  const wanted = [...new Set(Object.values(refs)), '--not', ...known];
  const packer = git(
    path,
    ['pack-objects', '--revs', '--thin', '--stdout', '-q', '--delta-base-offset'],
    signal,
  );
  packer.child.stdin.end(wanted.map((line) => `${line}\n`).join(''));
  let bytes = 0;
  packer.child.stdout.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
  });
  // Either side may fail, and then the other one complains of that, too.
  const sending = pipeline(packer.child.stdout, process.stdin).catch((caught: unknown) => {
    packer.child.kill();
    throw caught;
  });
  const [sent, packed] = await Promise.allSettled([sending, packer.ended]);
  const end = await process.ended;
  const oursFailed = end.code === 0 || /early EOF|unexpected disconnect/.test(end.stderr);
  if (packed.status === 'rejected' && oursFailed) throw packed.reason;
  saidBy({ ...end, stdout: '' }, what);
  if (sent.status === 'rejected') throw new Fault('git-failed', what, { retry: true, cause: sent.reason });
  return bytes;
}

/** Which of these commits our repository has, too: git refuses to leave out what it does not know. */
async function existing(path: string, commits: readonly string[], signal: AbortSignal): Promise<string[]> {
  if (commits.length === 0) return [];
  const { child, ended } = git(path, ['cat-file', '--batch-check=%(objectname) %(objecttype)'], signal);
  child.stdin.end(commits.map((commit) => `${commit}\n`).join(''));
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => {
    said += chunk.toString('latin1');
  });
  await ended;
  return said
    .split('\n')
    .flatMap((line) => (/ (?:commit|tag)$/.test(line) ? [line.slice(0, line.indexOf(' '))] : []));
}

function git(path: string, args: readonly string[], signal: AbortSignal) {
  const options = ['-c', 'safe.directory=*', '-c', 'core.hooksPath=/dev/null', '--git-dir', path];
  const child = spawn('git', [...options, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    signal,
    env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C', GIT_CONFIG_NOSYSTEM: '1' },
  });
  let complaint = '';
  child.stderr.on('data', (chunk: Buffer) => {
    if (complaint.length < 2000) complaint += chunk.toString('utf8');
  });
  // git may end before it has read everything; its exit says why.
  child.stdin.on('error', () => undefined);
  const ended = new Promise<void>((resolve, reject) => {
    child.on('error', (error) => reject(new Fault('git-failed', `git: ${error.message}`, { cause: error })));
    child.on('close', (code) => {
      if (code === 0) resolve();
      else
        reject(
          new Fault('git-failed', `git ${args[0]}: ${complaint.trim() || `exit ${code}`}`, { retry: true }),
        );
    });
  });
  ended.catch(() => undefined);
  return { child, ended };
}
