import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { evaluate, labelsOf, parseLabel } from './label.ts';

function fits(text: string, ...labels: string[]): boolean {
  const read = parseLabel(text);
  if (read.kind === 'wrong') throw new Error(read.message);
  return evaluate(read.expression, new Set(labels));
}

describe('label expressions', () => {
  it.each([
    ['', [], true],
    ['devstack-precise-check', ['devstack-precise-check'], true],
    ['devstack_slave || devstack-precise-check || d-p-c', ['d-p-c'], true],
    ['a && b', ['a'], false],
    ['a && !b', ['a'], true],
    ['a || b && c', ['a'], true],
    ['(a || b) && c', ['a'], false],
    ['!(a||b)', ['c'], true],
    ['a->b', ['a'], false],
    ['a -> b', [], true],
    ['a <-> b', ['a', 'b'], true],
    ['"odd label" && x', ['odd label', 'x'], true],
    ['ubuntu-16.04', ['ubuntu-16.04'], true],
  ])('%s with %j is %s', (text, labels, expected) => {
    expect(fits(text, ...labels)).toBe(expected);
  });

  it.each([
    ['a b', 'operator is missing', 2],
    ['a ||', 'label is missing', 4],
    ['(a', '")" is missing', 2],
    ['a | b', 'Did you mean ||', 2],
    ['"a', 'never closed', 0],
    ['&& a', 'label is missing', 0],
    ['!'.repeat(500), 'too deeply', 100],
  ])('%s is refused', (text, message, at) => {
    const read = parseLabel(text);
    expect(read).toMatchObject({ kind: 'wrong', at });
    expect(read.kind === 'wrong' && read.message).toContain(message);
  });

  it('names its labels once', () => {
    const read = parseLabel('a || (b && !a)');
    expect(read.kind === 'parsed' && labelsOf(read.expression)).toEqual(['a', 'b']);
  });

  it('never throws', () => {
    const piece = fc.constantFrom('a', ' ', '(', ')', '!', '&&', '||', '->', '<->', '"', '-', '<', '&', '\\');
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(piece).map((parts) => parts.join('')),
        ),
        (text) => {
          const read = parseLabel(text);
          if (read.kind === 'parsed') evaluate(read.expression, new Set(['a']));
        },
      ),
    );
  });
});
