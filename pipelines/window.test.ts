import { describe, expect, test } from 'vitest';
import type { Window } from './layout.ts';
import { narrow, widen } from './window.ts';

const zuul: Window = {
  size: 20,
  floor: 3,
  increaseType: 'linear',
  increaseFactor: 1,
  decreaseType: 'exponential',
  decreaseFactor: 2,
};

/** S: a success merged, F: one did not. */
function after(marks: string, size: number, window: Window): number {
  return marks
    .split('')
    .reduce((now, mark) => (mark === 'S' ? widen(now, window) : narrow(now, window)), size);
}

describe('window', () => {
  test.each([
    ['SS', 20, 22],
    ['SSFFF', 20, 3],
    ['SSFFFS', 20, 4],
    ['FSF', 0, 0],
  ])('%s from %i leads to %i', (marks, from, to) => {
    expect(after(marks, from, zuul)).toBe(to);
  });

  test('a first failure may raise it to the floor', () => {
    expect(narrow(2, { ...zuul, floor: 5 })).toBe(5);
  });

  test('grows and shrinks the other ways round', () => {
    expect(widen(4, { ...zuul, increaseType: 'exponential', increaseFactor: 2 })).toBe(8);
    expect(narrow(9, { ...zuul, decreaseType: 'linear', decreaseFactor: 2 })).toBe(7);
  });
});
