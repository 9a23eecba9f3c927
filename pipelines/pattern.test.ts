import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { backtracking, mayStandBetween, stepsFor } from './pattern/cost.ts';
import { lacks, needed } from './pattern/literals.ts';
import { type Node, parsePattern } from './pattern/parse.ts';
import { compileProgram, runProgram } from './pattern/program.ts';
import { toV8 } from './pattern/v8.ts';
import { checkPattern, match, search } from './pattern.ts';

describe('match and search', () => {
  it.each([
    ['mas', 'master', true, true],
    ['ster', 'master', false, true],
    ['^(?!stable/).*$', 'master', true, true],
    ['^(?!stable/).*$', 'stable/x', false, false],
    ['(?i)recheck$', 'please RECHECK\n', false, true],
    ['recheck\\Z', 'recheck\n', false, false],
    ['(?im)^recheck$', 'no\nRecheck\nno', false, true],
    ['a.c', 'a\nc', false, false],
    ['(?s)a.c', 'a\nc', true, true],
    ['a.c', 'a\rc', true, true],
    ['^.$', '😀', true, true],
    ['(?i)k', '\u212A', false, false],
    ['\\s', '\v', true, true],
    ['\\s', '\u00a0', false, false],
    ['\\w', 'é', false, false],
    ['gate-kolla.*(?<!docs-(?:a|b))$', 'gate-kolla-docs-a', false, false],
    ['gate-kolla.*(?<!docs-(?:a|b))$', 'gate-kolla-docs-c', true, true],
    ['(?P<word>[a-c]{2,3})$', 'xabc', false, true],
    ['x{,2}y{z}', 'y{z}', true, true],
    ['[]a]+$', ']a]', true, true],
    ['[a\\]\\-z]+$', '-]', true, true],
    ['(?x) a b # comment', 'ab', true, true],
    ['\\101\\x42', 'AB', true, true],
    ['(?:a$|b)\n', 'a\n', true, true],
    ['', '', true, true],
    ['\\B', '', false, false],
    ['a(?x) # (', 'a', true, true],
  ])('%j on %j', (pattern, subject, matches, found) => {
    expect([match(pattern, subject), search(pattern, subject)]).toEqual([matches, found]);
  });
});

describe('checkPattern', () => {
  it.each([
    ['(', 'missing )'],
    ['a)', 'unbalanced parenthesis'],
    ['*a', 'nothing to repeat'],
    ['a**', 'multiple repeat'],
    ['[a', 'unterminated character set'],
    ['[z-a]', 'bad character range'],
    ['a{3,2}', 'min repeat'],
    ['(?<=a*)b', 'fixed-width'],
    ['(a)\\1', 'references'],
    ['(?P=a)', 'references'],
    ['(?(1)a|b)', 'conditional'],
    ['(?u)a', 'ASCII'],
    ['(?q)', 'unknown flag'],
    ['(((a{999}){999}){9})', 'too large'],
    ['a{5000}', 'more than 1000'],
    ['('.repeat(500), 'nested'],
    ['\\', 'end of pattern'],
  ])('%j is refused: %s', (pattern, reason) => {
    expect(checkPattern(pattern, 'branch')).toContain(reason);
  });

  it('allows look-around everywhere but on comments', () => {
    expect(checkPattern('^(?!stable)', 'branch')).toBeUndefined();
    expect(checkPattern('^(?!stable)', 'comment')).toContain('look-around');
  });
});

const RECHECK =
  '(?i)^(Patch Set [0-9]+:)?( [\\w\\\\+-]*)*(\\n\\n)?\\s*recheck(( (?:bug|lp)[\\s#:]*(\\d+))|( no bug))\\s*$';

describe('hostile text', () => {
  it.each([
    ['(a+)+$', `${'a'.repeat(5_000)}b`],
    ['(a|a)*c$', `${'a'.repeat(5_000)}b`],
    ['(.*a){20}', 'a'.repeat(19)],
    [RECHECK, `${' '.repeat(16_000)}recheck no bugs`],
    [RECHECK, `Patch Set 1:${' a'.repeat(8_000)}\n\n recheck no bug !`],
  ])('%j is answered in linear time', (pattern, text) => {
    const started = performance.now();
    expect(search(pattern, text)).toBe(false);
    expect(performance.now() - started).toBeLessThan(1_000);
  });
});

describe('both engines', () => {
  const atom = fc.constantFrom(
    'a',
    'b',
    '.',
    '[ab]',
    '[^a]',
    '^',
    '$',
    '\\b',
    '\\Z',
    '\\w',
    '\n',
    'ab',
    '\\n',
  );
  const pattern = fc.letrec<{ it: string }>((tie) => ({
    it: fc.oneof(
      { maxDepth: 4 },
      atom,
      fc.tuple(tie('it'), tie('it')).map(([a, b]) => a + b),
      fc.tuple(tie('it'), tie('it')).map(([a, b]) => `(${a}|${b})`),
      fc
        .tuple(tie('it'), fc.constantFrom('*', '+', '?', '{2}', '{1,2}', '*?'))
        .map(([a, q]) => `(?:${a})${q}`),
      fc.tuple(fc.constantFrom('?=', '?!'), tie('it')).map(([look, a]) => `(${look}${a})`),
      fc
        .tuple(fc.constantFrom('?<=', '?<!'), fc.constantFrom('a', 'ab', '[ab]b'))
        .map(([look, a]) => `(${look}${a})`),
    ),
  })).it;
  const subject = fc.string({ unit: fc.constantFrom('a', 'b', '\n', 'é', '😀', 'A'), maxLength: 12 });

  it('agree, and V8 stays far under the promised number of steps', () => {
    fc.assert(
      fc.property(pattern, subject, (source, text) => {
        const tree = treeOf(source);
        const program = compileProgram(tree);
        expect(match(source, text)).toBe(runProgram(program, text, true));
        expect(search(source, text)).toBe(runProgram(program, text, false));
        const v8 = new RegExp(toV8(tree), 'u');
        const between = text.includes('😀') && mayStandBetween(tree);
        if (!between && stepsFor(backtracking(tree, false), text.length) < 1e7) {
          expect(v8.test(text)).toBe(runProgram(program, text, false));
        }
        const needs = needed(tree);
        if (needs !== undefined && runProgram(program, text, false)) {
          expect(lacks(needs, text)).toBe(false);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('look for nothing between the halves of a character, where V8 does', () => {
    for (const source of ['\\B', '(?!\\b)', '(?!(?=(?<![ab]b)(\\b|a)))'])
      expect(search(source, 'a😀a')).toBe(false);
    expect(search('(?!\\b)', 'a😀😀')).toBe(true);
  });

  it('never throw on what a person might type', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom(...Array.from('ab(){}[]|*+?^$\\.-:<!=P,01\n')), maxLength: 20 }),
        (source) => {
          if (checkPattern(source, 'branch') === undefined) search(source, 'ab01\n');
        },
      ),
      { numRuns: 2_000 },
    );
  });
});

function treeOf(source: string): Node {
  const parsed = parsePattern(source);
  if ('error' in parsed) throw new Error(parsed.error);
  return parsed.tree;
}
