// oxlint-disable typescript/no-unsafe-type-assertion, typescript/no-base-to-string -- tests look into untyped values
import { execFileSync } from 'node:child_process';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Float, floatText } from './yaml/scalar.ts';
import { readYaml, type YamlOptions } from './yaml.ts';

const read = (text: string, options?: YamlOptions) => readYaml({ name: 'x.yaml', text }, options);
const value = (text: string) => read(text).value;
const codes = (text: string) => read(text).problems.map((problem) => problem.code);

describe('values', () => {
  it('reads scalars as PyYAML does', () => {
    expect(value('[yes, No, on, OFF, y, n, Y, true, tRue]')).toEqual([
      true,
      false,
      true,
      false,
      'y',
      'n',
      'Y',
      true,
      'tRue',
    ]);
    expect(value('[0640, 08, 0x1F, 0b11, 1_000, 1:30, 190:20:30, -12, +3, 0o7]')).toEqual([
      416,
      '08',
      31,
      3,
      1000,
      90,
      685230,
      -12,
      3,
      '0o7',
    ]);
    expect(value('[1.10, 1e5, 1.5e+3, .5, -.inf, 1:30.5, 1., "1.5"]')).toEqual([
      1.1,
      '1e5',
      1500,
      0.5,
      -Infinity,
      90.5,
      1,
      '1.5',
    ]);
    expect(value('[~, null, NULL, {a: }, nULL]')).toEqual([null, null, null, { a: null }, 'nULL']);
    expect(value('[2014-01-02, 2001-12-14t21:59:43.10-05:00, =, 12345678901234567890]')).toEqual([
      '2014-01-02',
      '2001-12-14t21:59:43.10-05:00',
      '=',
      '12345678901234567890',
    ]);
    expect(value('!!str 12')).toBe('12');
    expect(value('!!float 3')).toBe(3);
    expect(value('!!python/tuple [1, 2]')).toEqual([1, 2]);
  });

  it('keeps integral floats apart when asked', () => {
    expect(read('[1.0, 1.5, 2]', { exactFloats: true }).value).toEqual([new Float(1), 1.5, 2]);
    expect([1, 1.1, 1e16, 1e-5, -0, 123456789.25].map(floatText)).toEqual([
      '1.0',
      '1.1',
      '1e+16',
      '1e-05',
      '-0.0',
      '123456789.25',
    ]);
  });

  it('ends a block with the file as PyYAML does', () => {
    expect(
      ['a: |\n  x', 'a: |\n  x\n', 'a: >\n  x\n  y', 'a: |+\n  x', 'a: |-\n  x', 'a: |\n  x\n\n'].map(value),
    ).toEqual(['x', 'x\n', 'x y', 'x', 'x', 'x\n'].map((a) => ({ a })));
  });

  it('leaves scalars below some tags as they are written', () => {
    const tags = { '!t': ({ value: node }: { value: unknown }) => node };
    expect(
      read('[!t [1.10, yes, ~, , [0x1]], 1.10]'.replace(' , ', ' '), { tags, textTags: ['!t'] }).value,
    ).toEqual([['1.10', 'yes', '~', ['0x1']], 1.1]);
  });

  it('gives null for nothing', () => {
    expect(read('')).toMatchObject({ value: null, problems: [] });
    expect(read('# only a comment\n')).toMatchObject({ value: null, problems: [] });
    expect(read('---\n')).toMatchObject({ value: null, problems: [] });
  });

  it('merges as PyYAML does: own keys win, the first of a list wins, !!merge is <<', () => {
    const text = 'a: &a {x: 1, y: 1}\nb: &b {x: 2, z: 2}\n';
    expect(value(`${text}c: {y: 3, <<: *a}`)).toMatchObject({ c: { x: 1, y: 3 } });
    expect(value(`${text}c:\n  <<: [*a, *b]\n  w: 4`)).toMatchObject({ c: { x: 1, y: 1, z: 2, w: 4 } });
    expect(value(`${text}c:\n  !!merge : *a\n  w: 4`)).toMatchObject({ c: { x: 1, y: 1, w: 4 } });
    expect(value(`${text}c: {'<<': *a}`)).toMatchObject({ c: { '<<': { x: 1, y: 1 } } });
    expect(codes('a: {<<: 3}')).toEqual(['yaml-merge']);
  });

  it('keeps keys that are no text under their JSON name', () => {
    const { value: node, places } = read('on: 1\n26: 2\n1.10: 3\nno: 4\n');
    expect(node).toEqual({ true: 1, 26: 2, 1.1: 3, false: 4 });
    expect(['true', '26', '1.1'].map((name) => places.key(node as object, name))).toEqual([true, 26, 1.1]);
  });
});

