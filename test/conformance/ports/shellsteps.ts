import { expect, test } from 'vitest';
import type { CollectedFile, ShellBuild } from '../../../pipelines/ports.ts';
import { buildOf, followBuild, runBuild, type ShellFixture, until } from './shell.ts';

/** What every `Shell` does with steps that decide, wait, inject and follow: part of the port's promise, beside shell.ts. */
export function stepSuite(fixture: () => ShellFixture): void {
  const shell = () => fixture().shell();
  const soon = () => AbortSignal.timeout(30_000);
  const stepsOf = (steps: ShellBuild['steps'], more: Partial<ShellBuild> = {}) => ({
    ...buildOf([], more),
    steps,
  });
  const say = (word: string) => ({ name: word, script: `#!/bin/sh\necho ${word}` });

  test('a guard that ends with 1 leaves its steps out; one that ends otherwise fails', async () => {
    const skipped = await runBuild(
      shell(),
      stepsOf([
        { name: 'no', script: '#!/bin/sh\nexit 1', guards: 2 },
        say('a'),
        { name: 'inner', script: '#!/bin/sh\nexit 0', guards: 0 },
        say('b'),
        { name: 'yes', script: '#!/bin/sh\nexit 0', guards: 1 },
        say('c'),
        { name: 'last', script: '#!/bin/sh\nexit 1', guards: 1 },
        say('d'),
      ]),
    );
    expect(skipped.text).toBe('b\nc\n');
    expect(skipped.exit).toMatchObject({ code: 0, stopped: null });
    const failed = await runBuild(
      shell(),
      stepsOf([{ name: 'odd', script: '#!/bin/sh\nexit 2', guards: 1 }, say('a')]),
    );
    expect(failed.exit).toMatchObject({ code: 2, step: 0 });
  });

  test('a step that holds waits for its answer and finds its files', async () => {
    const build = stepsOf([
      say('before'),
      { name: 'hold', hold: true, script: '#!/bin/sh\ncat "$STACKGATE_GIVEN/1/a/b.txt"' },
      { name: 'again', hold: true, script: '#!/bin/sh\nls "$STACKGATE_GIVEN"; exit 3' },
    ]);
    await shell().start(build, soon());
    const end = followBuild(shell(), build.build);
    await until(async () => (await shell().held(build.build, soon())) === 1);
    const files = async function* (): AsyncIterable<CollectedFile> {
      const content = [Buffer.from('gi'), Buffer.from('ven\n')];
      yield {
        path: 'a/b.txt',
        size: 6,
        content: (async function* () {
          yield* content;
        })(),
      };
    };
    // A wrong step, then twice: once it went on, nothing happens.
    await shell().resume(build.build, 0, files(), soon());
    await shell().resume(build.build, 1, files(), soon());
    await until(async () => (await shell().held(build.build, soon())) === 2);
    await shell().resume(build.build, 1, files(), soon());
    await shell().resume(build.build, 2, files(), soon());
    const { exit, text } = await end;
    expect(text).toBe('before\ngiven\n1\n2\n');
    expect(exit).toMatchObject({ code: 3, step: 2 });
    expect(await shell().held(build.build, soon())).toBe(undefined);
  });

  test('a build that waits can be stopped', async () => {
    const build = stepsOf([{ name: 'hold', hold: true, script: 'true' }]);
    await shell().start(build, soon());
    await until(async () => (await shell().held(build.build, soon())) === 0);
    expect(await shell().stop(build.build, 'cancel', soon())).toBe(true);
    expect((await followBuild(shell(), build.build)).exit).toMatchObject({ stopped: 'cancel' });
  });

  test('a step injects variables into the steps after it, and a build within into its own', async () => {
    const build = buildOf([
      '#!/bin/bash\nprintf "GREETING=%s\\0foo.bar=x\\0" "two\nlines" >>"$STACKGATE_INJECT"',
      '#!/bin/bash\necho "$GREETING"; env | grep foo.bar; pwd >here',
    ]);
    const { text } = await runBuild(shell(), build);
    expect(text).toBe('two\nlines\nfoo.bar=x\n');
    const after = buildOf(
      ['#!/bin/bash\necho "$GREETING"; [[ $(cat here) == "$WORKSPACE" && $(pwd -P) == "$WORKSPACE" ]]'],
      {
        build: `${build.build}.after`,
        within: build.build,
      },
    );
    expect(await runBuild(shell(), after)).toMatchObject({ exit: { code: 0 }, text: 'two\nlines\n' });
    await shell().forget(build.build, soon());
    await expect(followBuild(shell(), after.build)).rejects.toMatchObject({ code: 'node-lost' });
  });

  test('files lie beside the build: commands on its PATH, secrets for its user', async () => {
    const { exit, text } = await runBuild(
      shell(),
      buildOf(['#!/bin/bash\nhello you; stat -c %a "$KEY"; cat "$KEY"'], {
        files: [
          { path: 'bin/hello', content: '#!/bin/sh\necho "hello $1"\n', executable: true },
          { path: 'secret/key', content: Buffer.from('s3cret\n'), executable: false, variable: 'KEY' },
        ],
      }),
    );
    expect(exit.code).toBe(0);
    expect(text).toBe('hello you\n400\ns3cret\n');
  });

  test('a step that says nothing for too long is ended; one that talks is not', async () => {
    const quiet = await runBuild(shell(), buildOf(['#!/bin/sh\nsleep 60'], { quiet: 400 }));
    expect(quiet.exit.stopped).toBe('quiet');
    const talking = await runBuild(
      shell(),
      buildOf(['#!/bin/sh\nfor i in 1 2 3 4 5 6 7 8; do echo $i; sleep 0.25; done'], { quiet: 1500 }),
    );
    expect(talking.exit).toMatchObject({ code: 0, stopped: null });
  });
}
