import type { Precedence } from '../pipelines/action.ts';

/** Who is served first: pure. */

export interface Waiting {
  readonly request: { readonly id: string; readonly precedence: Precedence };
  /** ms; when it was first asked for. */
  readonly since: number;
  /** Order of arrival. */
  readonly turn: number;
  /** Nothing of its label was given for so long that it goes first. */
  readonly starved?: boolean;
}

const rank = { high: 0, normal: 1, low: 2 } as const;

/** Starved ones first, then by precedence, among equals the one that waits longest. */
export function inOrder<W extends Waiting>(waiting: readonly W[]): W[] {
  return [...waiting].sort(
    (a, b) =>
      Number(b.starved ?? false) - Number(a.starved ?? false) ||
      rank[a.request.precedence] - rank[b.request.precedence] ||
      a.turn - b.turn,
  );
}

/**
 * Nodepool's rule that labels which got nothing go first: the oldest request of each label that waited for `patience` ms while
 * nothing of that label was given, nor is on its way. So a pipeline of low precedence is slow in a storm, never dead.
 */
export function starving<R extends { readonly id: string; readonly since: number; readonly turn: number }>(
  waiting: readonly R[],
  labelOf: (request: R) => string,
  given: ReadonlyMap<string, number>,
  now: number,
  patience: number,
): ReadonlySet<string> {
  const oldest = new Map<string, R>();
  for (const request of waiting) {
    const label = labelOf(request);
    if (now - Math.max(request.since, given.get(label) ?? 0) < patience) continue;
    const before = oldest.get(label);
    if (before === undefined || request.turn < before.turn) oldest.set(label, request);
  }
  return new Set([...oldest.values()].map(({ id }) => id));
}