describe('places', () => {
  it('knows containers, keys and elements', () => {
    const { value: node, places } = read(
      '# c\na:\n  - x\n  - {k: "v", l: [1]}\n"b c": *q\n'.replace('*q', '3'),
    );
    const { a } = node as { a: [unknown, { l: unknown }] };
    expect(places.of(node)).toEqual({ file: 'x.yaml', line: 2, column: 1 });
    expect(places.of(node, 'a')).toMatchObject({ line: 2, column: 1 });
    expect(places.of(node, 'b c')).toMatchObject({ line: 5, column: 1 });
    expect(places.of(a)).toMatchObject({ line: 3, column: 3 });
    expect(places.of(a, 0)).toMatchObject({ line: 3, column: 5 });
    expect(places.of(a, 1)).toMatchObject({ line: 4, column: 5 });
    expect(places.of(a[1], 'l')).toMatchObject({ line: 4, column: 14 });
    expect(places.of(a[1].l, 0)).toMatchObject({ line: 4, column: 18 });
    expect(places.of({}, 'a')).toBeUndefined();
  });

  it('leads merged keys to where they were written', () => {
    const { value: node, places } = read('a: &a\n  x: 1\nb:\n  <<: *a\n  y: 2\n');
    const { b } = node as { b: object };
    expect(places.of(b, 'x')).toMatchObject({ line: 2 });
    expect(places.of(b, 'y')).toMatchObject({ line: 5 });
  });
});

describe('mistakes', () => {
  it.each([
    ['a: 1\na: 2\n', 'duplicate-key', 2, 1],
    ['a:\n\t- b\n', 'yaml-tab', 2, undefined],
    ['a: 1\n<<<<<<< HEAD\nb: 2\n', 'conflict-marker', 2, 1],
    ['a: "x\nb: 2\nc: 3\n', 'yaml-quote', 1, 4],
    ["a:\n  - 'x\n  - y\n", 'yaml-quote', 2, 5],
    ['a: 1\n---\nb: 2\n', 'yaml-documents', 3, 1],
    ['a: *b\n', 'yaml-alias', 1, 4],
    ['a: &a [*a]\n', 'yaml-alias', 1, 8],
    ['a: !foo x\n', 'unknown-tag', 1, 4],
    ['a: !!int x\n', 'yaml-tag', 1, 4],
    ['? [a, b]\n: 1\n', 'yaml-key', 1, 3],
    ['__proto__: 1\n', 'yaml-key', 1, 1],
    ['a: b: c\n', 'yaml-indent', 1, undefined],
    ['a: @b\n', 'yaml-quote', 1, 4],
    ['a: "b" c\n', 'yaml-quote', 1, 8],
    ['a: b]\nc: }\n', 'yaml-bracket', 2, 4],
    ['a: [b,\n  c\nd: e\n', 'yaml-bracket', 3, 1],
    ['a: [b c: d e]\nx: [a b: {c]\n', 'yaml-bracket', 2, 12],
    ['a:\n  b\n  c:\n    d: e\n', 'yaml-syntax', 3, 4],
    ['a: *\n', 'yaml-syntax', 1, 5],
    ['a: \u0001\n', 'yaml-character', 1, undefined],
    ['['.repeat(200), 'yaml-too-deep', 1, undefined],
  ])('explains %j', (text, code, line, column) => {
    const [problem] = read(text).problems;
    expect(problem).toMatchObject({ code, at: { line, ...(column === undefined ? {} : { column }) } });
  });

  it('refuses alias bombs before memory is gone', () => {
    const rows = ['a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]'];
    for (let i = 1; i < 12; i++)
      rows.push(
        `a${i}: &a${i} [${Array(10)
          .fill(`*a${i - 1}`)
          .join(', ')}]`,
      );
    expect(codes(rows.join('\n'))).toEqual(['yaml-too-large']);
    const keys = Array.from({ length: 3000 }, (_, i) => `k${i}: 1`).join(', ');
    const merges = Array.from({ length: 3000 }, (_, i) => `m${i}: {<<: *base}`).join('\n');
    expect(codes(`base: &base {${keys}}\n${merges}`)).toEqual(['yaml-too-large']);
  });
});

