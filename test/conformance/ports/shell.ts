import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import type { Shell, ShellBuild, ShellExit } from '../../../pipelines/ports.ts';

/**
 * What every `Shell` must do. `shell()` answers a new object on the same node each time, as after a restart: nothing may be
 * kept in memory. Processes are looked for in /proc, so the node must be this machine.
 */
export interface ShellFixture {
  shell(): Shell;
  /** Kills the supervisor of a build with SIGKILL. */
  killSupervisor?: (build: string) => Promise<void>;
}

export function buildOf(
  scripts: readonly string[],
  more: Partial<ShellBuild> = {},
): ShellBuild & { mark: string } {
  const mark = `mark-${randomBytes(8).toString('hex')}`;
  return {
    build: `build-${randomBytes(8).toString('hex')}`,
    steps: scripts.map((script, index) => ({ name: `step ${index}`, script })),
    timeout: 60_000,
    mark,
    ...more,
    env: { MARK: mark, ...more.env },
  };
}

export interface Followed {
  exit: ShellExit;
  text: string;
  chunks: { offset: number; at: number; length: number }[];
}

export async function followBuild(
  shell: Shell,
  build: string,
  offset = 0,
  signal = AbortSignal.timeout(60_000),
): Promise<Followed> {
  const parts: Buffer[] = [];
  const chunks: Followed['chunks'] = [];
  const exit = await shell.attach(
    build,
    offset,
    {
      output(chunk, at, time) {
        parts.push(Buffer.from(chunk));
        chunks.push({ offset: at, at: time, length: chunk.length });
      },
    },
    signal,
  );
  return { exit, text: Buffer.concat(parts).toString('utf8'), chunks };
}

export async function runBuild(shell: Shell, build: ShellBuild): Promise<Followed> {
  await shell.start(build, AbortSignal.timeout(30_000));
  return await followBuild(shell, build.build);
}

/** Pids of live processes that carry the mark in their environment. */
export async function processesOf(mark: string): Promise<string[]> {
  const { readdir } = await import('node:fs/promises');
  const found: string[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const [environ, stat] = await Promise.all(
      ['environ', 'stat'].map((name) => readFile(`/proc/${pid}/${name}`, 'latin1').catch(() => '')),
    );
    const zombie = /\) [ZX] /.test(stat ?? '');
    if (environ?.includes(mark) === true && !zombie) found.push(pid);
  }
  return found;
}

