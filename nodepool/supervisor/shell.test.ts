import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildOf, followBuild, processesOf, runBuild, until } from '../../test/conformance/ports/shell.ts';
import { checkAccess, resolveJobUser, run } from '../jobuser.ts';
import { defaultLimits, type FolderPlan, folderOf } from './plan.ts';
import { localShell } from './shell.ts';

/** What only the local shell can be asked: other processes, users, disks. The rest is in test/conformance/ports/shell.ts. */

const asRoot = process.geteuid?.() === 0;
const soon = () => AbortSignal.timeout(30_000);
let root = '';
let plan: FolderPlan;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'stackgate-local-'));
  await chmod(root, 0o711);
  plan = {
    limits: { ...defaultLimits, grace: 300 },
    user: await resolveJobUser(asRoot ? { user: 'nobody' } : { allowSameUser: true }),
    exclusive: false,
    noNewPrivileges: true,
    environment: {},
  };
});
afterAll(() => rm(root, { recursive: true, force: true }));

/** A process of its own that starts a build and then only waits, to be killed. */
function starter(folder: string, build: string, more = ''): ReturnType<typeof spawn> {
  const shell = new URL('shell.ts', import.meta.url).pathname;
  const code = `
    import { localShell } from ${JSON.stringify(shell)};
    ${more}
    const shell = localShell(${JSON.stringify(folder)}, ${JSON.stringify(plan)});
    await shell.start(${build}, AbortSignal.timeout(30000));
    console.log('started');
    setInterval(() => {}, 1000);
  `;
  return spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', code], {
    stdio: ['ignore', 'pipe', 'inherit'],
    cwd: new URL('../..', import.meta.url).pathname,
  });
}

describe('a restart', () => {
  test('halves of folders that a killed process left go with their build, and no other', async () => {
    const build = buildOf(['true']);
    const other = `${build.build}2`;
    const halves = [`.${build.build}.0a1b2c`, `.${build.build}.after.0a1b2c`, `.gone.${build.build}.3d4e5f`];
    for (const name of [...halves, `.${other}.0a1b2c`])
      await mkdir(join(root, name, 'job'), { recursive: true });
    const shell = localShell(root, plan);
    await runBuild(shell, build);
    await shell.forget(build.build, soon());
    expect((await readdir(root)).filter((name) => name.includes(build.build))).toEqual([`.${other}.0a1b2c`]);
    await rm(join(root, `.${other}.0a1b2c`), { recursive: true });
  });

  test('finds the build that a killed process started, and every byte of it once', async () => {
    const build = buildOf([
      '#!/bin/bash\nfor i in {1..50}; do echo "line $i"; done; echo half >> half; while [ ! -e half2 ]; do sleep 0.02; [ -e ../../go ] && touch half2; done; for i in {51..100}; do echo "line $i"; done',
    ]);
    const child = starter(root, JSON.stringify(build));
    await new Promise((resolve) => child.stdout?.once('data', resolve));
    await until(async () => (await stat(join(root, build.build, 'ticks'))).size > 0);
    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('exit', resolve));

    const shell = localShell(root, plan);
    await shell.start(build, soon());
    const end = followBuild(shell, build.build);
    await writeFile(join(root, build.build, 'go'), '', { mode: 0o644 });
    const { exit, text } = await end;
    expect(exit.code).toBe(0);
    expect(text).toBe(Array.from({ length: 100 }, (_, index) => `line ${index + 1}\n`).join(''));
  });

  test('a process killed between the folder and the supervisor leaves a build that has not begun', async () => {
    const build = buildOf(['#!/bin/sh\necho ran']);
    const { prepareFolder, supervisorState } = await import('./folder.ts');
    await prepareFolder(root, build, plan, AbortSignal.timeout(10_000));
    await prepareFolder(root, build, plan, AbortSignal.timeout(10_000));
    expect(await supervisorState(folderOf(root, build.build))).toBe('prepared');
    expect((await runBuild(localShell(root, plan), build)).text).toBe('ran\n');
  });

  test('a build from before a reboot is lost, not run again', async () => {
    const build = buildOf(['echo ran']);
    const { prepareFolder } = await import('./folder.ts');
    await prepareFolder(root, build, plan, AbortSignal.timeout(10_000));
    const spec = join(root, build.build, 'spec');
    await writeFile(spec, (await readFile(spec, 'utf8')).replace(/boot=.*/, 'boot=another'));
    await expect(localShell(root, plan).start(build, soon())).rejects.toMatchObject({ code: 'node-lost' });
  });
});

