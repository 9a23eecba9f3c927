import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import {
  access,
  chmod,
  chown,
  mkdir,
  open,
  readFile,
  rename,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { asFault, Fault } from '../../pipelines/fault.ts';
import type { CollectedFile, ShellBuild } from '../../pipelines/ports.ts';
import { errnoOf } from '../errno.ts';
import { giveFile, stageRepository } from '../staging.ts';
import { type FolderEntry, type FolderPlan, folderOf, type JobUser, planFolder } from './plan.ts';
import { type BuildResult, parseResult } from './result.ts';

/**
 * The folder of one build on this machine: laid down, and read as supervisor.sh leaves it.
 */

/** Writes the folder aside and renames it into place as a whole; one that is there stays as it is. */
export async function prepareFolder(
  root: string,
  build: ShellBuild,
  plan: FolderPlan,
  signal: AbortSignal,
): Promise<void> {
  const repositories = (await build.repositories?.(signal)) ?? [];
  const folder = folderOf(root, build.build);
  const aside = join(root, `.${build.build}.${randomBytes(6).toString('hex')}`);
  const entries = planFolder(root, build, plan, {
    boot: await bootId(),
    cookie: randomBytes(16).toString('hex'),
    staged:
      build.within === undefined
        ? repositories.length > 0
        : await isThere(join(folderOf(root, build.within), 'job', 'git')),
  });
  try {
    await mkdir(aside, { mode: 0o700 });
    const work: Promise<void>[] = [];
    for (const entry of entries) {
      const done = layDown(aside, entry, plan.user);
      if (entry.kind === 'folder') await done;
      else work.push(done);
    }
    if (build.within === undefined)
      for (const repository of repositories)
        work.push(stageRepository(join(aside, 'job', 'git', repository.project), repository, plan.user));
    // All of them, also when one fails: nothing may still be written when the folder is removed below.
    const failed = (await Promise.allSettled(work)).find((each) => each.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    await own(aside, 0o710, 'ours', plan.user);
    await rename(aside, folder);
  } catch (error) {
    await rm(aside, { recursive: true, force: true });
    const code = errnoOf(error);
    if (code === 'ENOTEMPTY' || code === 'EEXIST') return;
    throw asNodeFault(error, `cannot prepare ${folder}`);
  }
}

async function layDown(folder: string, entry: FolderEntry, user: JobUser | undefined): Promise<void> {
  const path = join(folder, entry.path);
  switch (entry.kind) {
    case 'folder':
      await mkdir(path, { mode: 0o700 });
      return own(path, entry.mode, entry.owner, user);
    case 'file':
      await writeFile(path, entry.content, { mode: 0o600 });
      return own(path, entry.mode, entry.owner, user);
    case 'link':
      return symlink(entry.to, path);
  }
}

async function own(
  path: string,
  mode: number,
  owner: 'ours' | 'job',
  user: JobUser | undefined,
): Promise<void> {
  await chmod(path, mode);
  if (user === undefined) return;
  await chown(path, owner === 'job' ? user.uid : (process.geteuid?.() ?? 0), user.gid);
}

/** How a build ended; undefined while it has not. */
export async function readResult(folder: string): Promise<BuildResult | undefined> {
  const text = await textOf(join(folder, 'result'));
  return text === undefined ? undefined : parseResult(text);
}

/** The step that waits for us. */
export async function heldStep(folder: string): Promise<number | undefined> {
  const text = await textOf(join(folder, 'held'));
  return text === undefined || !/^\d+\n$/.test(text) ? undefined : Number(text);
}

/** Lays the files first: the answer is what the supervisor waits for. */
export async function answerStep(
  folder: string,
  step: number,
  files: AsyncIterable<CollectedFile>,
): Promise<void> {
  if ((await heldStep(folder)) !== step) return;
  const number = `${step}`.padStart(2, '0');
  try {
    for await (const file of files) await giveFile(join(folder, 'job', 'given', `${step}`), file);
    await writeFile(join(folder, `go.${number}`), '', { mode: 0o600 });
  } catch (error) {
    throw asNodeFault(error, `cannot answer step ${step} in ${folder}`);
  }
}

/**
 * `none`: no folder; `prepared`: no step ever began; `alive`; `dead`: it began and is gone. Ask for the result again
 * after `dead`: a supervisor ends right after it wrote one.
 */
export async function supervisorState(folder: string): Promise<'none' | 'prepared' | 'alive' | 'dead'> {
  const spec = await textOf(join(folder, 'spec'));
  if (spec === undefined) return 'none';
  const boot = await bootId();
  if (!spec.includes(`boot=${boot}\n`)) return 'dead';
  const identity = await textOf(join(folder, 'supervisor'));
  if (identity === undefined) return 'prepared';
  const [pid, started] = identity.trim().split(' ');
  const stat = await textOf(`/proc/${pid ?? 0}/stat`);
  // After the command, which may hold blanks and parentheses: state is field 3, start time field 22.
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields !== undefined && fields[19] === started && fields[0] !== 'Z' ? 'alive' : 'dead';
}

let boot: string | undefined;

async function bootId(): Promise<string> {
  boot ??= (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
  return boot;
}

/** Asks the supervisor to end its build: the file is the truth, the fifo only wakes it. */
export async function writeStop(folder: string, reason: 'timeout' | 'cancel'): Promise<void> {
  const aside = join(folder, `.stop.${randomBytes(6).toString('hex')}`);
  await writeFile(aside, `${reason}\n`, { mode: 0o600 });
  await rename(aside, join(folder, 'stop'));
  try {
    // NONBLOCK: a fifo nobody reads would hold us.
    const control = await open(join(folder, 'control'), constants.O_WRONLY | constants.O_NONBLOCK);
    try {
      await control.write('\n');
    } finally {
      await control.close();
    }
  } catch {
    // Nobody listens: no supervisor yet, or none any more.
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const code = errnoOf(error);
    if (code === 'ENOENT' || code === 'ESRCH' || code === 'ENOTDIR') return undefined;
    throw asNodeFault(error, `cannot read ${path}`);
  }
}

/** What passes by itself, and says nothing about the node. */
const passing = ['EMFILE', 'ENFILE', 'EAGAIN', 'ENOMEM', 'EINTR', 'EBUSY'];

/** An error of the node's file system as a Fault; what is no such error is a bug of ours. */
export function asNodeFault(error: unknown, what: string): Fault {
  const code = errnoOf(error);
  if (error instanceof Fault || code === undefined) return asFault(error);
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new Fault('disk-full', `${what}: no space left on the device`, {
      retry: true,
      hint: 'Free some space on the file system of the workspaces.',
      cause: error,
    });
  }
  const message = `${what}: ${error instanceof Error ? error.message : code}`;
  if (passing.includes(code)) return new Fault('bug', message, { retry: true, cause: error });
  return new Fault('node-lost', message, { cause: error });
}
