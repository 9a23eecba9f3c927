import { posix } from 'node:path';
import { Fault } from '../../pipelines/fault.ts';
import type { ShellBuild, StagedFile } from '../../pipelines/ports.ts';
import { supervisorScript } from './script.ts';

/**
 * What the folder of a build holds, as supervisor.sh expects it (the protocol is told at the head of that script). A plan is
 * a list of entries and touches nothing: this machine and nodes over ssh lay the same one down.
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
  return posix.join(root, build);
}

/** What only the node knows, or must not be asked for twice. */
export interface NodeFacts {
  /** /proc/sys/kernel/random/boot_id */
  readonly boot: string;
  /** Stands in the environment of everything the build starts. */
  readonly cookie: string;
  /** Repositories lie beside it. */
  readonly staged: boolean;
}

/** A folder before what is in it. `ours` is readable for the job's group, no more; paths are relative to the build's folder. */
export type FolderEntry =
  | { readonly kind: 'folder'; readonly path: string; readonly mode: number; readonly owner: 'ours' | 'job' }
  | {
      readonly kind: 'file';
      readonly path: string;
      readonly mode: number;
      readonly owner: 'ours' | 'job';
      readonly content: string | Uint8Array;
    }
  | { readonly kind: 'link'; readonly path: string; readonly to: string };

export function planFolder(
  root: string,
  build: ShellBuild,
  plan: FolderPlan,
  facts: NodeFacts,
): FolderEntry[] {
  const folder = folderOf(root, build.build);
  const place = folderOf(root, build.within ?? build.build);
  const ours = (path: string, content: string, mode = 0o640): FolderEntry => ({
    kind: 'file',
    path,
    mode,
    owner: 'ours',
    content,
  });
  return [
    ours('supervisor.sh', supervisorScript),
    ours('env', environment(place, build, plan, facts), 0o600),
    ours('spec', specification(build, plan, facts), 0o600),
    ...(build.within === undefined
      ? jobFolder(folder, build)
      : [{ kind: 'link', path: 'job', to: posix.join('..', build.within, 'job') } as const]),
    { kind: 'folder', path: 'steps', mode: 0o750, owner: 'ours' },
    ...build.steps.flatMap((step, index) => {
      const name = posix.join('steps', `${index}`.padStart(2, '0'));
      const script = meant(withoutNul(step.script.replaceAll('\r\n', '\n')), place, build);
      const argv = announced(step.title, [...interpreter(script), posix.join(folder, name)]);
      return [
        ours(name, script),
        ours(`${name}.argv`, argv.map((word) => `${word}\0`).join('')),
        ...(step.guards === undefined ? [] : [ours(`${name}.guards`, `${step.guards}\n`)]),
        ...(step.hold === true ? [ours(`${name}.hold`, '')] : []),
      ];
    }),
  ];
}

/** `job` is ours, so that the job cannot put a link in the place of its workspace, which we read with our rights. */
function jobFolder(folder: string, build: ShellBuild): FolderEntry[] {
  const jobs = (path: string): FolderEntry => ({ kind: 'folder', path, mode: 0o755, owner: 'job' });
  return [
    { kind: 'folder', path: 'job', mode: 0o710, owner: 'ours' },
    ...['job/workspace', 'job/home', 'job/tmp'].map(jobs),
    { kind: 'file', path: 'job/inject', mode: 0o600, owner: 'job', content: '' },
    ...[...new Set((build.files ?? []).flatMap(foldersOf))].map(jobs),
    ...(build.files ?? []).map((file): FolderEntry => {
      const mode = file.executable ? 0o755 : 0o400;
      const content = typeof file.content === 'string' ? meant(file.content, folder, build) : file.content;
      return { kind: 'file', path: placeOf(file), mode, owner: 'job', content };
    }),
  ];
}

/** Paths that jobs are used to find on a node, as where their files lie here. */
function meant(text: string, folder: string, build: ShellBuild): string {
  return Object.entries(build.aliases ?? {}).reduce(
    (done, [path, file]) => done.replaceAll(path, posix.join(folder, 'job/files', checkedPath(file))),
    text,
  );
}

function placeOf(file: StagedFile): string {
  return posix.join('job/files', checkedPath(file.path));
}

/** The folders above a file, the highest first. */
function foldersOf(file: StagedFile): string[] {
  const parts = placeOf(file).split('/');
  return parts.slice(2).map((_, index) => parts.slice(0, index + 2).join('/'));
}

/** Names of ours and of other builds: none leads out of the folder. */
export function checkedPath(path: string): string {
  if (path.split('/').some((part) => part === '' || part === '.' || part === '..' || part.includes('\0')))
    throw new Fault('bug', `${JSON.stringify(path)} is no path inside a folder`);
  return path;
}

/** Writes its title, as Jenkins writes the command line of a step, and becomes the step. */
function announced(title: string | undefined, argv: readonly string[]): readonly string[] {
  if (title === undefined) return argv;
  return ['/bin/sh', '-c', 'printf "%s\\n" "$1"; shift; exec "$@"', 'sh', withoutNul(title), ...argv];
}

/** As Jenkins reads it: the words of the first line, split at blanks; without `#!`, `/bin/sh -xe`. */
function interpreter(script: string): string[] {
  if (!script.startsWith('#!')) return ['/bin/sh', '-xe'];
  const words = (script.slice(2).split('\n')[0] ?? '').trim().split(/[ \t]+/);
  return words[0] === '' ? ['/bin/sh', '-xe'] : words;
}

function environment(folder: string, build: ShellBuild, plan: FolderPlan, facts: NodeFacts): string {
  const name = plan.user?.name;
  const job = posix.join(folder, 'job');
  const files = build.files ?? [];
  const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
  const found = plan.environment['PATH'] ?? build.env['PATH'] ?? path;
  const all: Record<string, string> = {
    LANG: 'C.UTF-8',
    SHELL: '/bin/bash',
    ...(name === undefined ? {} : { USER: name, LOGNAME: name }),
    HOME: posix.join(job, 'home'),
    TMPDIR: posix.join(job, 'tmp'),
    ...plan.environment,
    ...build.env,
    PATH: files.some((file) => file.path.startsWith('bin/'))
      ? `${posix.join(job, 'files', 'bin')}:${found}`
      : found,
    ...(facts.staged ? { ZUUL_URL: `file://${job}/git` } : {}),
    ...Object.fromEntries(
      files.flatMap((file) =>
        file.variable === undefined ? [] : [[file.variable, posix.join(job, 'files', file.path)]],
      ),
    ),
    WORKSPACE: posix.join(job, 'workspace'),
    STACKGATE_GIVEN: posix.join(job, 'given'),
    STACKGATE_INJECT: posix.join(job, 'inject'),
    STACKGATE_COOKIE: facts.cookie,
  };
  return Object.entries(all)
    .filter(([key]) => key !== '' && !key.includes('=') && !key.includes('\0'))
    .map(([key, value]) => `${key}=${withoutNul(value)}\0`)
    .join('');
}

function specification(build: ShellBuild, plan: FolderPlan, facts: NodeFacts): string {
  const { limits, user } = plan;
  const entries: Record<string, string | number> = {
    timeout: Math.max(1, Math.round(build.timeout)),
    idle: Math.max(0, Math.round(build.quiet ?? 0)),
    grace: limits.grace,
    limit: limits.output,
    nofile: limits.files,
    nproc: limits.processes,
    steps: build.steps.length,
    cookie: facts.cookie,
    boot: facts.boot,
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

function withoutNul(text: string): string {
  return text.replaceAll('\0', '');
}