describe('output', () => {
  test('200 MB arrive whole, with bounded memory', async () => {
    const build = buildOf(['#!/bin/sh\nhead -c 200000000 /dev/zero | tr "\\\\000" x']);
    const shell = localShell(root, plan);
    await shell.start(build, soon());
    const before = process.memoryUsage().rss;
    let most = 0;
    let bytes = 0;
    const hash = createHash('sha256');
    await shell.attach(
      build.build,
      0,
      {
        output(chunk, offset) {
          expect(offset).toBe(bytes);
          bytes += chunk.length;
          hash.update(chunk);
          most = Math.max(most, process.memoryUsage.rss());
        },
      },
      AbortSignal.timeout(60_000),
    );
    expect(bytes).toBe(200_000_000);
    expect(hash.digest('hex')).toBe(
      createHash('sha256').update(Buffer.alloc(200_000_000, 'x')).digest('hex'),
    );
    expect(most - before).toBeLessThan(150 * 1024 * 1024);
    await shell.forget(build.build, soon());
  }, 90_000);

  test('a build that writes more than it may is ended, and the rest is counted', async () => {
    const build = buildOf(['#!/bin/sh\nyes']);
    const limited = { ...plan, limits: { ...plan.limits, output: 64 * 1024 } };
    const { exit, text } = await runBuild(localShell(root, limited), build);
    expect(exit.stopped).toBe('output');
    expect(exit.dropped).toBeGreaterThan(0);
    expect(text.length).toBe(64 * 1024);
  });

  test.skipIf(!asRoot)('a full disk ends with a verdict that says so', async (context) => {
    const disk = join(root, 'disk');
    await mkdir(disk, { mode: 0o711 });
    const mounted = await run('mount', ['-t', 'tmpfs', '-o', 'size=2m,mode=711', 'tmpfs', disk]);
    context.skip(mounted.code !== 0, 'mount is not allowed here');
    try {
      const shell = localShell(disk, plan);
      const build = buildOf([
        '#!/bin/bash\necho begin; head -c 4000000 /dev/zero > big || { echo failed; exit 1; }',
      ]);
      const { exit } = await runBuild(shell, build);
      expect(exit).toMatchObject({ code: 1, diskFull: true });
      await shell.forget(build.build, soon());
      const loud = buildOf(['#!/bin/bash\nhead -c 4000000 /dev/zero | tr "\\000" x\nexit 0']);
      const ended = await runBuild(shell, loud);
      expect(ended.exit).toMatchObject({ code: 0, diskFull: true });
      await shell.forget(loud.build, soon());
    } finally {
      await run('umount', ['-l', disk]);
    }
  });
});

