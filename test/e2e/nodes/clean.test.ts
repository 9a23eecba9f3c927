import { spawn } from 'node:child_process';
import { chmod, chown, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { SshShell } from '../../../nodepool/ssh/shell.ts';
import { buildOf, processesOf, runBuild, until } from '../../conformance/ports/shell.ts';
import { asRoot, openNode, run, soon, type TestNode } from './node.ts';
import { missing } from './sshd.ts';

/** What builds leave on a node, and what hostile ones put in the way of those who collect from them. */

const why = missing();

describe.skipIf(why !== undefined)(`after a build on a node${why === undefined ? '' : ` (${why})`}`, () => {
  let node: TestNode;

  beforeAll(async () => {
    node = await openNode();
  });
  afterAll(() => node[Symbol.asyncDispose]());

  const workspaceOf = (build: string) => join(node.root, build, 'job/workspace');

  async function collect(shell: SshShell, build: string, include: readonly string[]) {
    const files: Record<string, string> = {};
    for await (const file of shell.collect(build, include, [], soon())) {
      let text = '';
      for await (const part of file.content) text += Buffer.from(part).toString('latin1');
      expect(text.length).toBe(file.size);
      files[file.path] = text;
    }
    return files;
  }

  test('nothing but plain files of its own is collected', async () => {
    const shell = node.shell();
    const build = buildOf([
      `#!/bin/bash
mkdir -p out/$'\\e[31mred' 'out/a b'; cd out
echo plain >plain; echo dashed >./-rf; echo colour >$'\\e[31mred/x'; echo quoted >"a b/it's \\"\\$(id)\\".txt"
touch empty; head -c 300000 /dev/zero | tr '\\0' z >large
mkfifo fifo; ln -s /etc/passwd passwd; ln -s / everything; ln -s ../out loop; ln -s plain link
ln -s /proc/self/environ environ; ln -s "$WORKSPACE/../../spec" spec; ln -s "$WORKSPACE/../home" home
(cd /; sleep 300) & exec python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("socket")' 2>/dev/null; exit 0`,
    ]);
    await runBuild(shell, build);
    const files = await collect(shell, build.build, ['out/**']);
    expect(Object.keys(files)).toEqual(
      [
        'out/\u001b[31mred/x',
        'out/-rf',
        `out/a b/it's "$(id)".txt`,
        'out/empty',
        'out/large',
        'out/link',
        'out/plain',
      ].toSorted(),
    );
    expect(files['out/link']).toBe('plain\n');
    expect(files['out/large']).toBe('z'.repeat(300_000));
  });

  test.skipIf(!asRoot)('a second name of somebody else’s file is left out', async () => {
    const shell = node.shell();
    const build = buildOf(['#!/bin/sh\necho mine >mine; ln mine also']);
    await runBuild(shell, build);
    const secret = join(node.root, 'secret');
    await writeFile(secret, 'secret\n', { mode: 0o600 });
    await run('ln', [secret, join(workspaceOf(build.build), 'stolen')]);
    await run('mknod', [join(workspaceOf(build.build), 'disk'), 'c', '1', '5']);
    expect(await collect(shell, build.build, ['**'])).toEqual({ also: 'mine\n', mine: 'mine\n' });
    await rm(secret);
  });

  test('files that change under us arrive as they were announced, or not at all', async () => {
    const shell = node.shell();
    const build = buildOf(['#!/bin/sh\nfor i in 1 2 3; do echo "file $i" >$i; done; echo 0123456789 >grows']);
    await runBuild(shell, build);
    const seen: [string, number, number][] = [];
    for await (const file of shell.collect(build.build, ['*'], [], soon())) {
      if (file.path === '1') {
        await rm(join(workspaceOf(build.build), '3'));
        await symlink('/etc/passwd', join(workspaceOf(build.build), '3'));
      }
      if (file.path === 'grows') await writeFile(join(workspaceOf(build.build), 'grows'), 'short\n');
      let bytes = 0;
      for await (const part of file.content) bytes += part.length;
      seen.push([file.path, file.size, bytes]);
    }
    expect(seen.map(([path]) => path)).toEqual(expect.arrayContaining(['1', '2', 'grows']));
    expect(seen.map(([path]) => path)).not.toContain('3');
    for (const [, size, bytes] of seen) expect(bytes).toBe(size);
  });

  test('files that nobody wants to read are passed over, and an end before the end is one', async () => {
    const shell = node.shell();
    const build = buildOf([
      '#!/bin/bash\nfor i in {1..300}; do echo $i >file$i; done; head -c 50000000 /dev/zero >huge',
    ]);
    await runBuild(shell, build);
    let count = 0;
    for await (const file of shell.collect(build.build, ['**'], [], soon())) if (file.size >= 0) count += 1;
    expect(count).toBe(301);
    for await (const file of shell.collect(build.build, ['huge'], [], soon())) {
      for await (const part of file.content) {
        expect(part.length).toBeGreaterThan(0);
        break;
      }
    }
    // The channel is free again.
    expect(await shell.held(build.build, soon())).toBe(undefined);
  });

  test('what a build left is removed, whatever it is', async () => {
    const shell = node.shell();
    const build = buildOf([
      `#!/bin/bash
mkdir -p closed/inner deep; touch closed/inner/file; chmod 000 closed/inner closed
p=.; for i in {1..200}; do p+=/dddddddddddddddddddd; done; mkdir -p "deep/$p"; touch -- -f $'new\\nline' '*'`,
    ]);
    await runBuild(shell, build);
    const workspace = workspaceOf(build.build);
    const outside = await mkdtemp(join(tmpdir(), 'stackgate-outside-'));
    await writeFile(join(outside, 'precious'), '');
    await symlink(outside, join(workspace, 'link'));
    if (asRoot) {
      await mkdir(join(workspace, 'foreign'));
      await chown(join(workspace, 'foreign'), 12345, 12345);
      await chmod(join(workspace, 'foreign'), 0o700);
      for (const name of ['bound', 'tmpfs', 'with blank']) await mkdir(join(workspace, name));
      await run('mount', ['--bind', outside, join(workspace, 'bound')]);
      await run('mount', ['-t', 'tmpfs', 'tmpfs', join(workspace, 'with blank')]);
      await run('mount', ['-t', 'tmpfs', 'tmpfs', join(workspace, 'tmpfs')]);
      await mkdir(join(workspace, 'tmpfs', 'nested'));
      await run('mount', ['-t', 'tmpfs', 'tmpfs', join(workspace, 'tmpfs', 'nested')]);
      await mkdir(join(workspace, 'fixed'));
      await writeFile(join(workspace, 'fixed', 'file'), '');
      await run('chattr', ['+i', join(workspace, 'fixed')]).catch(() => undefined);
    }
    await shell.forget(build.build, soon());
    expect(await readdir(node.root)).not.toContain(build.build);
    expect((await readdir(node.root)).filter((name) => name.includes(build.build))).toEqual([]);
    expect(await readdir(outside)).toEqual(['precious']);
    expect(await readFile('/proc/self/mountinfo', 'utf8')).not.toContain(build.build);
    await rm(outside, { recursive: true });
  });

  test('a process that sits in the workspace without our mark goes, too', async () => {
    const shell = node.shell();
    const build = buildOf(['#!/bin/sh\ntrue']);
    await runBuild(shell, build);
    const lodger = spawn('sleep', ['300'], { cwd: workspaceOf(build.build), env: {}, stdio: 'ignore' });
    const gone = new Promise((resolve) => lodger.once('exit', (_, signal) => resolve(signal)));
    await shell.forget(build.build, soon());
    expect(await gone).toBe('SIGKILL');
  });

  test('what earlier builds left is found, and cleared without touching the one that runs', async () => {
    const shell = node.shell();
    const running = buildOf(['#!/bin/bash\nwhile [ ! -e go ]; do sleep 0.05; done; echo went']);
    await shell.start(running, soon());
    const old = buildOf(['#!/bin/bash\nsleep 300']);
    await shell.start(old, soon());
    await until(async () => (await processesOf(old.mark)).length > 0);
    const found = await shell.leftovers(soon());
    expect(found).toEqual(expect.arrayContaining([running.build, old.build]));
    for (const build of found) if (build !== running.build) await shell.forget(build, soon());
    expect(await shell.leftovers(soon())).toEqual([running.build]);
    expect(await processesOf(old.mark)).toEqual([]);
    expect((await processesOf(running.mark)).length).toBeGreaterThan(0);
    await shell.forget(running.build, soon());
  });

  test.skipIf(!asRoot)(
    'a disk that fills up: the job is told of it, and the next build waits for room',
    async () => {
      const disk = await mkdtemp(join(tmpdir(), 'stackgate-full-'));
      await run('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', disk]);
      try {
        await chmod(disk, 0o711);
        const shell = node.shell({ root: join(disk, 'builds') });
        const build = buildOf(['#!/bin/sh\necho before; head -c 20000000 /dev/zero >fill || exit 3']);
        const { exit, text } = await runBuild(shell, build);
        expect(exit).toMatchObject({ code: 3, diskFull: true });
        expect(text).toContain('before\n');
        const next = buildOf(['#!/bin/sh\necho ran']);
        await expect(shell.start(next, soon())).rejects.toMatchObject({ code: 'disk-full', retry: true });
        await shell.forget(build.build, soon());
        expect((await runBuild(shell, next)).text).toBe('ran\n');
        // Output beyond the disk, not files.
        const loud = buildOf(['#!/bin/sh\nyes | head -c 20000000']);
        const ended = await runBuild(shell, loud);
        expect(ended.exit.diskFull === true || ended.exit.code !== 0).toBe(true);
        await shell.forget(loud.build, soon());
        await shell.forget(next.build, soon());
        expect((await readdir(join(disk, 'builds'))).filter((name) => name !== '.cache')).toEqual([]);
      } finally {
        await run('umount', ['-l', disk]);
        await rm(disk, { recursive: true, force: true });
      }
    },
  );
});
