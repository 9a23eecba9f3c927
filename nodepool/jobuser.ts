import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { Fault } from '../pipelines/fault.ts';
import type { JobUser } from './supervisor/plan.ts';

/**
 * Whom a stranger's patch runs as on this machine: never root, never ourselves. Everybody who may push a change runs code
 * here, so the refusal is the default and says how to set a user up.
 */

export interface JobUserOptions {
  /** Name of the account the steps run as. */
  readonly user?: string | undefined;
  /** Run them as ourselves although that hands our own files to them: for a demo and for tests, never as root. */
  readonly allowSameUser?: boolean | undefined;
}

const example = 'stackgate-job';

/** The user to drop to, or undefined for ourselves (only when allowed). Throws Fault `job-user`. */
export async function resolveJobUser(options: JobUserOptions): Promise<JobUser | undefined> {
  const own = process.geteuid?.() ?? 0;
  const sameUser = options.allowSameUser === true;
  if (options.user === undefined) {
    if (own === 0)
      throw refusal('jobs may not run as root, and no user for them is configured', setUp(example));
    if (sameUser) return undefined;
    throw refusal(
      'jobs may not run as the user Stackgate itself runs as, and no user for them is configured',
      `${setUp(example)} ${privileges}`,
    );
  }
  const user = await lookUp(options.user);
  if (user.uid === 0) throw refusal(`the job user ${user.name} is root`, setUp(example));
  if (user.uid === own) {
    if (sameUser) return undefined;
    throw refusal(`the job user ${user.name} is the user Stackgate itself runs as`, setUp(example));
  }
  if (!(await mayDrop())) {
    throw refusal(`this process may not change to the job user ${user.name}`, privileges);
  }
  return user;
}

/** Runs test(1) as the job's user: can it reach, or read, `path`? */
export async function userCan(user: JobUser, what: 'read' | 'enter', path: string): Promise<boolean> {
  const drop = ['--reuid', `${user.uid}`, '--regid', `${user.gid}`, '--init-groups', '--inh-caps=-all'];
  const { code } = await run('setpriv', [
    ...drop,
    '--ambient-caps=-all',
    '/usr/bin/test',
    what === 'read' ? '-r' : '-x',
    path,
  ]);
  return code === 0;
}

/** The job's user must reach the workspaces and must not read what is ours. */
export async function checkAccess(user: JobUser, root: string, secret: readonly string[]): Promise<void> {
  if (!(await userCan(user, 'enter', root))) {
    throw refusal(
      `the job user ${user.name} cannot reach the workspaces in ${root}`,
      `Let others pass every folder above it: namei -l ${root} shows them, chmod o+x opens one.`,
    );
  }
  for (const path of secret) {
    if (await userCan(user, 'read', path)) {
      throw refusal(
        `the job user ${user.name} can read ${path}`,
        `Close it to others: chmod -R o-rwx ${path}, and take ${user.name} out of its group.`,
      );
    }
  }
}

function setUp(name: string): string {
  return `Run: useradd --system --user-group --shell /bin/bash ${name}; then name it in the site's configuration (nodes: local: user: ${name}).`;
}

const privileges =
  'Run Stackgate as root, or give its systemd unit AmbientCapabilities=CAP_SETUID CAP_SETGID CAP_KILL CAP_CHOWN ' +
  'CAP_FOWNER CAP_DAC_OVERRIDE CAP_SYS_PTRACE (and KillMode=process, so that builds outlive a restart).';

function refusal(message: string, hint: string): Fault {
  return new Fault('job-user', message, { hint });
}

async function lookUp(name: string): Promise<JobUser> {
  const ids: number[] = [];
  for (const flag of ['-u', '-g']) {
    const { code, stdout } = await run('id', [flag, '--', name]);
    if (code !== 0) throw refusal(`there is no user ${name} for jobs on this machine`, setUp(name));
    ids.push(Number(stdout));
  }
  const [uid = 0, gid = 0] = ids;
  return { name, uid, gid };
}

/**
 * CHOWN, DAC_OVERRIDE, FOWNER, KILL, SETGID, SETUID and SYS_PTRACE, by their numbers in capability.h. The last one is to
 * read the environment of other users' processes, where the cookie is that tells leftovers.
 */
const needed = [0, 1, 3, 5, 6, 7, 19];

async function mayDrop(): Promise<boolean> {
  const status = await readFile('/proc/self/status', 'utf8');
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`);
  return needed.every((capability) => (effective >> BigInt(capability)) % 2n === 1n);
}

export function run(
  file: string,
  args: readonly string[],
): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const env = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' };
    execFile(file, [...args], { env, cwd: '/', timeout: 30_000 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 127;
      resolve({ code, stdout, stderr: stderr === '' && error !== null ? error.message : stderr });
    });
  });
}
