import { chmod, chown, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe } from 'vitest';
import { openSshShell, type SshShell, type SshShellOptions } from '../../../nodepool/ssh/shell.ts';
import { type ShellFixture, shellSuite } from '../../conformance/ports/shell.ts';
import { stepSuite } from '../../conformance/ports/shellsteps.ts';
import { makeAccount, noAccounts, unprivileged } from './accounts.ts';
import { asRoot, jobUser, run } from './node.ts';
import { missing, openSshd, type Sshd } from './sshd.ts';

/** What every `Shell` must do, over ssh, for each way to log in. */

interface Way {
  readonly name: string;
  readonly why: string | undefined;
  readonly login?: string;
  readonly sudo?: boolean;
  readonly user?: string | undefined;
}

const ways: readonly Way[] = [
  { name: asRoot ? 'as root' : 'as ourselves', why: missing(), user: jobUser },
  { name: 'as a plain user', why: missing() ?? noAccounts(false), login: unprivileged },
  { name: 'as a user with sudo', why: missing() ?? noAccounts(true), login: unprivileged, sudo: true },
];

describe.each(ways)('a shell over ssh, $name', ({ why, login, sudo, user }) => {
  describe.skipIf(why !== undefined)(`on a node${why === undefined ? '' : ` (${why})`}`, () => {
    let root = '';
    let sshd: Sshd;
    let account: AsyncDisposable | undefined;
    const open: SshShell[] = [];

    beforeAll(async () => {
      sshd = await openSshd();
      const folder = await mkdtemp(join(tmpdir(), 'stackgate-node-'));
      await chmod(folder, 0o711);
      root = join(folder, 'builds');
      if (login === undefined) return;
      account = await makeAccount();
      if (sudo === true) return;
      await mkdir(root, { mode: 0o711 });
      const { stdout } = await run('id', ['-u', login]);
      await chown(root, Number(stdout), 0);
    });
    afterAll(async () => {
      for (const shell of open) await shell[Symbol.asyncDispose]();
      await sshd[Symbol.asyncDispose]();
      await account?.[Symbol.asyncDispose]();
      await rm(join(root, '..'), { recursive: true, force: true });
    });

    const fixture: ShellFixture = {
      shell() {
        const target = login === undefined ? sshd.target : { ...sshd.target, user: login };
        const options: SshShellOptions = { root, user, limits: { grace: 300 } };
        const shell = openSshShell(sudo === true ? { ...target, sudo } : target, options);
        open.push(shell);
        return shell;
      },
      async killSupervisor(build) {
        const [pid] = (await readFile(join(root, build, 'supervisor'), 'utf8')).split(' ');
        process.kill(Number(pid), 'SIGKILL');
      },
    };
    shellSuite(() => fixture);
    stepSuite(() => fixture);
  });
});