describe('strangers', () => {
  const piece = fc.constantFrom(
    'a',
    'b:',
    ': ',
    '- ',
    '\n',
    '  ',
    '\t',
    '"',
    "'",
    '&a ',
    '*a',
    '<<: ',
    '!!str ',
    '!x ',
    '[',
    ']',
    '{',
    '}',
    ', ',
    '|\n',
    '>-\n',
    '? ',
    '#',
    '---\n',
    '...\n',
    '%',
    '1.0',
    'yes',
    '~',
    '\u0000',
    '\ufeff',
    '\r',
    'é',
    '\ud800',
  );

  it('never throws and always ends', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(piece, { maxLength: 40 }).map((parts) => parts.join('')),
        ),
        (text) => {
          const { problems } = read(text);
          for (const { at } of problems) expect(at?.line).toBeGreaterThan(0);
        },
      ),
      { numRuns: 3000 },
    );
  });
});

const python = (() => {
  try {
    execFileSync('python3', ['-c', 'import yaml'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

describe.skipIf(!python)('side by side with PyYAML (needs python3 and yaml)', () => {
  const words = fc.oneof(
    fc.constantFrom(
      'yes',
      'No',
      'oN',
      'y',
      'N',
      'true',
      'TRUE',
      '~',
      'null',
      'Null',
      'nUll',
      '=',
      '.inf',
      '-.INF',
      '.NaN',
    ),
    fc.stringMatching(/^[-+]?0?[box]?[0-9a-f_]{1,6}$/),
    fc.stringMatching(/^[-+]?[0-9_]{0,4}\.[0-9_]{0,4}([eE][-+]?[0-9]{1,2})?$/),
    fc.stringMatching(/^[-+]?[0-9]{1,3}(:[0-9]{1,2}){0,2}(\.[0-9_]{0,2})?$/),
  );

  it('reads plain scalars alike', () => {
    const samples = fc.sample(words, 4000).filter((word) => word !== '' && !/^[-:]?$/.test(word));
    const script = [
      'import sys, json, yaml',
      'out = []',
      'for word in json.load(sys.stdin):',
      '    try: out.append(repr(yaml.safe_load("- " + word)[0]))',
      '    except Exception as e: out.append("error")',
      'print(json.dumps(out))',
    ].join('\n');
    const expected: string[] = JSON.parse(
      execFileSync('python3', ['-c', script], { input: JSON.stringify(samples), encoding: 'utf8' }),
    );
    const show = (scalar: unknown): string => {
      if (scalar === null) return 'None';
      if (typeof scalar === 'boolean') return scalar ? 'True' : 'False';
      if (typeof scalar === 'number') return Number.isInteger(scalar) ? String(scalar) : floatText(scalar);
      return scalar instanceof Float ? String(scalar) : `'${String(scalar)}'`;
    };
    const wrong = samples.flatMap((word, i) => {
      const got = show((read(`- ${word}`, { exactFloats: true }).value as unknown[])[0]);
      return got === expected[i] || expected[i] === 'error' || (expected[i] ?? '').startsWith('datetime')
        ? []
        : [[word, got, expected[i]]];
    });
    expect(wrong).toEqual([]);
  });
});
