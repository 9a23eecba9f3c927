import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { MergeAction, MergeEntry } from '../../../pipelines/action.ts';
import type { MergeFinished } from '../../../pipelines/event.ts';
import type { Merger } from '../../../pipelines/ports.ts';
import { createUpstream, type Upstream } from './upstream.ts';

/** What the suite needs beside the port: to look at what was published. */
export interface MergerUnderTest extends Merger {
  /** Commit of a ref in our repository of the project. */
  published(project: string, ref: string): string | undefined;
  /** Content of a file at a commit; undefined when it is not there. */
  file(project: string, commit: string, path: string): string | undefined;
}

type Merged = Extract<MergeFinished['outcome'], { kind: 'merged' }>;

export function mergeAction(stack: MergeEntry[], id = 'merge-1'): MergeAction {
  return { kind: 'merge', id, precedence: 'normal', stack };
}

export async function merged(merger: Merger, stack: MergeEntry[]): Promise<Merged> {
  const outcome = await merger.merge(mergeAction(stack), AbortSignal.timeout(20_000));
  if (outcome.kind !== 'merged') throw new Error(`not merged: ${JSON.stringify(outcome)}`);
  return outcome;
}

/** The Merger port, as Zuul v2's merger behaves (zuul-v2.md 3.1), for any adapter over git. */
export function describeMerger(
  name: string,
  make: (dir: string, upstream: Upstream) => MergerUnderTest,
): void {
  describe(`Merger port: ${name}`, () => {
    let dir = '';
    let upstream: Upstream;
    let merger: MergerUnderTest;
    const ask = (stack: MergeEntry[]) => merger.merge(mergeAction(stack), AbortSignal.timeout(20_000));

    beforeEach(async () => {
      dir = await mkdtemp(join(tmpdir(), 'stackgate-merger-'));
      upstream = createUpstream(join(dir, 'upstream'));
      merger = make(join(dir, 'data'), upstream);
    });
    afterEach(async () => {
      await merger[Symbol.asyncDispose]();
      await rm(dir, { recursive: true, force: true });
    });

    it('takes a change that sits on the tip as it is', async () => {
      const base = upstream.project('org/p', { a: '1\n' });
      const change = upstream.change('org/p', 1, { a: '2\n' });
      const outcome = await merged(merger, [change]);
      expect(outcome.commit).toBe(change.revision);
      expect(outcome.bases).toEqual([{ project: 'org/p', branch: 'master', commit: base }]);
      expect(outcome.tree).toBe(upstream.git('org/p', 'rev-parse', `${change.revision}^{tree}`));
      expect(merger.published('org/p', change.ref)).toBe(change.revision);
    });

    it('merges onto the tip of now, not of the change', async () => {
      upstream.project('org/p', { a: '1\n', b: '1\n' });
      const change = upstream.change('org/p', 1, { a: '2\n' });
      const tip = upstream.commit('org/p', 'master', { b: '2\n' });
      const { commit, bases } = await merged(merger, [change]);
      expect(bases[0]?.commit).toBe(tip);
      expect(merger.file('org/p', commit, 'a')).toBe('2\n');
      expect(merger.file('org/p', commit, 'b')).toBe('2\n');
    });

    it('changes nothing for a change that is merged already', async () => {
      upstream.project('org/p', { a: '1\n' });
      const change = upstream.change('org/p', 1, { a: '2\n' });
      upstream.git('org/p', 'update-ref', 'refs/heads/master', change.revision);
      const tip = upstream.commit('org/p', 'master', { b: '2\n' });
      for (const mode of ['merge', 'merge-resolve', 'cherry-pick'] as const) {
        const entry = {
          ...change,
          mode,
          ref: `refs/zuul/master/Z${mode.length.toString().padStart(32, '0')}`,
        };
        expect((await merged(merger, [entry])).commit).toBe(tip);
      }
    });

    it('stacks one change on the other and publishes every state', async () => {
      upstream.project('org/p', { a: '1\n', b: '1\n', c: '1\n' });
      const stack = [1, 2, 3].map((n) => upstream.change('org/p', n, { ['abc'.charAt(n - 1)]: '2\n' }));
      const { commit } = await merged(merger, stack);
      for (const file of ['a', 'b', 'c']) expect(merger.file('org/p', commit, file)).toBe('2\n');
      const second = merger.published('org/p', stack[1]?.ref ?? '') ?? '';
      expect(merger.file('org/p', second, 'b')).toBe('2\n');
      expect(merger.file('org/p', second, 'c')).toBe('1\n');
    });

    it('answers the same commit again, also after the branch moved and the change is gone', async () => {
      const base = upstream.project('org/p', { a: '1\n', b: '1\n' });
      const stack = [
        upstream.change('org/p', 1, { a: '2\n' }),
        upstream.change('org/p', 2, { b: '2\n' }, { parents: [base] }),
      ];
      const first = await merged(merger, stack);
      upstream.commit('org/p', 'master', { c: '1\n' });
      for (const entry of stack) upstream.git('org/p', 'update-ref', '-d', entry.refspec);
      expect(await merged(merger, stack)).toEqual(first);
    });

    it('continues from the published state of the item ahead', async () => {
      const base = upstream.project('org/p', { a: '1\n', b: '1\n' });
      const ahead = upstream.change('org/p', 1, { a: '2\n' });
      const one = await merged(merger, [ahead]);
      upstream.commit('org/p', 'master', { c: 'later\n' });
      const own = upstream.change('org/p', 2, { b: '2\n' }, { parents: [base] });
      const two = await merged(merger, [ahead, own]);
      expect(two.bases).toEqual(one.bases);
      expect(merger.file('org/p', two.commit, 'a')).toBe('2\n');
      expect(merger.file('org/p', two.commit, 'c')).toBeUndefined();
    });

    it('names the change and the files of a conflict', async () => {
      upstream.project('org/p', { a: '1\n', b: '1\n' });
      const stack = [1, 2].map((n) => upstream.change('org/p', n, { a: `${n}${n}\n`, b: `${n}${n}\n` }));
      expect(await ask(stack)).toEqual({ kind: 'conflict', number: '2', patchset: '1', files: ['a', 'b'] });
    });

    it('is not led astray by clocks and authors', async () => {
      const base = upstream.project('org/p', { a: '1\n', b: '1\n', c: '1\n' });
      upstream.commit('org/p', 'master', { c: '2\n' });
      const odd = { parents: [base], author: '. <x@example.org>' };
      const future = upstream.change('org/p', 1, { a: '2\n' }, { ...odd, at: 99_999_999_999 });
      const past = upstream.change('org/p', 2, { b: '2\n' }, { ...odd, at: 1, mode: 'cherry-pick' });
      const { commit } = await merged(merger, [future, past]);
      for (const file of ['a', 'b', 'c']) expect(merger.file('org/p', commit, file)).toBe('2\n');
    });

    it('carries a rename and an edit of the same file together', async () => {
      const text = Array.from({ length: 40 }, (_, n) => `line ${n}\n`).join('');
      upstream.project('org/p', { 'old.py': text });
      const rename = upstream.change('org/p', 1, { 'old.py': null, 'new.py': text });
      const edit = upstream.change('org/p', 2, { 'old.py': text.replace('line 7\n', 'line seven\n') });
      const { commit } = await merged(merger, [rename, edit]);
      expect(merger.file('org/p', commit, 'old.py')).toBeUndefined();
      expect(merger.file('org/p', commit, 'new.py')).toContain('line seven');
    });

    it('merges histories that crossed', async () => {
      const base = upstream.project('org/p', { a: '1\n', b: '1\n', c: '1\n' });
      const left = upstream.commit('org/p', 'master', { a: '2\n' });
      const right = upstream.change('org/p', 1, { b: '2\n' }, { parents: [base] });
      upstream.commit('org/p', 'master', { b: '2\n' }, { parents: [left, right.revision] });
      const crossed = upstream.change(
        'org/p',
        2,
        { a: '2\n', c: '2\n' },
        { parents: [right.revision, left] },
      );
      for (const mode of ['merge', 'merge-resolve'] as const) {
        const z = `Z${String(mode.length).padStart(32, 'c')}`;
        const { commit } = await merged(merger, [{ ...crossed, mode, ref: `refs/zuul/master/${z}` }]);
        for (const file of ['a', 'b', 'c']) expect(merger.file('org/p', commit, file)).toBe('2\n');
      }
    });

    it('publishes an item in every project and branch that is ahead of it', async () => {
      upstream.project('org/p', { a: '1\n' });
      const base = upstream.project('org/q', { a: '1\n' });
      upstream.git('org/q', 'update-ref', 'refs/heads/stable/juno', base);
      const stack = [
        upstream.change('org/p', 1, { a: 'p\n' }),
        upstream.change('org/q', 2, { a: 'q\n' }),
        upstream.change('org/q', 3, { a: 'juno\n' }, { branch: 'stable/juno' }),
      ];
      const outcome = await merged(merger, stack);
      expect(outcome.commit).toBe(stack[2]?.revision);
      expect(outcome.bases.map(({ project, branch }) => `${project} ${branch}`)).toEqual([
        'org/p master',
        'org/q master',
        'org/q stable/juno',
      ]);
      const z = (n: number) => stack[n]?.ref.split('/').at(-1) ?? '';
      const at = (project: string, branch: string, n: number) =>
        merger.published(project, `refs/zuul/${branch}/${z(n)}`);
      expect(at('org/p', 'master', 0)).toBe(stack[0]?.revision);
      expect(at('org/p', 'master', 2)).toBe(stack[0]?.revision);
      expect(at('org/q', 'master', 0)).toBeUndefined();
      expect(at('org/q', 'master', 2)).toBe(stack[1]?.revision);
      expect(at('org/q', 'stable/juno', 1)).toBeUndefined();
      expect(at('org/q', 'stable/juno', 2)).toBe(stack[2]?.revision);
    });

    it('picks a change without its ancestors and keeps its author', async () => {
      upstream.project('org/p', { a: '1\n', b: '1\n', c: '1\n' });
      const below = upstream.change('org/p', 1, { a: 'below\n' });
      const own = upstream.change(
        'org/p',
        2,
        { b: '2\n' },
        {
          parents: [below.revision],
          mode: 'cherry-pick',
          author: 'Zoë Pickler <zoe@example.org>',
          message: 'Pick me\n\nBody with “quotes”\n',
        },
      );
      upstream.commit('org/p', 'master', { c: '2\n' });
      const { commit } = await merged(merger, [own]);
      expect(merger.file('org/p', commit, 'a')).toBe('1\n');
      expect(merger.file('org/p', commit, 'b')).toBe('2\n');
      expect(merger.file('org/p', commit, 'c')).toBe('2\n');
      expect(await merged(merger, [{ ...own, ref: `refs/zuul/master/Z${'e'.repeat(32)}` }])).toMatchObject({
        commit,
      });
    });

    it('picks onto the parent itself, a first commit, and merges a merge commit', async () => {
      const base = upstream.project('org/p', { a: '1\n', b: '1\n' });
      const options = { mode: 'cherry-pick' as const };
      const plain = upstream.change('org/p', 1, { a: '2\n' }, options);
      const root = upstream.change('org/p', 2, { 'imported/x': 'x\n' }, { ...options, parents: [] });
      const side = upstream.change('org/p', 3, { b: '2\n' }, { parents: [base] });
      const join_ = upstream.change('org/p', 4, { b: '2\n' }, { ...options, parents: [base, side.revision] });
      const { commit } = await merged(merger, [plain, root, join_]);
      expect(merger.file('org/p', commit, 'a')).toBe('2\n');
      expect(merger.file('org/p', commit, 'imported/x')).toBe('x\n');
      expect(merger.file('org/p', commit, 'b')).toBe('2\n');
    });

    it('drops a pick that is in the branch under another id', async () => {
      upstream.project('org/p', { a: '1\n' });
      const change = upstream.change('org/p', 1, { a: '2\n' }, { mode: 'cherry-pick' });
      const tip = upstream.commit('org/p', 'master', { a: '2\n' });
      expect((await merged(merger, [change])).commit).toBe(tip);
    });

    it('says what is wrong in a sentence', async () => {
      upstream.project('org/p', { a: '1\n' });
      const good = upstream.change('org/p', 1, { a: '2\n' });
      const reason = async (patch: Partial<MergeEntry>) => {
        const outcome = await ask([{ ...good, ...patch }]);
        return outcome.kind === 'failed' ? outcome.reason : JSON.stringify(outcome);
      };
      expect(await reason({ refspec: 'refs/changes/09/9/9' })).toMatch(
        /Gerrit has no refs\/changes\/09\/9\/9/,
      );
      expect(await reason({ revision: 'f'.repeat(40) })).toMatch(
        /^change 1,1: refs\/changes\/01\/1\/1 of org\/p is /,
      );
      expect(await reason({ branch: 'nope', ref: good.ref.replace('master', 'nope') })).toMatch(
        /no branch nope/,
      );
      expect(await reason({ project: 'org/absent' })).toMatch(/cannot clone org\/absent/);
      expect(await reason({ project: '../../etc' })).toMatch(/not a project name/);
      expect(await reason({ project: '--upload-pack=x' })).toMatch(/not a project name/);
      expect(await reason({ branch: '-x', ref: 'refs/zuul/-x/Z' })).toMatch(/not a branch name/);
      expect(await reason({ refspec: 'refs/heads/master:refs/heads/x' })).toMatch(
        /not the ref of a patchset/,
      );
      expect(await reason({ ref: 'refs/heads/master' })).toMatch(/not a ref of ours/);
      expect((await merged(merger, [good])).commit).toBe(good.revision);
    });

    it('refuses a history that has nothing in common', async () => {
      upstream.project('org/p', { a: '1\n' });
      const alien = upstream.change('org/p', 1, { z: '1\n' }, { parents: [] });
      const outcome = await ask([alien]);
      expect(outcome.kind).toBe('failed');
      expect(JSON.stringify(outcome)).toMatch(/unrelated histories/);
    });

    it('does many things at a time', async () => {
      const base = upstream.project('org/p', { a: '1\n' });
      upstream.project('org/q', { a: '1\n' });
      const changes = [1, 2, 3, 4, 5, 6].map((n) =>
        upstream.change(
          n % 3 === 0 ? 'org/q' : 'org/p',
          n,
          { [`f${n}`]: '1\n' },
          n % 3 === 0 ? {} : { parents: [base] },
        ),
      );
      const outcomes = await Promise.all(changes.map((_, n) => ask(changes.slice(0, n + 1))));
      expect(outcomes.map((outcome) => outcome.kind)).toEqual(changes.map(() => 'merged'));
      const p = outcomes[4];
      const commit = p?.kind === 'merged' ? p.commit : '';
      for (const n of [1, 2, 4, 5]) expect(merger.file('org/p', commit, `f${n}`)).toBe('1\n');
    });

    it('stops when it is told to', async () => {
      upstream.project('org/p', { a: '1\n' });
      const change = upstream.change('org/p', 1, { a: '2\n' });
      await expect(merger.merge(mergeAction([change]), AbortSignal.abort())).rejects.toMatchObject({
        code: 'stopped',
      });
      expect((await merged(merger, [change])).commit).toBe(change.revision);
    });
  });
}
