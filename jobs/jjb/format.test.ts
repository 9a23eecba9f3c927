import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Float } from '../yaml/scalar.ts';
import { FormatMistake, formatText } from './format.ts';
import { pythonRepr, Tuple } from './python.ts';

const params = {
  a: 1,
  s: 'S',
  l: ['x', "y's"],
  d: { k: { j: 'v' } },
  f: 1.1,
  g: new Float(2),
  'mail-to': ['m'],
  n: null,
};
const format = (text: string, allowEmpty = false) => formatText(text, params, allowEmpty);

describe('a whole text that is one parameter', () => {
  it('keeps the type, even with a line end behind it', () => {
    expect(format('{l}')).toBe(params.l);
    expect(format('{obj:d}')).toBe(params.d);
    expect(format('{a}\n')).toBe(1);
    expect(format('{{{s}}}')).toBe('S');
  });

  it('is text when its name is no word', () => {
    expect(format('{mail-to}')).toBe("['m']");
  });
});

describe('parameters inside a text', () => {
  it('are printed as Python prints them', () => {
    expect(format('v{a} {f} {g} {n} {l} {d}')).toBe(
      `v1 1.1 2.0 None ['x', "y's"] OrderedDict([('k', OrderedDict([('j', 'v')]))])`,
    );
    expect(pythonRepr([true, new Tuple(), Tuple.from(['a']), 'it\'s "\n', -1.5e-7])).toBe(
      `[True, (), ('a',), 'it\\'s "\\n', -1.5e-07]`,
    );
  });

  it('reach into mappings and lists, and take specifications', () => {
    expect(format('{d[k][j]} {l[0]} {s!r} {s:>3}|{s:*^5}|{a:03d}|{f:.2f}|{a:+}|{g:.1f}')).toBe(
      "v x 'S'   S|**S**|001|1.10|+1|2.0",
    );
  });

  it('have defaults', () => {
    expect(format('{zz|d}{s|d}{zz|}{zz|a b:c}')).toBe('dSa b:c');
    expect(format('{{zz|d}} {{{s}}}')).toBe('{zz|d} {S}');
  });
});

describe('mistakes', () => {
  it.each([
    ['x {zz}', 'Parameter zz is not set'],
    ["awk '{print $1}'", 'Parameter print $1 is not set'],
    ['${}', 'names no parameter'],
    ['a } b', 'Single "}"'],
    ['a { b', 'never closed'],
    ['{s:d}', 'does not fit'],
    ['{s!x}', 'no conversion'],
    ['{d[q]}', 'has no part'],
    ['{a{s}}', 'brace inside'],
  ])('are told for %s', (text, message) => {
    expect(() => format(text)).toThrow(message);
  });

  it('stays within memory', () => {
    const big = { x: 'x'.repeat(1_000_000) };
    expect(() => formatText('{x} '.repeat(1000), big, false)).toThrow('16 million');
  });

  it('never throws anything else', () => {
    const piece = fc.constantFrom(
      '{',
      '}',
      '{{',
      '}}',
      'a',
      's',
      'obj:',
      '|',
      ':',
      '!r',
      '[k]',
      '[',
      ']',
      '.x',
      '\n',
      '>4',
      '9',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(piece).map((parts) => parts.join('')),
        ),
        fc.boolean(),
        (text, allow) => {
          try {
            format(text, allow);
          } catch (caught) {
            expect(caught).toBeInstanceOf(FormatMistake);
          }
        },
      ),
      { numRuns: 3000 },
    );
  });
});
