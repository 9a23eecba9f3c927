import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { Fault } from '../../pipelines/fault.ts';
import type { Shell, ShellBuild, ShellExit, ShellSink } from '../../pipelines/ports.ts';
import { collectFiles } from '../collect.ts';
import { errnoOf } from '../errno.ts';
import { run } from '../jobuser.ts';
import {
  answerStep,
  asNodeFault,
  heldStep,
  prepareFolder,
  readResult,
  supervisorState,
  writeStop,
} from './folder.ts';
import { follow, watchFolder } from './follow.ts';
import { type FolderPlan, folderOf } from './plan.ts';

/**
 * A `Shell` on this machine: the supervisor of supervisor.sh in folders below `root`, one per build. It keeps nothing in
 * memory, so any number of them, in any number of processes, now or after a restart, see the same builds.
 */
export function localShell(root: string, plan: FolderPlan): Shell {
  return {
    start: (build, signal) => start(root, build, plan, signal),
    attach: (build, offset, sink, signal) => attach(folderOf(root, build), offset, sink, signal),
    stop: (build, reason, signal) => stop(folderOf(root, build), plan.limits.grace, reason, signal),
    held: (build) => heldStep(folderOf(root, build)),
    resume: (build, step, files) => answerStep(folderOf(root, build), step, files),
    collect: (build, include, exclude, signal) =>
      collectFiles(join(folderOf(root, build), 'job', 'workspace'), include, exclude, plan.user?.uid, signal),
    forget: (build, signal) => forget(root, build, plan.limits.grace, signal),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

const startDeadline = 30_000;

async function start(root: string, build: ShellBuild, plan: FolderPlan, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const folder = folderOf(root, build.build);
  if ((await supervisorState(folder)) === 'none') {
    await mkdir(root, { recursive: true, mode: 0o711 });
    await prepareFolder(root, build, plan, signal);
  }
  if ((await readResult(folder)) !== undefined) return;
  const word = await launch(folder, signal);
  switch (word) {
    case 'running':
    case 'ended':
      return;
    case 'lost':
      await reap(folder);
      throw new Fault('node-lost', 'the build had begun, and its supervisor is gone without a result');
    default:
      throw new Fault('node-lost', `the supervisor did not start: ${word.trim() || 'it said nothing'}`, {
        hint: 'It needs bash, setsid, setpriv, flock and grep on the node, and room on the disk.',
      });
  }
}

/** Spawns the supervisor and waits for its one word: `running`, `ended`, `lost`, or what went wrong. */
function launch(folder: string, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn('/bin/bash', [join(folder, 'supervisor.sh'), 'run', folder], {
      cwd: '/',
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' },
    });
    let said = '';
    let complaint = '';
    const done = (settle: () => void) => {
      clearTimeout(timer);
      signal.removeEventListener('abort', aborted);
      child.stdout.destroy();
      child.stderr.destroy();
      child.unref();
      settle();
    };
    // The supervisor may live on: whoever asks again finds it by its lock.
    const aborted = () => done(() => reject(new Fault('stopped', 'start was interrupted', { retry: true })));
    const timer = setTimeout(
      () =>
        done(() => reject(new Fault('deadline', 'the supervisor said nothing for 30 s', { retry: true }))),
      startDeadline,
    );
    signal.addEventListener('abort', aborted, { once: true });
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString('latin1');
      const end = said.indexOf('\n');
      if (end >= 0) done(() => resolve(said.slice(0, end)));
    });
    child.stderr.on('data', (chunk: Buffer) => {
      if (complaint.length < 2000) complaint += chunk.toString('latin1');
    });
    child.on('error', (error) => done(() => reject(asNodeFault(error, 'cannot start bash'))));
    child.on('close', () => done(() => resolve(complaint)));
  });
}

async function attach(
  folder: string,
  offset: number,
  sink: ShellSink,
  signal: AbortSignal,
): Promise<ShellExit> {
  try {
    return await follow(folder, offset, sink, signal);
  } catch (error) {
    if (error instanceof Fault && error.code === 'node-lost') await reap(folder);
    throw error;
  }
}

async function stop(
  folder: string,
  grace: number,
  reason: 'timeout' | 'cancel',
  signal: AbortSignal,
): Promise<boolean> {
  if ((await supervisorState(folder)) === 'none') return true;
  await writeStop(folder, reason);
  // TERM, grace, KILL, leftovers (2 s and 10 s), last output (5 s).
  const until = performance.now() + grace + 30_000;
  const changes = watchFolder(folder);
  try {
    while (performance.now() < until) {
      signal.throwIfAborted();
      const ended = await readResult(folder);
      if (ended !== undefined) return ended.left === 0;
      const state = await supervisorState(folder);
      if (state === 'none' || state === 'prepared') return true;
      if (state === 'dead' && (await readResult(folder)) === undefined) return await reap(folder);
      await changes.wait(200, signal);
    }
    return false;
  } finally {
    changes.close();
  }
}

/** Kills what a dead supervisor left behind. */
async function reap(folder: string): Promise<boolean> {
  const { stdout } = await run('/bin/bash', [join(folder, 'supervisor.sh'), 'reap', folder]);
  return stdout.trim() === '0';
}

/** What follows a build goes before it; what a killed process had half laid down or half removed of them goes last. */
async function forget(root: string, build: string, grace: number, signal: AbortSignal): Promise<void> {
  const names = await readdir(root).catch(() => []);
  for (const name of names) if (followsBuild(name, build)) await forgetOne(root, name, grace, signal);
  await forgetOne(root, build, grace, signal);
  const halves = names.filter((name) =>
    [`.${build}.`, `.gone.${build}.`].some((start) => name.startsWith(start)),
  );
  for (const name of halves) await rm(join(root, name), { recursive: true, force: true, maxRetries: 3 });
}

/** `build-1.after` runs within `build-1`. */
export function followsBuild(name: string, build: string): boolean {
  return name.startsWith(`${build}.`);
}

/** Renamed away first: what is half removed is no build any more. */
async function forgetOne(root: string, build: string, grace: number, signal: AbortSignal): Promise<void> {
  const folder = folderOf(root, build);
  if ((await supervisorState(folder)) === 'none') return;
  const ended = await readResult(folder);
  const quiet = ended === undefined ? await stop(folder, grace, 'cancel', signal) : ended.left === 0;
  // What cannot be killed could still write where we are about to remove.
  if (!quiet && !(await reap(folder))) {
    throw new Fault('node-lost', 'processes of the build do not die', {
      retry: true,
      hint: 'Look for processes in state D; a restart of the machine ends them.',
    });
  }
  const aside = join(root, `.gone.${build}.${randomBytes(6).toString('hex')}`);
  try {
    await rename(folder, aside);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return;
    throw asNodeFault(error, `cannot remove ${folder}`);
  }
  await rm(aside, { recursive: true, force: true, maxRetries: 3 });
}
