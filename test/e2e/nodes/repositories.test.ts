import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ShellBuild, StagedRepository } from '../../../pipelines/ports.ts';
import { buildOf, runBuild } from '../../conformance/ports/shell.ts';
import { asRoot, commitTo, git, makeRepository, openNode, soon, type TestNode } from './node.ts';
import { missing } from './sshd.ts';

/** Repositories that a build needs, pushed to its node. */

const why = missing();

describe.skipIf(why !== undefined)(`repositories on a node${why === undefined ? '' : ` (${why})`}`, () => {
  let node: TestNode;
  let source = '';

  beforeAll(async () => {
    node = await openNode();
    source = join(node.sshd.folder, 'demo.git');
    await makeRepository(source);
    // Something that is not pushed twice unnoticed.
    await commitTo(source, 'large', randomBytes(2_000_000).toString('base64'));
  });
  afterAll(() => node[Symbol.asyncDispose]());

  async function staged(project: string, more: Record<string, string> = {}): Promise<StagedRepository> {
    const commit = await git('--git-dir', source, 'rev-parse', 'master');
    return {
      project,
      path: source,
      refs: { 'refs/heads/master': commit, ...more },
      head: 'refs/heads/master',
    };
  }

  function buildWith(repositories: readonly StagedRepository[], script: string): ShellBuild {
    return { ...buildOf([`#!/bin/bash -e\n${script}`]), repositories: () => Promise.resolve(repositories) };
  }

  const packs = async (project: string) => {
    const folder = join(node.root, '.cache/git', project, 'objects/pack');
    const names = (await readdir(folder)).filter((name) => name.endsWith('.pack'));
    return await Promise.all(names.map(async (name) => (await stat(join(folder, name))).size));
  };

  test('a build clones and fetches from beside itself, and sees only what it was given', async () => {
    const zuul = 'refs/zuul/master/Z0123456789abcdef0123456789abcdef';
    const change = await commitTo(source, 'change', 'of somebody\n', 'hidden');
    const repository = await staged('org/demo', { [zuul]: change });
    const { exit, text } = await runBuild(
      node.shell(),
      buildWith(
        [repository],
        `git ls-remote "$ZUUL_URL/org/demo"
        git clone -q "$ZUUL_URL/org/demo" demo; cd demo
        git fetch -q origin ${zuul}; git checkout -q FETCH_HEAD; cat change; git fsck --strict 2>/dev/null; ls ..`,
      ),
    );
    expect(exit.code).toBe(0);
    const master = repository.refs['refs/heads/master'] ?? '';
    expect(text).toBe(
      `${master}\tHEAD\n${master}\trefs/heads/master\n${change}\t${zuul}\nof somebody\ndemo\n`,
    );
  });

  test('the next build brings only what is new', async () => {
    const project = 'org/again';
    const shell = node.shell();
    await runBuild(shell, buildWith([await staged(project)], 'true'));
    const first = await packs(project);
    expect(Math.max(...first)).toBeGreaterThan(1_500_000);
    await commitTo(source, 'small', 'a few bytes\n');
    const { text } = await runBuild(
      node.shell(),
      buildWith([await staged(project)], `git clone -q "$ZUUL_URL/${project}" d; cat d/small`),
    );
    expect(text).toBe('a few bytes\n');
    const second = await packs(project);
    const added = second.reduce((sum, size) => sum + size, 0) - first.reduce((sum, size) => sum + size, 0);
    expect(added).toBeLessThan(20_000);
  });

  test('a build keeps its repositories when the cache is packed anew or lost', async () => {
    const project = 'org/kept';
    const shell = node.shell();
    const build = buildWith([await staged(project)], 'true');
    await runBuild(shell, build);
    await rm(join(node.root, '.cache'), { recursive: true });
    const served = join(node.root, build.build, 'job/git', project);
    expect(await git('--git-dir', served, 'rev-list', '--count', '--objects', 'master')).not.toBe('0');
    // And the next one starts from nothing.
    const next = buildWith([await staged(project)], `git clone -q "$ZUUL_URL/${project}" d; ls d`);
    expect((await runBuild(shell, next)).text).toContain('large\n');
  });

  test.skipIf(!asRoot)('what the image has in /opt/git is borrowed, not sent', async () => {
    const project = `stackgate-test/${randomBytes(6).toString('hex')}`;
    const prepared = join('/opt/git', project);
    try {
      await mkdir(dirname(prepared), { recursive: true });
      await git('clone', '-q', source, prepared);
      await commitTo(source, 'newer', 'than the image\n');
      const { text, exit } = await runBuild(
        node.shell(),
        buildWith(
          [await staged(project)],
          `git clone -q "$ZUUL_URL/${project}" d; cat d/newer; git -C d fsck`,
        ),
      );
      expect(exit.code).toBe(0);
      expect(text).toContain('than the image\n');
      expect(Math.max(...(await packs(project)))).toBeLessThan(20_000);
    } finally {
      await rm(dirname(prepared), { recursive: true, force: true });
    }
  });

  test('a push that is cut is done again', async () => {
    const project = 'org/cut';
    const huge = join(node.sshd.folder, 'huge.git');
    await makeRepository(huge);
    await commitTo(huge, 'noise', randomBytes(15_000_000).toString('base64'));
    const commit = await git('--git-dir', huge, 'rev-parse', 'master');
    const repository = {
      project,
      path: huge,
      refs: { 'refs/heads/master': commit },
      head: 'refs/heads/master',
    };
    const build = buildWith([repository], `git clone -q "$ZUUL_URL/${project}" d; wc -c <d/noise`);
    const shell = node.shell();
    const start = shell.start(build, soon());
    await new Promise((resolve) => setTimeout(resolve, 400));
    await node.sshd.cutConnections();
    await start;
    expect((await runBuild(shell, build)).text).toBe(`${Math.ceil(15_000_000 / 3) * 4}\n`);
  });

  test('a repository of ours that is damaged is our fault, not the node’s', async () => {
    const repository = { ...(await staged('org/damaged')), path: join(node.sshd.folder, 'no.git') };
    await expect(node.shell().start(buildWith([repository], 'true'), soon())).rejects.toMatchObject({
      code: 'git-failed',
    });
  });

  test('two builds at once share the cache', async () => {
    const project = 'org/shared';
    const repository = await staged(project);
    const script = `git clone -q "$ZUUL_URL/${project}" d; ls d`;
    const all = await Promise.all(
      [1, 2, 3].map(() => runBuild(node.shell(), buildWith([repository], script))),
    );
    for (const { text } of all) expect(text).toContain('large\n');
  });

  test('what followed a build finds its repositories', async () => {
    const project = 'org/after';
    const shell = node.shell();
    const build = buildWith([await staged(project)], 'true');
    await runBuild(shell, build);
    const after = buildOf([`#!/bin/bash -e\ngit ls-remote -q "$ZUUL_URL/${project}" | wc -l`], {
      build: `${build.build}.after`,
      within: build.build,
    });
    expect((await runBuild(shell, after)).text).toBe('2\n');
  });

  test('a half-laid build that nobody went on with is cleared away', async () => {
    const shell = node.shell();
    const build = buildOf(['true']);
    await mkdir(join(node.root, `.${build.build}.0123456789ab`, 'job'), { recursive: true });
    await writeFile(join(node.root, `.${build.build}.0123456789ab`, 'job', 'x'), '');
    expect(await shell.leftovers(soon())).toContain(build.build);
    await shell.forget(build.build, soon());
    expect(await shell.leftovers(soon())).not.toContain(build.build);
  });
});
