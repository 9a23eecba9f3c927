import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { clonerScript } from './cloner.ts';

/** The compiler copies no shell scripts, so the text travels in a module. STACKGATE_UPDATE=1 writes it anew. */
test('cloner.ts holds zuul-cloner.sh', async () => {
  const source = await readFile(new URL('zuul-cloner.sh', import.meta.url), 'utf8');
  if (process.env['STACKGATE_UPDATE'] === '1') {
    const lines = source.split('\n').map((line) => `  ${quoted(line)},`);
    const head = '/** Made from zuul-cloner.sh: edit that and run its test with STACKGATE_UPDATE=1. */';
    await writeFile(
      new URL('cloner.ts', import.meta.url),
      `${head}\nexport const clonerScript = [\n${lines.join('\n')}\n].join('\\n');\n`,
    );
    return;
  }
  expect(clonerScript).toBe(source);
});

/** As biome would quote it. */
function quoted(line: string): string {
  const json = JSON.stringify(line);
  if (line.includes("'"))
    return line.includes('"') ? `'${json.slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'` : json;
  return `'${json.slice(1, -1).replaceAll('\\"', '"')}'`;
}

/** Zuul's own cases (test_cloner.py), with real git and two sites: upstream and the merger's. */
describe('zuul-cloner', () => {
  let home = '';
  let work = '';
  const git = (dir: string, ...args: string[]) =>
    execFileSync('git', ['-C', dir, '-c', 'user.name=t', '-c', 'user.email=t@example.org', ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    }).trim();

  /** A repository with a commit on each branch; its file says which. */
  function repository(site: string, project: string, branches: readonly string[]): string {
    const dir = join(home, site, project);
    mkdirSync(dir, { recursive: true });
    git(dir, 'init', '-q', '-b', 'master');
    for (const branch of branches) commit(dir, branch, `${site} ${project} ${branch}`);
    return dir;
  }

  function commit(dir: string, branch: string, text: string): string {
    const known = git(dir, 'branch', '--list', branch) !== '';
    if (known || branch !== 'master') git(dir, 'checkout', '-q', ...(known ? [] : ['-b']), branch);
    writeFileSync(join(dir, 'README'), text);
    git(dir, 'add', '-A');
    git(dir, 'commit', '-q', '--allow-empty', '-m', text);
    return git(dir, 'rev-parse', 'HEAD');
  }

  function zuulRef(project: string, branch: string, ref: string): string {
    const dir = join(home, 'zuul', project);
    const at = commit(dir, branch, `speculative ${project} ${branch}`);
    git(dir, 'update-ref', ref, at);
    return at;
  }

  function cloner(args: readonly string[], env: Record<string, string> = {}) {
    const command = join(home, 'zuul-cloner');
    writeFileSync(command, clonerScript);
    chmodSync(command, 0o755);
    try {
      const out = execFileSync(command, ['--workspace', work, ...args], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { PATH: process.env['PATH'] ?? '', HOME: home, ...env },
      });
      return { code: 0, out };
    } catch (caught) {
      return ended(caught);
    }
  }

  const readme = (path: string) => readFileSync(join(work, path, 'README'), 'utf8');
  const upstream = () => `file://${home}/up`;
  const zuul = (ref: string, project = 'org/one') => ({
    ZUUL_URL: `file://${home}/zuul`,
    ZUUL_REF: ref,
    ZUUL_BRANCH: 'master',
    ZUUL_PROJECT: project,
  });

  beforeAll(() => {
    home = mkdtempSync(join(tmpdir(), 'stackgate-cloner-'));
    for (const site of ['up', 'zuul']) {
      repository(site, 'org/one', ['master', 'stable/havana']);
      repository(site, 'org/two', ['master', 'stable/havana']);
      repository(site, 'org/three', ['master']);
    }
  });
  beforeEach(() => {
    work = mkdtempSync(join(home, 'work-'));
  });
  afterAll(() => rmSync(home, { recursive: true, force: true }));

  test('takes the Zuul ref where there is one and the branch where there is none', () => {
    zuulRef('org/one', 'master', 'refs/zuul/master/Z1');
    const { code, out } = cloner([upstream(), 'org/one', 'org/two'], zuul('refs/zuul/master/Z1'));
    expect({ code, out }).toMatchObject({ code: 0 });
    expect(readme('org/one')).toBe('speculative org/one master');
    expect(readme('org/two')).toBe('up org/two master');
    expect(git(join(work, 'org/two'), 'symbolic-ref', '--short', 'HEAD')).toBe('master');
    expect(git(join(work, 'org/one'), 'remote', 'get-url', 'origin')).toBe(`file://${home}/zuul/org/one`);
    expect(git(join(work, 'org/two'), 'remote', 'get-url', 'origin')).toBe(`file://${home}/up/org/two`);
  });

  test('tries the ref of the branch that is asked for, then that of the fallback, then the tip', () => {
    zuulRef('org/two', 'stable/havana', 'refs/zuul/stable/havana/Z2');
    zuulRef('org/three', 'master', 'refs/zuul/master/Z2');
    const { code, out } = cloner(
      ['--branch', 'stable/havana', upstream(), 'org/one', 'org/two', 'org/three'],
      zuul('refs/zuul/master/Z2'),
    );
    expect({ code, out }).toMatchObject({ code: 0 });
    expect(readme('org/one')).toBe('zuul org/one stable/havana');
    expect(readme('org/two')).toBe('speculative org/two stable/havana');
    expect(readme('org/three')).toBe('speculative org/three master');
  });

  test('a branch for one project alone', () => {
    const { code } = cloner([
      '--project-branch',
      'org/two=stable/havana',
      upstream(),
      'org/two',
      'org/three',
    ]);
    expect(code).toBe(0);
    expect(readme('org/two')).toBe('up org/two stable/havana');
    expect(readme('org/three')).toBe('up org/three master');
  });

  test('an explicit revision is taken or nothing is', () => {
    const old = git(join(home, 'zuul/org/one'), 'rev-parse', 'stable/havana');
    const asked = { ZUUL_URL: `file://${home}/zuul`, ZUUL_PROJECT: 'org/one' };
    expect(cloner([upstream(), 'org/one'], { ...asked, ZUUL_NEWREV: old }).code).toBe(0);
    expect(git(join(work, 'org/one'), 'rev-parse', 'HEAD')).toBe(old);
    const { code, out } = cloner([upstream(), 'org/one'], { ...asked, ZUUL_NEWREV: 'f'.repeat(40) });
    expect(code).toBe(1);
    expect(out).toContain('has no commit');
  });

  test('a clone map: groups, the workspace itself, a project inside another', () => {
    const map = join(work, 'map.yaml');
    writeFileSync(
      map,
      "clonemap:\n # words\n  - name: org/one\n    dest: .\n  - {name: 'org/(t\\w+)', dest: 'deps/\\1'}\n",
    );
    const { code, out } = cloner(['-m', map, upstream(), 'org/two', 'org/one', 'org/three']);
    expect({ code, out }).toMatchObject({ code: 0 });
    expect(readme('.')).toBe('up org/one master');
    expect(readme('deps/two')).toBe('up org/two master');
    expect(readme('deps/three')).toBe('up org/three master');
  });

  test.each([
    [
      'two rules',
      "- name: org/one\n  dest: a\n- name: 'org/.*'\n  dest: b\n",
      /matched by org\/one and org\/\.\*/,
    ],
    ['one place', "- name: 'org/.*'\n  dest: a\n", /would share a/],
    ['a way out', '- name: org/one\n  dest: ../x\n', /outside the workspace/],
    ['no rule', 'what: is this\n', /map\.yaml:1: cannot read/],
    ['Python alone', "- name: 'org/(?!one)x'\n  dest: a\n", /only Python knows/],
  ])('a clone map with %s is refused', (_, text, message) => {
    const map = join(work, 'map.yaml');
    writeFileSync(map, text);
    const { code, out } = cloner(['--map', map, upstream(), 'org/one', 'org/two']);
    expect(code).toBe(1);
    expect(out).toMatch(message);
  });

  test('clones from the cache and then follows the origin; the cache is ignored for what is there', () => {
    const cache = join(home, 'cache');
    mkdirSync(join(cache, 'org'), { recursive: true });
    execFileSync('git', ['clone', '-q', '--bare', join(home, 'up/org/two'), join(cache, 'org/two')]);
    git(join(cache, 'org/two'), 'branch', 'gone', 'master');
    commit(join(home, 'up/org/two'), 'master', 'newer');
    const first = cloner(['--cache-dir', cache, upstream(), 'org/two']);
    expect(first.out).toContain('from the cache');
    expect(readme('org/two')).toBe('newer');
    expect(git(join(work, 'org/two'), 'branch', '-r')).not.toContain('gone');
    expect(existsSync(join(work, 'org/two/.git/objects/info/alternates'))).toBe(false);
    expect(cloner([upstream(), 'org/two'], { ZUUL_CACHE_DIR: cache }).out).not.toContain('from the cache');
  });

  test('a cache that is of no use is said, and does not matter', () => {
    const cache = mkdtempSync(join(home, 'cache-'));
    mkdirSync(join(cache, 'org/three/.git'), { recursive: true });
    const { code, out } = cloner([upstream(), 'org/three'], { ZUUL_CACHE_DIR: cache });
    expect({ code, out }).toMatchObject({ code: 0, out: expect.stringContaining('that is of no use') });
    expect(readme('org/three')).toContain('up org/three');
  });

  test('a server that cannot be reached ends it, a repository that is not there too', () => {
    const away = cloner(['http://127.0.0.1:9', 'org/one']);
    expect(away.code).toBe(1);
    expect(away.out).toContain('cannot fetch into');
    expect(cloner([upstream(), 'org/none']).out).toContain('there is no repository');
  });

  test.each([
    [[], {}, /a base URL and at least one project/],
    [['u', 'p'], { ZUUL_REF: 'refs/zuul/x' }, /needs a Zuul URL/],
    [['u', 'p'], { ZUUL_NEWREV: 'abc' }, /needs a Zuul project/],
    [['--nope', 'x', 'u', 'p'], {}, /no option --nope/],
    [['u', '../p'], {}, /is no project/],
  ] as const)('%j with %j is a mistake in the call', (args, env, message) => {
    const { code, out } = cloner([...args], { ...env });
    expect(code).toBe(2);
    expect(out).toMatch(message);
  });
});

/** What execFileSync threw. */
function ended(caught: unknown): { code: number; out: string } {
  const { status, stderr } = z.object({ status: z.number(), stderr: z.string() }).parse(caught);
  return { code: status, out: stderr };
}
