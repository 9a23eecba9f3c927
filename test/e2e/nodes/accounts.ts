import { existsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { asRoot, run } from './node.ts';

/** An account to log in as that is not root. Only root can make one; it is removed in the end. */

export const unprivileged = 'stackgate-e2e';

/** Why there is no such account here; undefined when there can be one. */
export function noAccounts(sudo: boolean): string | undefined {
  if (!asRoot) return 'needs root, to make an account';
  return sudo && !existsSync('/usr/bin/sudo') ? 'no sudo: apt-get install sudo' : undefined;
}

export async function makeAccount(): Promise<AsyncDisposable> {
  const rule = `/etc/sudoers.d/${unprivileged}`;
  const remove = async () => {
    await rm(rule, { force: true });
    await run('userdel', ['--force', unprivileged]).catch(() => undefined);
  };
  await remove();
  // A password that nothing matches: sshd takes `!` for a locked account.
  await run('useradd', ['--system', '--user-group', '--shell', '/bin/bash', '--password', '*', unprivileged]);
  if (noAccounts(true) === undefined)
    await writeFile(rule, `${unprivileged} ALL=(ALL) NOPASSWD: ALL\n`, { mode: 0o440 });
  return { [Symbol.asyncDispose]: remove };
}
