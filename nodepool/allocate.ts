import { evaluate, labelsOf, parseLabel } from '../jobs/label.ts';
import type { NodeRequest } from '../pipelines/ports.ts';

/** Who gets a place next, and why the others wait: pure. */

export interface Waiting {
  readonly request: NodeRequest;
  /** ms; when it was first asked for in this life. */
  readonly since: number;
  /** Order of arrival. */
  readonly turn: number;
}

const rank = { high: 0, normal: 1, low: 2 } as const;

/** The high ones first, among equals the one that waits longest. */
export function inOrder(waiting: readonly Waiting[]): Waiting[] {
  const first = (a: Waiting, b: Waiting) =>
    rank[a.request.precedence] - rank[b.request.precedence] || a.turn - b.turn;
  return [...waiting].sort(first);
}

/** Why a machine with these labels can never serve a request; undefined when it can. */
export function misfit(request: NodeRequest, name: string, labels: readonly string[]): string | undefined {
  const { label, subnodes } = request.nodes;
  if (subnodes > 0) {
    return `it wants ${subnodes + 1} nodes, and ${name} is a single machine`;
  }
  const read = parseLabel(label);
  if (read.kind === 'wrong') {
    return `its label ${JSON.stringify(label)} is no label expression: ${read.message}`;
  }
  if (evaluate(read.expression, new Set([...labels, name]))) return undefined;
  const unknown = labelsOf(read.expression).filter((each) => !labels.includes(each) && each !== name);
  const missing =
    unknown.length === 0 ? '' : ` (no node has ${unknown.map((each) => JSON.stringify(each)).join(', ')})`;
  return `no node fits the label ${JSON.stringify(label)}${missing}; ${name} has ${labels.join(', ')}`;
}

/** Why the request at `position` of `inOrder` waits, in words. */
export function whyWaiting(position: number, busy: readonly { job: string }[]): string {
  const running = [...new Set(busy.map((lease) => lease.job))].slice(0, 3).join(', ');
  const more = busy.length > 3 ? ', ...' : '';
  const places = busy.length === 1 ? 'the only place is' : `all ${busy.length} places are`;
  const ahead = position === 0 ? 'next in line' : `${position} ahead`;
  return `${places} taken (${running}${more}); ${ahead}`;
}
