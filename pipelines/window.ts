import type { Window } from './layout.ts';

/** How many items at the front of a gate are worked on: more after every merge, fewer after every failure. 0: all. */

export function widen(size: number, window: Window): number {
  if (size === 0) return 0;
  return window.increaseType === 'linear' ? size + window.increaseFactor : size * window.increaseFactor;
}

export function narrow(size: number, window: Window): number {
  if (size === 0) return 0;
  const less =
    window.decreaseType === 'linear'
      ? size - window.decreaseFactor
      : Math.floor(size / window.decreaseFactor);
  return Math.max(window.floor, less);
}
