import { spawnSync } from 'node:child_process';
import { resolve, sep } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isBranch, isProject, repoDir, zuulId, zuulRef } from './names.ts';
import { urlSource } from './source.ts';

describe('names', () => {
  it('accepts what projects are called', () => {
    for (const name of [
      'nova',
      'openstack/nova',
      'All-Projects',
      'x/group-based.policy',
      'stackforge/c++',
      '_a/b_',
    ]) {
      expect([name, isProject(name)]).toEqual([name, true]);
    }
    for (const name of [
      '',
      '/',
      '/a',
      'a/',
      'a//b',
      '.',
      '..',
      'a/../b',
      '-a',
      'a/-b',
      'a/.git',
      'a b',
      'a;b',
      "a'b",
      'a%2Fb',
      'a:b',
      'ä',
    ]) {
      expect([name, isProject(name)]).toEqual([name, false]);
    }
  });

  it('never leaves its folder', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[./a-z%-]{1,12}$/)), (project) => {
        if (!isProject(project)) return;
        const dir = resolve(repoDir('/root', 'gerrit', project));
        expect(dir.startsWith(`/root${sep}gerrit${sep}`)).toBe(true);
        expect(dir.slice('/root/gerrit/'.length)).not.toContain(sep);
      }),
    );
  });

  it('agrees with git about branches', () => {
    const name = fc.stringMatching(/^[a-z./@{~^:?*[\\ -]{1,8}$/);
    fc.assert(
      fc.property(name, (branch) => {
        if (!isBranch(branch)) return;
        expect(spawnSync('git', ['check-ref-format', zuulRef(branch, `Z${'0'.repeat(32)}`)]).status).toBe(0);
      }),
      { numRuns: 40 },
    );
  });

  it('reads the id out of a ref of its own branch only', () => {
    const id = `Z${'0a'.repeat(16)}`;
    expect(zuulId(zuulRef('stable/juno', id), 'stable/juno')).toBe(id);
    for (const [ref, branch] of [
      [zuulRef('stable/juno', id), 'stable'],
      [`refs/zuul/master/${id}/x`, 'master'],
      ['refs/zuul/master/Zxyz', 'master'],
      [`refs/heads/master/${id}`, 'master'],
    ] as const) {
      expect(zuulId(ref, branch)).toBeUndefined();
    }
  });
});

describe('sources', () => {
  it('are base URLs, not commands', () => {
    expect(urlSource('file:///srv/git/').url('org/demo')).toBe('file:///srv/git/org/demo');
    expect(() => urlSource('ext::sh -c x')).toThrow(/not a base URL/);
  });
});