describe('the user of the job', () => {
  test.skipIf(!asRoot)(
    'is not ours: it reads nothing of ours and writes nothing of the supervisor',
    async () => {
      const data = join(root, 'data');
      await mkdir(data, { mode: 0o700 });
      await writeFile(join(data, 'key'), 'secret', { mode: 0o600 });
      const build = buildOf(
        [
          `#!/bin/bash
id -u; id -un; umask; pwd; echo $HOME; echo $TMPDIR; grep NoNewPrivs /proc/self/status; ls -l /proc/self/fd | grep -c ' -> '
cat ${data}/key 2>/dev/null && echo READ
cd ../..
for f in env spec output ticks stop result supervisor lock supervisor.sh steps/00; do ( echo x >> $f ) 2>/dev/null && echo "WROTE $f"; done
for f in env spec output ticks lock; do cat $f > /dev/null 2>&1 && echo "READ $f"; done
( mv steps steps2 || rm -rf steps || touch mine ) 2>/dev/null && echo MOVED
kill -0 $(cut -d' ' -f1 supervisor 2>/dev/null) 2>/dev/null && echo SIGNAL
exit 0`,
        ],
        { env: { SECRET: 'x' } },
      );
      const { text, exit } = await runBuild(localShell(root, plan), build);
      const folder = join(root, build.build, 'job');
      expect(exit.code).toBe(0);
      const lines = text.trim().split('\n');
      expect(lines.slice(0, 7)).toEqual([
        '65534',
        'nobody',
        '0022',
        join(folder, 'workspace'),
        join(folder, 'home'),
        join(folder, 'tmp'),
        'NoNewPrivs:\t1',
      ]);
      // 0, 1, 2 and the one ls reads: nothing of the supervisor is open in a step.
      expect(lines.slice(7)).toEqual(['4']);
    },
  );

  test.skipIf(!asRoot)(
    'nothing of an exclusive user outlives its build, whatever it hides behind',
    async () => {
      // A user of Debian's that nothing runs as.
      const user = await resolveJobUser({ user: 'games' });
      const own = { ...plan, user, exclusive: true };
      const build = buildOf([
        '#!/bin/bash\nenv -i setsid sleep 299 & sleep 0.2; ps -C sleep -o user=; exit 0',
      ]);
      const { exit, text } = await runBuild(localShell(root, own), build);
      expect(exit.code).toBe(0);
      expect(text).toContain('games');
      // Its fifo is closed a moment before it is gone.
      await until(async () => (await run('ps', ['-o', 'pid=', '-U', 'games'])).stdout.trim() === '');
    },
  );

  test.skipIf(!asRoot)('cannot put a link to our files in the place of its workspace', async () => {
    const build = buildOf([
      '#!/bin/bash\ncd ..; mv workspace elsewhere; ln -s /etc workspace; rm -rf workspace; ln -s /etc workspace; exit 0',
    ]);
    const shell = localShell(root, plan);
    await runBuild(shell, build);
    const job = join(root, build.build, 'job');
    expect((await readdir(job)).sort()).toEqual(['home', 'inject', 'tmp', 'workspace']);
    // And if it could: the link is not followed.
    await rm(join(job, 'workspace'), { recursive: true });
    await symlink('/etc', join(job, 'workspace'));
    const found: string[] = [];
    for await (const file of shell.collect(build.build, ['**'], [], soon())) found.push(file.path);
    expect(found).toEqual([]);
  });

  test.skipIf(!asRoot)('must reach the workspaces and must not read what is ours', async () => {
    const user = await resolveJobUser({ user: 'nobody' });
    if (user === undefined) throw new Error('no user');
    const closed = await mkdtemp(join(root, 'closed-'));
    await expect(checkAccess(user, closed, [])).rejects.toMatchObject({ code: 'job-user' });
    await expect(checkAccess(user, root, ['/etc/passwd'])).rejects.toMatchObject({ code: 'job-user' });
    await checkAccess(user, root, [closed]);
  });

  test('is refused when it is root, ourselves, unknown or not named', async () => {
    const refusal = { code: 'job-user', hint: expect.stringContaining('useradd') as unknown };
    await expect(resolveJobUser({})).rejects.toMatchObject(refusal);
    await expect(resolveJobUser({ user: 'root' })).rejects.toMatchObject(refusal);
    await expect(resolveJobUser({ user: 'no-such-user-here' })).rejects.toMatchObject(refusal);
    if (asRoot) await expect(resolveJobUser({ allowSameUser: true })).rejects.toMatchObject(refusal);
    else expect(await resolveJobUser({ allowSameUser: true })).toBe(undefined);
  });
});

test('an idle supervisor costs next to nothing', async () => {
  const build = buildOf(['#!/bin/bash\nsleep 300']);
  const shell = localShell(root, plan);
  await shell.start(build, soon());
  const [pid] = (await readFile(join(root, build.build, 'supervisor'), 'utf8')).split(' ');
  const spent = async () => {
    const stat = await readFile(`/proc/${pid ?? ''}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) * 10;
  };
  const before = await spent();
  await new Promise((resolve) => setTimeout(resolve, 2000));
  expect((await spent()) - before).toBeLessThan(100);
  await shell.stop(build.build, 'cancel', soon());
  expect(await processesOf(build.mark)).toEqual([]);
});
