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
import { basename, join } from 'node:path';
import { asFault, Fault } from '../../pipelines/fault.ts';
import type { Shell, ShellBuild, ShellExit } from '../../pipelines/ports.ts';
import { errnoOf } from '../errno.ts';
import { giveFile, stageFile, stageRepository } from '../staging.ts';
import { supervisorScript } from './script.ts';

/**
 * The folder of one build, as supervisor.sh expects and leaves it. The protocol is told at the head of that script.
 */

export interface JobUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

export interface SupervisorLimits {
  /** ms between SIGTERM and SIGKILL. */
  readonly grace: number;
  /** Bytes of output; a build that writes more is ended, and what it still writes is counted and dropped. */
  readonly output: number;
  /** Open files per process. */
  readonly files: number;
  /** Processes of the job's user, all its builds together. */
  readonly processes: number;
}

export const defaultLimits: SupervisorLimits = {
  grace: 10_000,
  output: 1024 ** 3,
  files: 65_536,
  processes: 16_384,
};

export interface FolderPlan {
  readonly limits: SupervisorLimits;
  /** Whom the steps run as; without it as ourselves. */
  readonly user?: JobUser | undefined;
  /** Nothing else runs as this user: whatever does when a build ends is a leftover and dies. */
  readonly exclusive: boolean;
  /** Steps cannot gain privileges (sudo, setuid programs). */
  readonly noNewPrivileges: boolean;
  /** Variables every step starts with; the build's own come on top. */
  readonly environment: Readonly<Record<string, string>>;
}

const safeName = /^[a-z][A-Za-z0-9._-]{0,200}$/;

/** Where a build lives. Ids that are no plain file name are a bug of ours. */
export function folderOf(root: string, build: string): string {
  if (!safeName.test(build)) throw new Fault('bug', `${JSON.stringify(build)} cannot name a build's folder`);
  return join(root, build);
}

