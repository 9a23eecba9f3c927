import { Fault } from '../../pipelines/fault.ts';
import type { JobUser } from '../supervisor/plan.ts';
import type { SshTarget } from './session.ts';

/** Whom a stranger's patch runs as on a node: never root, and ourselves only where the site logs in as nobody better. */

/** Account of the steps; empty for the one that logs in, without changing to it. Throws Fault `job-user`. */
export function jobUserOf(target: SshTarget, user: string | undefined): string {
  const asRoot = target.user === 'root' || target.sudo === true;
  const name = user ?? (target.sudo === true && target.user !== 'root' ? target.user : undefined);
  if (name === 'root' || (name === undefined && asRoot)) {
    throw refusal(
      `jobs on ${target.address} may not run as root, and no user for them is configured`,
      'Name the account that steps run as, or log in as another user than root.',
    );
  }
  if (name !== undefined && name !== target.user && !asRoot) {
    throw refusal(
      `${target.user} on ${target.address} may not change to the job user ${name}`,
      'Log in as root, or set sudo: true.',
    );
  }
  return asRoot ? (name ?? '') : '';
}

function refusal(message: string, hint: string): Fault {
  return new Fault('job-user', message, { hint });
}

/** `[our uid there, uid, gid]` of the account, as the node said, when steps can run as it. Throws Fault `job-user`. */
export function checkedUser(name: string, [euid, uid, gid]: readonly string[], where: string): JobUser {
  if (uid === undefined || uid === '' || gid === undefined) {
    throw refusal(
      `there is no user ${name} for jobs on ${where}`,
      `Run there: useradd --create-home --shell /bin/bash ${name}`,
    );
  }
  if (uid === '0') throw refusal(`the job user ${name} is root on ${where}`, 'Name another account.');
  if (euid !== '0') {
    throw refusal(`${where} may not change to the job user ${name}`, 'Log in as root, or set sudo: true.');
  }
  return { name, uid: Number(uid), gid: Number(gid) };
}