export async function until<T>(what: () => Promise<T | undefined | false>, ms = 15_000): Promise<T> {
  const end = Date.now() + ms;
  for (;;) {
    const answer = await what();
    if (answer !== undefined && answer !== false) return answer;
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${what.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

export function shellSuite(fixture: () => ShellFixture): void {
  const shell = () => fixture().shell();
  const soon = () => AbortSignal.timeout(30_000);

  test('runs the steps in order in one workspace and answers the exit', async () => {
    const { exit, text } = await runBuild(
      shell(),
      buildOf(['echo one > file', '#!/bin/bash\ncat file\n[[ -n $MARK ]] && echo marked']),
    );
    expect(exit).toMatchObject({ code: 0, step: 1, signal: null, stopped: null });
    expect(exit.finishedAt).toBeGreaterThanOrEqual(exit.startedAt);
    expect(text).toBe('+ echo one\none\nmarked\n');
  });

  test('writes the title of a step before it, whatever is in it', async () => {
    const build = buildOf(['#!/bin/sh\necho one', '#!/bin/sh\necho two']);
    const titles = [`step 1: "$MARK" '%s' \\n`, undefined];
    const steps = build.steps.map((step, at) => {
      const title = titles[at];
      return title === undefined ? step : { ...step, title };
    });
    const { text } = await runBuild(shell(), { ...build, steps });
    expect(text).toBe(`step 1: "$MARK" '%s' \\n\none\ntwo\n`);
  });

  test('ends at the first step that fails', async () => {
    const { exit, text } = await runBuild(
      shell(),
      buildOf(['#!/bin/sh\necho a', '#!/bin/sh\nexit 7', 'echo never']),
    );
    expect(exit).toMatchObject({ code: 7, step: 1 });
    expect(text).toBe('a\n');
  });

  test('a shebang line is split at blanks, as Jenkins does', async () => {
    const { exit, text } = await runBuild(shell(), buildOf(['#!/usr/bin/env bash -x\necho $0 | wc -l']));
    expect(exit.code).toBe(0);
    expect(text).toContain('+ wc -l');
  });

  test('tells a signal from an exit code above 128', async () => {
    const killed = await runBuild(shell(), buildOf(['#!/bin/bash\nkill -KILL $$']));
    expect(killed.exit).toMatchObject({ code: null, signal: 'SIGKILL' });
    const exited = await runBuild(shell(), buildOf(['#!/bin/bash\nexit 137']));
    expect(exited.exit).toMatchObject({ code: 137, signal: null });
  });

  test('the environment is the given one, whatever the names are', async () => {
    const env = {
      'with.dot': 'dot',
      name: 'n',
      UID: 'mine',
      EMPTY: '',
      MULTI: 'a\nb',
      IFS: ',',
      QUOTE: `'"$(id)`,
    };
    const { text } = await runBuild(shell(), buildOf(['#!/usr/bin/env -S cat /proc/self/environ'], { env }));
    const seen = Object.fromEntries(
      text
        .split('\0')
        .flatMap((pair) =>
          pair === '' ? [] : [[pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]],
        ),
    ) as Record<string, string>;
    expect(seen).toMatchObject(env);
    expect(seen['HOME']).not.toBe(process.env['HOME']);
    expect(seen['WORKSPACE']).toBeTruthy();
    expect(Object.keys(seen).filter((key) => key.startsWith('npm_') || key.startsWith('VITEST'))).toEqual([]);
  });

  test('starting twice runs once, also at the same time', async () => {
    const build = buildOf(['#!/bin/sh\necho ran']);
    await Promise.all([1, 2, 3, 4].map(() => shell().start(build, soon())));
    const first = await followBuild(shell(), build.build);
    await shell().start(build, soon());
    const second = await followBuild(shell(), build.build);
    expect(first.text).toBe('ran\n');
    expect(second).toEqual(first);
  });

  test('output comes while it is made, with the time it was made', async () => {
    const build = buildOf(['#!/bin/bash\necho first; while [ ! -e go ]; do sleep 0.02; done; echo second']);
    const one = shell();
    await one.start(build, soon());
    let heard: (() => void) | undefined;
    const first = new Promise<void>((resolve) => {
      heard = resolve;
    });
    const seen: [string, number][] = [];
    const end = one.attach(
      build.build,
      0,
      {
        output(chunk, _, at) {
          seen.push([Buffer.from(chunk).toString(), at]);
          heard?.();
        },
      },
      soon(),
    );
    await first;
    expect(seen.map(([text]) => text).join('')).toBe('first\n');
    expect(Math.abs((seen[0]?.[1] ?? 0) - Date.now())).toBeLessThan(5000);
    await one.stop(build.build, 'cancel', soon());
    expect((await end).stopped).toBe('cancel');
  });

  test('attaching again gives the same bytes with the same times, from any offset', async () => {
    const build = buildOf(['#!/bin/bash\nfor i in {1..20}; do echo "line $i"; sleep 0.02; done']);
    const whole = await runBuild(shell(), build);
    const again = await followBuild(shell(), build.build);
    expect(again).toEqual(whole);
    const middle = Math.floor(whole.text.length / 2);
    const rest = await followBuild(shell(), build.build, middle);
    expect(rest.text).toBe(whole.text.slice(middle));
    const timeOf = (followed: Followed, byte: number) =>
      followed.chunks.find((chunk) => chunk.offset <= byte && byte < chunk.offset + chunk.length)?.at;
    for (let byte = middle; byte < whole.text.length; byte++) {
      expect(timeOf(rest, byte)).toBe(timeOf(whole, byte));
    }
  });

  test('aborting an attach only detaches', async () => {
    const build = buildOf(['#!/bin/bash\necho on; while [ ! -e go ]; do sleep 0.02; done']);
    await shell().start(build, soon());
    const detach = new AbortController();
    const first = followBuild(shell(), build.build, 0, detach.signal);
    detach.abort();
    await expect(first).rejects.toMatchObject({ code: 'stopped' });
    await until(async () => (await processesOf(build.mark)).length > 0);
    expect(await shell().stop(build.build, 'cancel', soon())).toBe(true);
    expect((await followBuild(shell(), build.build)).text).toBe('on\n');
  });

  test('the supervisor ends a build at its timeout, and all of it', async () => {
    const build = buildOf(['#!/bin/bash\nsleep 300 & sleep 300'], { timeout: 300 });
    const { exit } = await runBuild(shell(), build);
    expect(exit.stopped).toBe('timeout');
    expect(await processesOf(build.mark)).toEqual([]);
  });

  test('a job that ignores SIGTERM is killed after the grace', async () => {
    const build = buildOf(["#!/bin/bash\ntrap 'echo no' TERM\necho armed\nwhile :; do sleep 0.05; done"], {
      timeout: 700,
    });
    const { exit, text } = await runBuild(shell(), build);
    expect(exit).toMatchObject({ stopped: 'timeout', signal: 'SIGKILL' });
    expect(text).toMatch(/^armed\n(?:Terminated\n)?no\n/);
  });

  test('a job may clean up after SIGTERM', async () => {
    const build = buildOf([
      "#!/bin/bash\ntrap 'echo cleaned; exit 3' TERM\necho armed\nwhile :; do sleep 0.02; done",
    ]);
    const one = shell();
    await one.start(build, soon());
    const end = followBuild(one, build.build);
    await until(async () => (await processesOf(build.mark)).length > 1);
    expect(await one.stop(build.build, 'cancel', soon())).toBe(true);
    const { exit, text } = await end;
    expect(exit).toMatchObject({ stopped: 'cancel', code: 3 });
    expect(text).toContain('cleaned\n');
  });

  test('escaped grandchildren die with the build, and their last words are kept', async () => {
    const build = buildOf([
      '#!/bin/bash\nsetsid bash -c \'trap "echo late; exit" TERM; echo up; while :; do sleep 0.02; done\' & disown\nuntil [ -e x ]; do sleep 0.3; touch x; done\nexit 0',
    ]);
    const { exit, text } = await runBuild(shell(), build);
    expect(exit).toMatchObject({ code: 0, stopped: null });
    expect(text).toMatch(/^up\n(?:Terminated\n)?late\n$/);
    expect(await processesOf(build.mark)).toEqual([]);
  });

  test('a job that closes its output still ends', async () => {
    const build = buildOf(['#!/bin/bash\necho before\nexec >&- 2>&-\nsleep 0.2\nexit 4']);
    const { exit, text } = await runBuild(shell(), build);
    expect(exit.code).toBe(4);
    expect(text).toBe('before\n');
  });

  test('a thousand processes end', async () => {
    const build = buildOf(['#!/bin/bash\nfor i in {1..1000}; do sleep 300 & done\necho forked\nwait']);
    const one = shell();
    await one.start(build, soon());
    const end = followBuild(one, build.build);
    await until(async () => (await processesOf(build.mark)).length > 1000, 40_000);
    await one.stop(build.build, 'cancel', soon());
    const { exit, text } = await end;
    expect(text).toContain('forked');
    expect(exit.stopped).toBe('cancel');
    expect(await processesOf(build.mark)).toEqual([]);
  }, 60_000);

  test('a job can open its own output anew', async () => {
    const { text, exit } = await runBuild(
      shell(),
      buildOf(['#!/bin/bash\necho a > /dev/stdout; echo b | tee /dev/stderr > /dev/null']),
    );
    expect(exit.code).toBe(0);
    expect(text).toBe('a\nb\n');
  });

  test('bytes that are no text arrive as they are', async () => {
    const build = buildOf([
      String.raw`#!/bin/bash
printf '\377\000\n\303'`,
    ]);
    const one = shell();
    await one.start(build, soon());
    const parts: Buffer[] = [];
    await one.attach(build.build, 0, { output: (chunk) => void parts.push(Buffer.from(chunk)) }, soon());
    expect(Buffer.concat(parts).toString('hex')).toBe('ff000ac3');
  });

  test('stopping before the start means that no step runs', async () => {
    const build = buildOf(['echo ran']);
    expect(await shell().stop(build.build, 'cancel', soon())).toBe(true);
    await shell().start(build, soon());
    expect((await followBuild(shell(), build.build)).exit.code).toBe(0);
    // Unknown to the node, the stop had nobody to reach. Once known, it holds.
    expect(await shell().stop(build.build, 'cancel', soon())).toBe(true);
    expect((await followBuild(shell(), build.build)).exit.stopped).toBe(null);
  });

  test('an interpreter that is not there is a failing step with words', async () => {
    const { exit, text } = await runBuild(shell(), buildOf(['#!/no/such/interpreter\necho']));
    expect(exit.code).toBe(127);
    expect(text).toContain('/no/such/interpreter');
  });

  test('collects what matches and nothing outside of the workspace', async () => {
    const build = buildOf([
      `#!/bin/bash
mkdir -p logs/deep .git 'we ird'; echo a > logs/a.log; echo b > logs/deep/b.log; echo c > other.txt; echo g > .git/x.log
ln -s /etc/hostname logs/out.log; ln -s a.log logs/alias.log; ln -s /etc logs/etc; mkfifo logs/fifo.log; ln -s .. logs/up
ln -s nowhere logs/dangling.log; touch $'we ird/new\\nline.log' $'bad\\377.log'`,
    ]);
    const one = shell();
    await runBuild(one, build);
    const collect = async (include: string[], exclude: string[] = []) => {
      const files: Record<string, string> = {};
      for await (const file of one.collect(build.build, include, exclude, soon())) {
        const parts: Uint8Array[] = [];
        for await (const part of file.content) parts.push(part);
        files[file.path] = Buffer.concat(parts).toString();
        expect(file.size).toBe(files[file.path]?.length);
      }
      return files;
    };
    expect(await collect(['logs/'], [])).toEqual({
      'logs/a.log': 'a\n',
      'logs/alias.log': 'a\n',
      'logs/deep/b.log': 'b\n',
    });
    expect(Object.keys(await collect(['**/*.log'], ['**/deep/**', '**/.git/**']))).toEqual([
      'logs/a.log',
      'logs/alias.log',
      'we ird/new\nline.log',
    ]);
    expect(await collect(['*.txt'])).toEqual({ 'other.txt': 'c\n' });
    expect(await collect(['../**', '/etc/**', 'logs/etc/**'])).toEqual({});
  });

  test('what is forgotten is gone, twice if need be', async () => {
    const build = buildOf(['#!/bin/bash\necho; sleep 300']);
    const one = shell();
    await one.start(build, soon());
    await one.forget(build.build, soon());
    await one.forget(build.build, soon());
    expect(await processesOf(build.mark)).toEqual([]);
    await expect(followBuild(one, build.build)).rejects.toMatchObject({ code: 'node-lost' });
  });

  test('a supervisor that was killed is a lost node, and nothing of the build lives on', async () => {
    const { killSupervisor } = fixture();
    if (killSupervisor === undefined) return;
    const build = buildOf(['#!/bin/bash\nsetsid sleep 300 & sleep 300']);
    await shell().start(build, soon());
    const end = followBuild(shell(), build.build);
    end.catch(() => undefined);
    await until(async () => (await processesOf(build.mark)).length >= 2);
    await killSupervisor(build.build);
    await expect(end).rejects.toMatchObject({ code: 'node-lost' });
    expect(await processesOf(build.mark)).toEqual([]);
    await expect(shell().start(build, soon())).rejects.toMatchObject({ code: 'node-lost' });
  });
}
