import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe } from 'vitest';
import { resolveJobUser } from '../../../nodepool/jobuser.ts';
import { defaultLimits, type FolderPlan } from '../../../nodepool/supervisor/plan.ts';
import { localShell } from '../../../nodepool/supervisor/shell.ts';
import { type ShellFixture, shellSuite } from './shell.ts';
import { stepSuite } from './shellsteps.ts';

describe('local shell', () => {
  let root = '';
  let plan: FolderPlan | undefined;

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'stackgate-shell-'));
    await chmod(root, 0o711);
    const asRoot = process.geteuid?.() === 0;
    const user = await resolveJobUser(asRoot ? { user: 'nobody' } : { allowSameUser: true });
    plan = {
      limits: { ...defaultLimits, grace: 300 },
      user,
      exclusive: false,
      noNewPrivileges: true,
      environment: {},
    };
  });
  afterAll(() => rm(root, { recursive: true, force: true }));

  const fixture: ShellFixture = {
    shell() {
      if (plan === undefined) throw new Error('not set up');
      return localShell(root, plan);
    },
    async killSupervisor(build) {
      const [pid] = (await readFile(join(root, build, 'supervisor'), 'utf8')).split(' ');
      process.kill(Number(pid), 'SIGKILL');
    },
  };
  shellSuite(() => fixture);
  stepSuite(() => fixture);
});
