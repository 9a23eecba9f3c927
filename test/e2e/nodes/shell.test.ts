import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe } from 'vitest';
import { openSshShell, type SshShell } from '../../../nodepool/ssh/shell.ts';
import { type ShellFixture, shellSuite } from '../../conformance/ports/shell.ts';
import { stepSuite } from '../../conformance/ports/shellsteps.ts';
import { missing, openSshd, type Sshd } from './sshd.ts';

const why = missing();

describe.skipIf(why !== undefined)(`a shell over ssh${why === undefined ? '' : ` (${why})`}`, () => {
  let root = '';
  let sshd: Sshd;
  const open: SshShell[] = [];

  beforeAll(async () => {
    sshd = await openSshd();
    const folder = await mkdtemp(join(tmpdir(), 'stackgate-node-'));
    await chmod(folder, 0o711);
    root = join(folder, 'builds');
  });
  afterAll(async () => {
    for (const shell of open) await shell[Symbol.asyncDispose]();
    await sshd[Symbol.asyncDispose]();
    await rm(join(root, '..'), { recursive: true, force: true });
  });

  const fixture: ShellFixture = {
    shell() {
      const user = sshd.target.user === 'root' ? 'nobody' : undefined;
      const shell = openSshShell(sshd.target, { root, user, limits: { grace: 300 } });
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