/** Writes the folder aside and renames it into place as a whole; one that is there stays as it is. */
export async function prepareFolder(
  root: string,
  build: ShellBuild,
  plan: FolderPlan,
  signal: AbortSignal,
): Promise<void> {
  const repositories = (await build.repositories?.(signal)) ?? [];
  const staged =
    build.within === undefined
      ? repositories.length > 0
      : await isThere(join(folderOf(root, build.within), 'job', 'git'));
  const folder = folderOf(root, build.build);
  const aside = join(root, `.${build.build}.${randomBytes(6).toString('hex')}`);
  const own = async (path: string, mode: number, owner?: JobUser) => {
    await chmod(path, mode);
    if (owner !== undefined) await chown(path, owner.uid, owner.gid);
    else if (plan.user !== undefined) await chown(path, process.geteuid?.() ?? 0, plan.user.gid);
  };
  const put = async (name: string, content: string, mode: number) => {
    const path = join(aside, name);
    await writeFile(path, content, { mode: 0o600 });
    await own(path, mode);
  };
  await mkdir(aside, { mode: 0o700 });
  try {
    await mkdir(join(aside, 'steps'), { mode: 0o700 });
    const cookie = randomBytes(16).toString('hex');
    const work: Promise<void>[] = [
      put('supervisor.sh', supervisorScript, 0o640),
      put(
        'env',
        environment(folderOf(root, build.within ?? build.build), build, plan, cookie, staged),
        0o600,
      ),
      put('spec', await specification(build, plan, cookie), 0o600),
    ];
    if (build.within === undefined) {
      await mkdir(join(aside, 'job'), { mode: 0o700 });
      for (const name of ['workspace', 'home', 'tmp']) {
        const path = join(aside, 'job', name);
        work.push(mkdir(path, { mode: 0o700 }).then(() => own(path, 0o755, plan.user)));
      }
      const inject = join(aside, 'job', 'inject');
      work.push(writeFile(inject, '', { mode: 0o600 }).then(() => own(inject, 0o600, plan.user)));
      for (const repository of repositories) {
        work.push(stageRepository(join(aside, 'job', 'git', repository.project), repository, plan.user));
      }
      for (const file of build.files ?? [])
        work.push(stageFile(join(aside, 'job', 'files'), file, plan.user));
    } else {
      await symlink(join('..', basename(folderOf(root, build.within)), 'job'), join(aside, 'job'));
    }
    for (const [index, step] of build.steps.entries()) {
      const name = join('steps', `${index}`.padStart(2, '0'));
      const script = withoutNul(step.script.replaceAll('\r\n', '\n'));
      const argv = [...interpreter(script), join(folder, name)];
      work.push(
        put(name, script, 0o640),
        put(`${name}.argv`, argv.map((word) => `${word}\0`).join(''), 0o640),
      );
      if (step.guards !== undefined) work.push(put(`${name}.guards`, `${step.guards}\n`, 0o640));
      if (step.hold === true) work.push(put(`${name}.hold`, '', 0o640));
    }
    // All of them, also when one fails: nothing may still be written when the folder is removed below.
    const failed = (await Promise.allSettled(work)).find((each) => each.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    // Ours, so that the job cannot put a link in the place of its workspace, which we read with our rights.
    if (build.within === undefined) await own(join(aside, 'job'), 0o710);
    await own(join(aside, 'steps'), 0o750);
    await own(aside, 0o710);
    await rename(aside, folder);
  } catch (error) {
    await rm(aside, { recursive: true, force: true });
    const code = errnoOf(error);
    if (code === 'ENOTEMPTY' || code === 'EEXIST') return;
    throw asNodeFault(error, `cannot prepare ${folder}`);
  }
}

/** As Jenkins reads it: the words of the first line, split at blanks; without `#!`, `/bin/sh -xe`. */
function interpreter(script: string): string[] {
  if (!script.startsWith('#!')) return ['/bin/sh', '-xe'];
  const words = (script.slice(2).split('\n')[0] ?? '').trim().split(/[ \t]+/);
  return words[0] === '' ? ['/bin/sh', '-xe'] : words;
}

function environment(
  folder: string,
  build: ShellBuild,
  plan: FolderPlan,
  cookie: string,
  staged: boolean,
): string {
  const name = plan.user?.name;
  const job = join(folder, 'job');
  const files = build.files ?? [];
  const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
  const found = plan.environment['PATH'] ?? build.env['PATH'] ?? path;
  const all: Record<string, string> = {
    LANG: 'C.UTF-8',
    SHELL: '/bin/bash',
    ...(name === undefined ? {} : { USER: name, LOGNAME: name }),
    HOME: join(job, 'home'),
    TMPDIR: join(job, 'tmp'),
    ...plan.environment,
    ...build.env,
    PATH: files.some((file) => file.path.startsWith('bin/'))
      ? `${join(job, 'files', 'bin')}:${found}`
      : found,
    ...(staged ? { ZUUL_URL: `file://${job}/git` } : {}),
    ...Object.fromEntries(
      files.flatMap((file) =>
        file.variable === undefined ? [] : [[file.variable, join(job, 'files', file.path)]],
      ),
    ),
    WORKSPACE: join(job, 'workspace'),
    STACKGATE_GIVEN: join(job, 'given'),
    STACKGATE_INJECT: join(job, 'inject'),
    STACKGATE_COOKIE: cookie,
  };
  return Object.entries(all)
    .filter(([key]) => key !== '' && !key.includes('=') && !key.includes('\0'))
    .map(([key, value]) => `${key}=${withoutNul(value)}\0`)
    .join('');
}

async function specification(build: ShellBuild, plan: FolderPlan, cookie: string): Promise<string> {
  const { limits, user } = plan;
  const entries: Record<string, string | number> = {
    timeout: Math.max(1, Math.round(build.timeout)),
    idle: Math.max(0, Math.round(build.quiet ?? 0)),
    grace: limits.grace,
    limit: limits.output,
    nofile: limits.files,
    nproc: limits.processes,
    steps: build.steps.length,
    cookie,
    boot: await bootId(),
    uid: user?.uid ?? '',
    gid: user?.gid ?? '',
    groups: user === undefined ? 'clear' : 'init',
    exclusive: plan.exclusive ? 1 : 0,
    nnp: plan.noNewPrivileges ? 1 : 0,
  };
  return `${Object.entries(entries)
    .map(([key, value]) => `${key}=${value}`)
    .join('\n')}\n`;
}

/** How a build ended, as its supervisor wrote it; undefined while it has not. */
export async function readResult(
  folder: string,
): Promise<{ exit: ShellExit; output: number; left: number } | undefined> {
  const text = await textOf(join(folder, 'result'));
  if (text === undefined) return undefined;
  const fields = new Map(
    text
      .trim()
      .split(' ')
      .map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)] as const),
  );
  const number = (key: string) => Number(fields.get(key) ?? 0);
  const code = fields.get('code') ?? '';
  const signal = fields.get('signal') ?? '';
  const exit: ShellExit = {
    code: code === '' ? null : Number(code),
    step: number('step'),
    signal: signal === '' ? null : signal,
    stopped: reasonOf(fields.get('stopped')),
    startedAt: number('started'),
    finishedAt: number('finished'),
    diskFull: fields.get('full') === '1',
    dropped: number('dropped'),
  };
  return { exit, output: number('output'), left: number('left') };
}

function reasonOf(text: string | undefined): ShellExit['stopped'] {
  switch (text) {
    case 'timeout':
    case 'quiet':
    case 'cancel':
    case 'output':
      return text;
    default:
      return null;
  }
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
  answer: Parameters<Shell['resume']>[2],
): Promise<void> {
  if ((await heldStep(folder)) !== step) return;
  const number = `${step}`.padStart(2, '0');
  try {
    for await (const file of answer.files) await giveFile(join(folder, 'job', 'given', `${step}`), file);
    const aside = join(folder, `.go.${randomBytes(6).toString('hex')}`);
    await writeFile(aside, `${answer.code}\n`, { mode: 0o600 });
    await rename(aside, join(folder, `go.${number}`));
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

function withoutNul(text: string): string {
  return text.replaceAll('\0', '');
}

/** `ENOENT` and its like, of what node:fs threw. */
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
