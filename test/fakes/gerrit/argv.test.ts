import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseArguments, splitCommand, tearOptions } from './argv.ts';

describe('splitCommand', () => {
  it.each([
    ['gerrit version', ['gerrit', 'version']],
    ['  gerrit \t version  ', ['gerrit', 'version']],
    ["a 'b c' d", ['a', 'b c', 'd']],
    ['a "b c" d', ['a', 'b c', 'd']],
    [`a'b'"c"d`, ['abcd']],
    [`"it's"`, ["it's"]],
    [`'say "hi"'`, ['say "hi"']],
    // A backslash escapes everywhere but inside single quotes, where it is literal.
    ['a\\ b', ['a b']],
    ['"a\\"b"', ['a"b']],
    [`'a\\b'`, ['a\\b']],
    ['\\n', ['n']],
    ['end\\', ['end\\']],
    // Newlines are data, nothing of a shell means anything.
    ['a\nb', ['a\nb']],
    ['$HOME;`ls` *', ['$HOME;`ls`', '*']],
    // Empty tokens vanish: the next token is swallowed as the message.
    ["review --message '' --label x", ['review', '--message', '--label', 'x']],
    ['', []],
    ['"', []],
    ["it''s", ['its']],
  ])('%j', (line, tokens) => {
    expect(splitCommand(line)).toEqual(tokens);
  });

  it('gives back what was quoted the safe way', () => {
    const char = fc.constantFrom('a', ' ', '-', '=', '$', '`', ';', '\t', '\n', "'", '"', '\\', 'é', '😀');
    const quote = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
    fc.assert(
      fc.property(fc.array(fc.string({ minLength: 1, unit: char })), (words) => {
        expect(splitCommand(words.map(quote).join(' '))).toEqual(words);
      }),
    );
  });

  it('takes any line', () => {
    fc.assert(
      fc.property(fc.string(), (line) => {
        for (const token of splitCommand(line)) expect(token).not.toBe('');
      }),
    );
  });
});

describe('options', () => {
  it('tears --name=value, also where it is a value, until a lone --', () => {
    expect(tearOptions(['--message=--x=y', '-m', '--foo=bar', '--', '--a=b'])).toEqual([
      '--message',
      '--x=y',
      '-m',
      '--foo',
      'bar',
      '--',
      '--a=b',
    ]);
  });

  const options = [
    { names: ['--message', '-m'], operand: true },
    { names: ['--json', '-j'], operand: false },
  ] as const;

  it('reads names, aliases and values', () => {
    const given = parseArguments(['-m', 'a', '--message=b', '-j', '1,2', '--', '-x'], options);
    expect(given.values('--message')).toEqual(['a', 'b']);
    expect(given.value('--message')).toBe('b');
    expect(given.has('--json')).toBe(true);
    expect(given.rest).toEqual(['1,2', '-x']);
  });

  it('refuses unknown options and missing values', () => {
    expect(() => parseArguments(['--nope'], options)).toThrow('fatal: "--nope" is not a valid option');
    expect(() => parseArguments(['--message'], options)).toThrow(
      'fatal: Option "--message (-m)" takes an operand',
    );
  });
});
