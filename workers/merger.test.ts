import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp, rename, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { MergeEntry } from '../pipelines/action.ts';
import {
  describeMerger,
  type MergerUnderTest,
  mergeAction,
  merged,
} from '../test/conformance/ports/merger.ts';
import { createUpstream, type Upstream } from '../test/conformance/ports/upstream.ts';
import { repoDir, servedDir } from './git/names.ts';
import { urlSource } from './git/source.ts';
import { createMerger, type MergerOptions } from './merger.ts';

function make(dir: string, upstream: Upstream): MergerUnderTest {
  const merger = createMerger({
    dir,
    sources: { gerrit: urlSource(upstream.url) },
    url: () => 'http://127.0.0.1:8001/p/',
  });
  const git = (project: string, ...args: string[]) => {
    const cwd = servedDir(repoDir(dir, 'gerrit', project));
    if (!existsSync(cwd)) return undefined;
    try {
      return execFileSync('git', args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    } catch {
      return undefined;
    }
  };
  return {
    ...merger,
    [Symbol.asyncDispose]: () => merger[Symbol.asyncDispose](),
    published: (project, ref) => git(project, 'rev-parse', '--verify', '--quiet', ref)?.trim(),
    file: (project, commit, path) => git(project, 'show', `${commit}:${path}`),
  };
}

describeMerger('git', make);

describe('createMerger', () => {
  let dir = '';
  let data = '';
  let upstream: Upstream;
  const warnings: string[] = [];
  const open: AsyncDisposable[] = [];

  function start(options: Partial<MergerOptions> = {}) {
    const sources = { gerrit: urlSource(upstream.url), other: urlSource(upstream.url) };
    const url = () => 'http://127.0.0.1:8001/p/';
    const warn = (message: string) => warnings.push(message);
    const merger = createMerger({ dir: data, sources, url, warn, ...options });
    open.push(merger);
    return merger;
  }
  const git = (project: string, ...args: string[]) =>
    execFileSync('git', args, { cwd: servedDir(repoDir(data, 'gerrit', project)), encoding: 'utf8' }).trim();

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'stackgate-merger-'));
    data = join(dir, 'data with blanks');
    upstream = createUpstream(join(dir, 'upstream'));
    warnings.length = 0;
  });
  afterEach(async () => {
    for (const merger of open.splice(0)) await merger[Symbol.asyncDispose]();
    await rm(dir, { recursive: true, force: true });
  });

  it('names the git server of the connection', async () => {
    upstream.project('org/p', { a: '1\n' });
    const merger = start();
    const first = await merged(merger, [upstream.change('org/p', 1, { a: '2\n' })]);
    expect(first.url).toBe('http://127.0.0.1:8001/p');
    const other = await merged(merger, [upstream.change('org/p', 2, { a: '3\n' }, { connection: 'other' })]);
    expect(other.url).toBe('http://127.0.0.1:8001/p/~other');
    expect(merger.locate('org/p')).toBe(servedDir(repoDir(data, 'gerrit', 'org/p')));
    expect(merger.locate('~other/org/p.git')).toBe(servedDir(repoDir(data, 'other', 'org/p')));
    for (const path of ['org', 'org/p/..', '../data', '~nope/org/p', 'org%2Fp', '']) {
      expect(merger.locate(path)).toBeUndefined();
    }
  });

  it('follows a branch that was rewritten, and branches that changed places with folders', async () => {
    const base = upstream.project('org/p', { a: '1\n', b: '1\n' });
    upstream.git('org/p', 'update-ref', 'refs/heads/stable', base);
    const merger = start();
    upstream.commit('org/p', 'master', { a: 'bad\n' });
    await merged(merger, [upstream.change('org/p', 1, { b: '2\n' })]);
    upstream.git('org/p', 'update-ref', 'refs/heads/master', base);
    upstream.git('org/p', 'update-ref', '-d', 'refs/heads/stable');
    upstream.git('org/p', 'update-ref', 'refs/heads/stable/juno', base);
    const onMaster = upstream.change('org/p', 2, { a: '3\n' });
    const onJuno = upstream.change('org/p', 3, { a: '4\n' }, { branch: 'stable/juno' });
    expect((await merged(merger, [onMaster])).bases[0]?.commit).toBe(base);
    expect((await merged(merger, [onJuno])).commit).toBe(onJuno.revision);
    expect(git('org/p', 'for-each-ref', '--format=%(refname)', 'refs/heads/')).toBe(
      'refs/heads/master\nrefs/heads/stable/juno',
    );
  });

  const damages: Record<string, (repo: string) => void> = {
    'a missing HEAD': (repo) => rmSync(join(repo, 'HEAD')),
    'a broken config': (repo) => writeFileSync(join(repo, 'config'), '[core\nbare = maybe'),
    'missing objects': (repo) => rmSync(join(repo, 'objects'), { recursive: true }),
    'lost packs': (repo) => {
      for (const name of ['pack', 'info'])
        rmSync(join(repo, 'objects', name), { recursive: true, force: true });
    },
    'empty files where objects were': (repo) => {
      for (const file of globSync(repo)) {
        chmodSync(file, 0o600);
        writeFileSync(file, '');
      }
    },
    'a missing served part': (repo) => rmSync(join(repo, 'served'), { recursive: true }),
    'a half made served part': (repo) => rmSync(join(repo, 'served/HEAD')),
    'torn published refs': (repo) => writeFileSync(join(repo, 'served/packed-refs'), 'deadbeef refs/he'),
    'a torn packed-refs': (repo) => writeFileSync(join(repo, 'packed-refs'), 'deadbeef refs/he'),
  };
  const spared = new Set(['a missing HEAD', 'a broken config', 'a torn packed-refs']);
  for (const [what, damage] of Object.entries(damages)) {
    for (const restarted of [true, false]) {
      it(`heals ${what}${restarted ? '' : ' under a running merger'}`, async () => {
        const base = upstream.project('org/p', { a: '1\n', b: '1\n', c: '1\n' });
        upstream.commit('org/p', 'master', { a: '2\n' });
        const one = upstream.change('org/p', 1, { b: '2\n' }, { parents: [base] });
        const before = start();
        const first = await merged(before, [one]);
        damage(repoDir(data, 'gerrit', 'org/p'));
        // Where refs and objects live, the state is saved. Else it is made again, and is the same only on the same branch.
        if (spared.has(what)) upstream.commit('org/p', 'master', { d: 'later\n' });
        const merger = restarted ? start() : before;
        const two = upstream.change('org/p', 2, { c: '2\n' }, { parents: [base] });
        const outcome = await merged(merger, [one, two]);
        expect(git('org/p', 'show', `${outcome.commit}:b`)).toBe('2');
        expect(git('org/p', 'rev-parse', one.ref)).toBe(first.commit);
        expect(git('org/p', 'fsck', '--connectivity-only', '--no-dangling')).not.toMatch(/error|missing/);
      });
    }
  }

  it('removes a lock that nobody holds, and waits for one that somebody does', async () => {
    upstream.project('org/p', { a: '1\n' });
    const merger = start({ staleLock: 300 });
    const one = upstream.change('org/p', 1, { a: '2\n' });
    await merged(merger, [one]);
    upstream.commit('org/p', 'master', { b: '1\n' });
    const repo = repoDir(data, 'gerrit', 'org/p');
    for (const lock of ['refs/heads/master.lock', 'packed-refs.lock']) writeFileSync(join(repo, lock), '');
    const begun = performance.now();
    const two = upstream.change('org/p', 2, { a: '3\n' });
    await merged(merger, [two]);
    expect(performance.now() - begun).toBeGreaterThan(150);
  });

  it('keeps what was published through upkeep', async () => {
    const base = upstream.project('org/p', { a: '1\n' });
    const merger = start({ tidyEvery: 1 });
    const stack = [1, 2, 3].map((n) =>
      upstream.change('org/p', n, { [`f${n}`]: '1\n' }, { parents: [base] }),
    );
    const commits: string[] = [];
    for (let n = 1; n <= 3; n++) commits.push((await merged(merger, stack.slice(0, n))).commit);
    await merged(merger, stack);
    await merger[Symbol.asyncDispose]();
    expect(warnings).toEqual([]);
    expect(stack.map((entry) => git('org/p', 'rev-parse', entry.ref))).toEqual(commits);
    expect(git('org/p', 'fsck', '--no-dangling')).not.toMatch(/error|missing/);
  });

  it('forgets states that are too old to be fetched, and no others', async () => {
    const base = upstream.project('org/p', { a: '1\n' });
    let now = 1_000_000;
    const merger = start({ tidyEvery: 1, keepRefs: 1_000, now: () => now });
    const stack = [1, 2, 3].map((n) =>
      upstream.change('org/p', n, { [`f${n}`]: '1\n' }, { parents: [base] }),
    );
    for (const [count, later] of [
      [1, 900],
      [2, 200],
      [3, 0],
    ] as const) {
      await merged(merger, stack.slice(0, count));
      // Asked again it merges nothing, but waits for the upkeep after the first.
      await merged(merger, stack.slice(count - 1, count));
      now += later;
    }
    await merger[Symbol.asyncDispose]();
    expect(warnings).toEqual([]);
    const left = git('org/p', 'for-each-ref', '--format=%(refname)', 'refs/zuul', 'refs/stackgate').split(
      '\n',
    );
    expect(left.filter((ref) => ref.startsWith('refs/zuul'))).toEqual(stack.slice(1).map(({ ref }) => ref));
    expect(left).toHaveLength(4);
  });

  it('says that Gerrit is away, so that the merge is tried again', async () => {
    upstream.project('org/p', { a: '1\n' });
    const entry = upstream.change('org/p', 1, { a: '2\n' });
    const merger = start({ sources: { gerrit: urlSource('http://127.0.0.1:9/') } });
    await expect(merger.merge(mergeAction([entry]), AbortSignal.timeout(20_000))).rejects.toMatchObject({
      code: 'gerrit-away',
      retry: true,
    });
  });

  it('follows a Gerrit that has a new address, and tells nobody the address', async () => {
    upstream.project('org/p', { a: '1\n' });
    const entry = upstream.change('org/p', 1, { a: '2\n' });
    let base = `${upstream.url}/secret`;
    const merger = start({ sources: { gerrit: { url: (project) => `${base}/${project}`, env: {} } } });
    const refused = await merger.merge(mergeAction([entry]), AbortSignal.timeout(20_000));
    expect(refused.kind).toBe('failed');
    expect(JSON.stringify(refused)).not.toContain('secret/org');
    base = upstream.url;
    await merged(merger, [entry]);
    await rename(upstream.root, `${upstream.root}2`);
    base = `${upstream.url}2`;
    const outcome = await merger.merge(
      mergeAction([{ ...entry, ref: `refs/zuul/master/Z${'a'.repeat(32)}` }]),
      AbortSignal.timeout(20_000),
    );
    expect(outcome).toMatchObject({ kind: 'merged', commit: entry.revision });
  });

  it('keeps its deadline', async () => {
    upstream.project('org/p', { a: '1\n' });
    const entry = upstream.change('org/p', 1, { a: '2\n' });
    const hangs = createServer(() => {}).listen(0, '127.0.0.1');
    await once(hangs, 'listening');
    const address = hangs.address();
    const port = typeof address === 'object' ? address?.port : 0;
    const merger = start({ sources: { gerrit: urlSource(`http://127.0.0.1:${port}`) }, cloneDeadline: 500 });
    await expect(merger.merge(mergeAction([entry]), AbortSignal.timeout(20_000))).rejects.toMatchObject({
      code: 'deadline',
      retry: true,
    });
    hangs.closeAllConnections();
    hangs.close();
  });

  /** The same merge in processes of their own, which may be killed on their way. */
  function inProcess(stack: MergeEntry[]) {
    const input = JSON.stringify({ dir: data, upstream: upstream.url, action: mergeAction(stack) });
    const script = join(import.meta.dirname, '../test/conformance/ports/merge-once.ts');
    const child = (crashAt: string) =>
      spawnSync(process.execPath, ['--import', 'tsx', script], {
        input,
        encoding: 'utf8',
        env: { ...process.env, STACKGATE_CRASH_AT: crashAt },
      });
    return { child };
  }

  it('saves what was published when it is killed while it heals', async () => {
    const base = upstream.project('org/p', { a: '1\n' });
    upstream.commit('org/p', 'master', { b: '1\n' });
    const one = upstream.change('org/p', 1, { f1: '1\n' }, { parents: [base] });
    const { child } = inProcess([one]);
    const answer = child('').stdout;
    const repo = repoDir(data, 'gerrit', 'org/p');
    rmSync(join(repo, 'HEAD'));
    // The branch moves on: made again from nothing, the state would be another.
    upstream.commit('org/p', 'master', { c: '1\n' });
    expect(child('merge.heal.between').signal).toBe('SIGKILL');
    expect(existsSync(repo)).toBe(false);
    const again = child('');
    expect(again.stderr).toBe('');
    expect(again.stdout).toBe(answer);
  });

  const places = ['merge.fetch.after', 'merge.change.after:2', 'merge.refs.before', 'merge.refs.after'];
  for (const place of places) {
    it(`answers the same after kill -9 at ${place}`, async () => {
      const base = upstream.project('org/p', { a: '1\n' });
      upstream.project('org/q', { a: '1\n' });
      upstream.commit('org/p', 'master', { b: '1\n' });
      const stack = [
        upstream.change('org/p', 1, { f1: '1\n' }, { parents: [base] }),
        upstream.change('org/q', 2, { f2: '1\n' }),
        upstream.change('org/p', 3, { f3: '1\n' }, { parents: [base], mode: 'cherry-pick' }),
      ];
      const { child } = inProcess(stack);
      expect(child(place).signal).toBe('SIGKILL');
      if (place.startsWith('merge.refs')) upstream.commit('org/p', 'master', { later: '1\n' });
      const answer = child('');
      const again = child('');
      expect(answer.stderr).toBe('');
      expect(JSON.parse(answer.stdout)).toMatchObject({ kind: 'merged' });
      expect(again.stdout).toBe(answer.stdout);
      expect(git('org/p', 'fsck', '--no-dangling')).not.toMatch(/error|missing/);
    });
  }
});

/** The loose objects and packs of a repository. */
function globSync(repo: string): string[] {
  return readdirSync(join(repo, 'objects'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.parentPath.includes('info'))
    .map((entry) => join(entry.parentPath, entry.name));
}
