import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildOf, followBuild, processesOf, until } from '../../conformance/ports/shell.ts';
import { asRoot, jobUser, makeRepository, openNode, soon, type TestNode } from './node.ts';
import { freePort, missing, silentServer } from './sshd.ts';

/** What happens to a build on a node when something between us and it dies, or we do. */

const why = missing();
const numbered = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => `line ${from + index}\n`).join('');
/** Writes a line every few ms and ends when it has written all. */
const talker = (lines: number) =>
  buildOf([`#!/bin/bash\nfor ((i = 1; i <= ${lines}; i++)); do echo "line $i"; sleep 0.005; done`]);

describe.skipIf(why !== undefined)(`a build on a node${why === undefined ? '' : ` (${why})`}`, () => {
  let node: TestNode;

  beforeAll(async () => {
    node = await openNode();
    await makeRepository(join(node.sshd.folder, 'demo.git'));
  });
  afterAll(() => node[Symbol.asyncDispose]());

  test('200 MB written quickly arrive whole, with bounded memory', async () => {
    const build = buildOf(['#!/bin/sh\nhead -c 200000000 /dev/zero | tr "\\000" x']);
    const shell = node.shell();
    await shell.start(build, soon());
    const before = process.memoryUsage().rss;
    let most = 0;
    let bytes = 0;
    const hash = createHash('sha256');
    const sink = {
      output(chunk: Uint8Array, offset: number) {
        expect(offset).toBe(bytes);
        bytes += chunk.length;
        hash.update(chunk);
        most = Math.max(most, process.memoryUsage.rss());
      },
    };
    const exit = await shell.attach(build.build, 0, sink, AbortSignal.timeout(100_000));
    expect(exit.code).toBe(0);
    expect(bytes).toBe(200_000_000);
    expect(hash.digest('hex')).toBe(
      createHash('sha256').update(Buffer.alloc(200_000_000, 'x')).digest('hex'),
    );
    expect(most - before).toBeLessThan(100 * 1024 * 1024);
    await shell.forget(build.build, soon());
  });

  test('a reader that is slow holds nothing in memory and loses nothing', async () => {
    const build = buildOf(['#!/bin/sh\nhead -c 20000000 /dev/zero | tr "\\000" x']);
    const shell = node.shell();
    await shell.start(build, soon());
    const before = process.memoryUsage().rss;
    let bytes = 0;
    let most = 0;
    const sink = {
      async output(chunk: Uint8Array) {
        bytes += chunk.length;
        most = Math.max(most, process.memoryUsage.rss());
        await new Promise((resolve) => setTimeout(resolve, 5));
      },
    };
    await shell.attach(build.build, 0, sink, AbortSignal.timeout(100_000));
    expect(bytes).toBe(20_000_000);
    expect(most - before).toBeLessThan(60 * 1024 * 1024);
  });

  test('connections that are cut lose and double no byte', async () => {
    const build = talker(600);
    const shell = node.shell();
    await shell.start(build, soon());
    let cuts = 0;
    const saw = followBuild(shell, build.build);
    const over = new AbortController();
    const cutting = (async () => {
      while (!over.signal.aborted) {
        await new Promise((resolve) => setTimeout(resolve, 700));
        if (!over.signal.aborted) cuts += await node.sshd.cutConnections();
      }
    })();
    const { exit, text, chunks } = await saw;
    over.abort();
    await cutting;
    expect(exit.code).toBe(0);
    expect(text).toBe(numbered(1, 600));
    expect(cuts).toBeGreaterThan(2);
    // The times are those the supervisor saw, whoever heard of them when.
    expect(await followBuild(node.shell(), build.build)).toMatchObject({ text, exit });
    expect(chunks.map(({ at }) => at)).toEqual(chunks.map(({ at }) => at).toSorted((a, b) => a - b));
  });

  test('an sshd that is stopped and started again: the build is found, and has gone on', async () => {
    const build = talker(200);
    const shell = node.shell();
    await shell.start(build, soon());
    const saw = followBuild(shell, build.build);
    await until(async () => (await processesOf(build.mark)).length > 0);
    await node.sshd.stop();
    // It goes on while nobody can see it.
    await until(async () => (await stat(join(node.root, build.build, 'output'))).size > 1000);
    await new Promise((resolve) => setTimeout(resolve, 500));
    await node.sshd.start();
    expect((await saw).text).toBe(numbered(1, 200));
  });

  for (const step of ['shell.lay.before', 'shell.push.before', 'shell.launch.before', 'shell.launch.after']) {
    test(`killed at ${step}: the next life finds the build, and it runs once`, async () => {
      const build = buildOf(['#!/bin/sh\necho ran; echo x >>count; [ "$(wc -l <count)" = 1 ]']);
      await diesAt(step, build);
      const shell = node.shell();
      await shell.start(build, soon());
      expect(await followBuild(shell, build.build)).toMatchObject({ text: 'ran\n', exit: { code: 0 } });
      await shell.forget(build.build, soon());
      expect((await readdir(node.root)).filter((name) => name.includes(build.build))).toEqual([]);
    });
  }

  test('killed at any moment: the next life finds the build, and it runs once', async () => {
    for (const after of [0, 20, 60, 120, 200, 350]) {
      const build = buildOf(['#!/bin/sh\necho ran']);
      await diesAfter(after, build);
      const shell = node.shell();
      await shell.start(build, soon());
      expect(await followBuild(shell, build.build)).toMatchObject({ text: 'ran\n', exit: { code: 0 } });
    }
  });

  /** A process that starts a build over ssh, to be killed. */
  function starter(build: object, more: string) {
    const shell = new URL('../../../nodepool/ssh/shell.ts', import.meta.url).pathname;
    const code = `
      import { openSshShell } from ${JSON.stringify(shell)};
      const shell = openSshShell(${JSON.stringify(node.sshd.target)}, {
        root: ${JSON.stringify(node.root)}, user: ${JSON.stringify(jobUser)}, ${more}
      });
      console.log('ready');
      const repositories = async () => [{
        project: 'org/demo', path: ${JSON.stringify(join(node.sshd.folder, 'demo.git'))}, head: 'refs/heads/master', refs: {},
      }];
      await shell.start({ ...${JSON.stringify(build)}, repositories }, AbortSignal.timeout(30000));
      setInterval(() => {}, 1000);
    `;
    return spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', code], {
      stdio: ['ignore', 'pipe', 'inherit'],
      cwd: new URL('../../..', import.meta.url).pathname,
    });
  }

  async function diesAt(step: string, build: object): Promise<void> {
    const child = starter(
      build,
      `passed: (name) => { if (name === ${JSON.stringify(step)}) process.kill(process.pid, 'SIGKILL'); },`,
    );
    const signal = await new Promise((resolve) => child.once('exit', (_, by) => resolve(by)));
    expect(signal).toBe('SIGKILL');
  }

  async function diesAfter(ms: number, build: object): Promise<void> {
    const child = starter(build, '');
    await new Promise((resolve) => child.stdout.once('data', resolve));
    await new Promise((resolve) => setTimeout(resolve, ms));
    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('exit', resolve));
  }

  test('a restart of ours in the middle goes on from the byte it had', async () => {
    const build = talker(200);
    const first = node.shell();
    await first.start(build, soon());
    const detach = new AbortController();
    let had = '';
    const sink = {
      output(chunk: Uint8Array) {
        had += Buffer.from(chunk).toString();
        if (had.length > 400) detach.abort();
      },
    };
    await expect(first.attach(build.build, 0, sink, detach.signal)).rejects.toMatchObject({
      code: 'stopped',
    });
    const rest = await followBuild(node.shell(), build.build, had.length);
    expect(had + rest.text).toBe(numbered(1, 200));
  });

  test('an sshd that stays away is a lost node, told apart from a job that failed', async () => {
    const build = buildOf(['#!/bin/bash\necho up; while [ ! -e go ]; do sleep 0.05; done']);
    const shell = node.shell({ lostAfter: 1500 });
    await shell.start(build, soon());
    const saw = followBuild(shell, build.build);
    saw.catch(() => undefined);
    await until(async () => (await processesOf(build.mark)).length > 0);
    await node.sshd.stop();
    try {
      await expect(saw).rejects.toMatchObject({ code: 'node-lost', message: textWith('no sign of life') });
      await expect(node.shell({ lostAfter: 500 }).start(build, soon())).rejects.toMatchObject({
        code: 'node-lost',
      });
    } finally {
      await node.sshd.start();
    }
    // It only seemed so: asked again, it is still there, and can be cleared away.
    const later = node.shell();
    await later.forget(build.build, soon());
    expect(await processesOf(build.mark)).toEqual([]);
  });

  test('an sshd that accepts and never answers is a lost node after the deadline', async () => {
    const quiet = await silentServer();
    const shell = node.shell({ lostAfter: 1000 }, { port: quiet.port, connectDeadline: 400 });
    const start = shell.start(buildOf(['true']), soon());
    await expect(start).rejects.toMatchObject({ code: 'node-lost', message: textWith('did not let us in') });
    await quiet.close();
  });

  test('nobody there is a lost node after the deadline', async () => {
    const shell = node.shell({ lostAfter: 700 }, { port: await freePort() });
    await expect(shell.start(buildOf(['true']), soon())).rejects.toMatchObject({ code: 'node-lost' });
  });

  test('a machine that was restarted is a lost node', async () => {
    const build = buildOf(['#!/bin/sh\necho ran']);
    const shell = node.shell();
    await shell.start(build, soon());
    await followBuild(shell, build.build);
    const other = buildOf(['#!/bin/sh\nsleep 300']);
    await shell.start(other, soon());
    const [pid = ''] = (await readFile(join(node.root, other.build, 'supervisor'), 'utf8')).split(' ');
    process.kill(Number(pid), 'SIGKILL');
    const spec = join(node.root, other.build, 'spec');
    await writeFile(spec, (await readFile(spec, 'utf8')).replace(/boot=.*/, 'boot=another'));
    await expect(followBuild(shell, other.build)).rejects.toMatchObject({
      code: 'node-lost',
      message: textWith('restarted'),
    });
    await expect(shell.start(other, soon())).rejects.toMatchObject({ code: 'node-lost' });
    // What ended before has its result.
    expect((await followBuild(shell, build.build)).exit.code).toBe(0);
    await writeFile(spec, (await readFile(spec, 'utf8')).replace(/boot=.*/, await bootLine()));
    await shell.forget(other.build, soon());
  });

  test('a host key that changed is refused with a sentence', async () => {
    const own = await openNode();
    const shell = own.shell();
    await shell.start(buildOf(['true']), soon());
    await shell[Symbol.asyncDispose]();
    await own.sshd.stop();
    await own.sshd.changeHostKey();
    await own.sshd.start();
    await expect(own.shell().start(buildOf(['true']), soon())).rejects.toMatchObject({
      code: 'node-lost',
      message: textWith('not pinned'),
      hint: textWith('installed anew'),
    });
    await own[Symbol.asyncDispose]();
  });

  test.skipIf(!asRoot)('jobs never run as root, and only as somebody who is there', async () => {
    expect(() => node.shell({ user: undefined })).toThrow(/may not run as root/);
    expect(() => node.shell({ user: 'root' })).toThrow(/may not run as root/);
    await expect(node.shell({ user: 'nosuchuser' }).start(buildOf(['true']), soon())).rejects.toMatchObject({
      code: 'job-user',
      hint: textWith('useradd'),
    });
  });
});

/** Typed, where expect's own matcher is any. */
function textWith(part: string): unknown {
  return expect.stringContaining(part);
}

async function bootLine(): Promise<string> {
  return `boot=${(await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim()}`;
}
