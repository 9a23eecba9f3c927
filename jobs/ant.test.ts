import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { antMatches, antMayMatchBelow, antPattern } from './ant.ts';

const matches = (pattern: string, path: string) => antMatches(antPattern(pattern), path);

describe('ANT patterns', () => {
  /** From the manual's own examples, and from job files of OpenStack vendors. */
  test.each([
    ['**/CVS/*', ['CVS/Repository', 'org/apache/CVS/Entries'], ['org/apache/CVS/foo/bar/Entries']],
    ['org/apache/jakarta/**', ['org/apache/jakarta/tools/ant/docs/index.html'], ['org/apache/xyz.java']],
    ['org/apache/**/CVS/*', ['org/apache/CVS/Entries', 'org/apache/j/t/CVS/Entries'], ['org/apache/CVS/f/b']],
    ['**/test/**', ['test/a', 'a/test/b/c', 'a/b/test'], ['tests/a']],
    ['logs/', ['logs/a', 'logs/b/c'], ['log', 'xlogs/a']],
    ['*.log', ['a.log', '.log'], ['a/b.log', 'a.log.gz']],
    ['**', ['a', 'a/b/c'], []],
    ['a?c/*', ['abc/x', 'a😀c/x'], ['ac/x', 'a/c/x']],
    ['[ab]{c,d}!(e)', ['[ab]{c,d}!(e)'], ['ac', 'bd']],
    ['./logs\\*.txt', ['logs/a.txt'], ['logs/b/a.txt']],
  ])('%s', (pattern, yes, no) => {
    for (const path of yes) expect([path, matches(pattern, path)]).toEqual([path, true]);
    for (const path of no) expect([path, matches(pattern, path)]).toEqual([path, false]);
  });

  const part = fc
    .array(fc.constantFrom('a', 'b', '*', '?'), { minLength: 1, maxLength: 4 })
    .map((each) => each.join(''));
  const pattern = fc.array(fc.oneof(part, fc.constant('**')), { minLength: 1, maxLength: 5 });
  const path = fc.array(
    fc.array(fc.constantFrom('a', 'b'), { minLength: 1, maxLength: 3 }).map((each) => each.join('')),
    { minLength: 1, maxLength: 5 },
  );

  /** The definition, by trying everything. */
  function slowly(pattern: readonly string[], path: readonly string[]): boolean {
    const [head, ...rest] = pattern;
    if (head === undefined) return path.length === 0;
    if (head === '**') return slowly(rest, path) || (path.length > 0 && slowly(pattern, path.slice(1)));
    const [name, ...below] = path;
    return name !== undefined && letters(head, name) && slowly(rest, below);
  }
  function letters(pattern: string, name: string): boolean {
    if (pattern === '') return name === '';
    const rest = pattern.slice(1);
    if (/^\*+$/.test(pattern)) return true;
    if (pattern[0] === '*') return letters(rest, name) || (name !== '' && letters(pattern, name.slice(1)));
    return name !== '' && (pattern[0] === '?' || pattern[0] === name[0]) && letters(rest, name.slice(1));
  }

  test('match as their definition says', () => {
    fc.assert(
      fc.property(pattern, path, (parts, names) => {
        const clean = parts.filter((each) => each === '**' || !each.includes('**'));
        fc.pre(clean.length > 0);
        expect(antMatches(antPattern(clean.join('/')), names.join('/'))).toBe(slowly(clean, names));
      }),
      { numRuns: 2000 },
    );
  });

  test('a folder that is not walked holds no match', () => {
    fc.assert(
      fc.property(pattern, path, (parts, names) => {
        fc.pre(names.length > 1);
        const read = antPattern(parts.join('/'));
        if (antMatches(read, names.join('/'))) {
          expect(antMayMatchBelow(read, names.slice(0, -1).join('/'))).toBe(true);
        }
      }),
      { numRuns: 1000 },
    );
  });

  test('stay quick on names made to hurt', () => {
    const before = performance.now();
    expect(matches(`${'*a'.repeat(60)}b`, 'a'.repeat(250))).toBe(false);
    expect(matches(`${'**/a/'.repeat(30)}b`, 'a/'.repeat(500).concat('a'))).toBe(false);
    expect(performance.now() - before).toBeLessThan(500);
  });
});
