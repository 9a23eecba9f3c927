import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FormatMistake } from '../format.ts';
import { createJinja } from './template.ts';

const params = { a: 'x', n: 3, list: ['b', 'c'], map: { k: 'v', items2: [1] }, empty: [], none: null };
const render = (text: string, files: Record<string, string> = {}) =>
  createJinja(text, (name) => files[name])(params);

describe('Jinja', () => {
  it.each([
    ['{{ a }} {{ n + 1 }} {{ 7 // 2 }} {{ -n }}', 'x 4 3 -3'],
    ['{% for x in list -%}\n{{ x }}\n{% endfor %}', 'b\nc\n'],
    ['{% for k, v in map.items() %}{{ k }}={{ v }};{% endfor %}', 'k=v;items2=[1];'],
    ['{% for x in list %}{{ loop.index }}{{ "," if not loop.last }}{% endfor %}', '1,2'],
    ['{% for x in empty %}{{ x }}{% else %}none{% endfor %}', 'none'],
    ['{% if n > 5 %}a{% elif n == 3 and "b" in list %}b{% else %}c{% endif %}', 'b'],
    ["{% if zz is defined %}y{% else %}{{ zz | default('d') }}{% endif %}", 'd'],
    ['{% set y = a ~ n %}{{ y|upper }}', 'X3'],
    ["{{ list | join(', ') }} {{ map['k'] }} {{ list[-1] }} {{ 'a-b'.split('-')[1] }}", 'b, c v c b'],
    ['{# no #}{% raw %}{{ a }}{% endraw %}', '{{ a }}'],
    ["{% include 'f' %}!", 'fx!'],
    ["{% include 'zz' ignore missing %}!", '!'],
    ["{{ '}}' }}\n", '}}'],
    ['{{ range(3) | list }} {{ (1, 2)|length }} {{ {"q": 1}["q"] }}', '[0, 1, 2] 2 1'],
  ])('%s', (text, expected) => {
    expect(render(text, { f: 'f{{ a }}\n' })).toBe(expected);
  });

  it.each([
    ['{{ zz }}', 'zz is not set'],
    ['{{ map.zz }}', 'zz is not set'],
    ['{{ a', 'is missing'],
    ['{% for x in list %}', '"endfor" is missing'],
    ['{% endif %}', 'no beginning'],
    ['{% macro f() %}', 'not supported'],
    ['{{ a | urlize }}', 'not supported'],
    ['{{ a.constructor() }}', 'not supported'],
    ['{{ map.constructor }}', 'not set'],
    ["{% include 'f' %}", 'circle'],
    [
      '{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{{ i }}{% endfor %}',
      'come to an end',
    ],
    ['{{ range(999999999) }}', 'too large'],
    [`{{ ${'('.repeat(500)} }}`, 'too deeply'],
  ])('refuses %s', (text, message) => {
    expect(() => render(text, { f: "{% include 'f' %}" })).toThrow(message);
  });

  it('throws nothing else', () => {
    const piece = fc.constantFrom(
      '{{',
      '}}',
      '{%',
      '%}',
      '{#',
      '#}',
      ' for x in list ',
      ' endfor ',
      ' if ',
      ' endif ',
      ' else ',
      ' set a = ',
      'a',
      'n',
      '+',
      '|',
      'join',
      '(',
      ')',
      '[',
      ']',
      '.',
      '"',
      "'",
      '-',
      ' not ',
      ' in ',
      ' is defined',
      '1',
      ' raw ',
      ',',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(piece).map((parts) => parts.join('')),
        ),
        (text) => {
          try {
            render(text);
          } catch (caught) {
            expect(caught).toBeInstanceOf(FormatMistake);
          }
        },
      ),
      { numRuns: 3000 },
    );
  });
});
