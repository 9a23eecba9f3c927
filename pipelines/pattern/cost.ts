import { type CharSet, disjoint, union } from './charset.ts';
import type { Node } from './parse.ts';

/** How much work a backtracking engine may have with a pattern, on the safe side: what may be given to V8. */

/** `count * n ** degree` for a subject of n - 1 characters. */
export interface Bound {
  readonly count: number;
  readonly degree: number;
}

const ONE: Bound = { count: 1, degree: 0 };

function times(a: Bound, b: Bound): Bound {
  return { count: a.count * b.count, degree: a.degree + b.degree };
}

function plus(a: Bound, b: Bound): Bound {
  return { count: a.count + b.count, degree: Math.max(a.degree, b.degree) };
}

function power(a: Bound, exponent: number): Bound {
  return { count: a.count ** exponent, degree: a.degree * exponent };
}

/**
 * In how many ways a node can match from one place (`ways`), and how many steps trying all of them takes (`steps`).
 * Undefined: there is no polynomial that this simple account can name, for it repeats something ambiguous.
 */
interface Work {
  readonly ways: Bound;
  readonly steps: Bound;
}

/**
 * Steps that V8's backtracking takes at most; undefined where nothing can be promised.
 * The account: a sequence tries its second part once for each way through its first; a repeat without end is allowed
 * around something that matches in one way only; a look-around is one way, however it was found.
 */
export function backtracking(tree: Node, anchored: boolean): Bound | undefined {
  const bound = workOf(tree)?.steps;
  return bound === undefined || anchored ? bound : times(bound, { count: 1, degree: 1 });
}

/** The bound for a subject of so many characters. */
export function stepsFor(bound: Bound | undefined, length: number): number {
  return bound === undefined ? Infinity : bound.count * (length + 1) ** bound.degree;
}

const known = new WeakMap<Node, Work | false>();

function workOf(node: Node): Work | undefined {
  let answer = known.get(node);
  if (answer === undefined) {
    answer = work(node) ?? false;
    known.set(node, answer);
  }
  return answer === false ? undefined : answer;
}

function work(node: Node): Work | undefined {
  switch (node.kind) {
    case 'set':
    case 'at':
      return { ways: ONE, steps: ONE };
    case 'look': {
      const inside = workOf(node.body);
      return inside && { ways: ONE, steps: inside.steps };
    }
    case 'seq': {
      let ways = ONE;
      let steps = ONE;
      for (const item of node.items) {
        const each = workOf(item);
        if (each === undefined) return undefined;
        steps = plus(steps, times(ways, each.steps));
        ways = times(ways, each.ways);
      }
      return { ways, steps };
    }
    case 'alt':
      return alternativeWork(node.items);
    default:
      return repeatWork(node.body, node.min, node.max);
  }
}

function alternativeWork(items: readonly Node[]): Work | undefined {
  const works: Work[] = [];
  for (const item of items) {
    const each = workOf(item);
    if (each === undefined) return undefined;
    works.push(each);
  }
  const steps = works.map((each) => each.steps).reduce(plus);
  return { ways: alternativeWays(items.map(first), works), steps };
}

/** Only alternatives that can begin with the same character can match at the same place. */
function alternativeWays(firsts: readonly (CharSet | undefined)[], works: readonly Work[]): Bound {
  let most: Bound = ONE;
  for (const mine of firsts) {
    const rivals = works.filter((_, j) => {
      const other = firsts[j];
      return mine === undefined || other === undefined || !disjoint(mine, other);
    });
    const ways = rivals.map((each) => each.ways).reduce(plus);
    most = { count: Math.max(most.count, ways.count), degree: Math.max(most.degree, ways.degree) };
  }
  return most;
}

/** The characters a match can begin with; undefined where it may match nothing. */
function first(node: Node): CharSet | undefined {
  switch (node.kind) {
    case 'set':
      return node.set;
    case 'at':
    case 'look':
      return undefined;
    case 'alt': {
      const sets = node.items.map(first);
      const all = sets.filter((set) => set !== undefined);
      return all.length === sets.length ? union(all) : undefined;
    }
    case 'seq': {
      const optional: CharSet[] = [];
      for (const item of node.items) {
        if (item.kind === 'at' || item.kind === 'look') continue;
        const set = item.kind === 'repeat' && item.min === 0 ? undefined : first(item);
        if (set !== undefined) return union([...optional, set]);
        if (item.kind !== 'repeat') return undefined;
        const inside = first(item.body);
        if (inside === undefined) return undefined;
        optional.push(inside);
      }
      return undefined;
    }
    default:
      return node.min === 0 ? undefined : first(node.body);
  }
}

function repeatWork(body: Node, min: number, max: number): Work | undefined {
  const inside = workOf(body);
  if (inside === undefined) return undefined;
  const single = inside.ways.count === 1 && inside.ways.degree === 0;
  if (max === Infinity) {
    if (!single || first(body) === undefined) return undefined;
    const rounds: Bound = { count: min + 1, degree: 1 };
    return { ways: rounds, steps: times(rounds, inside.steps) };
  }
  if (single) {
    const steps = times({ count: max + 1, degree: 0 }, inside.steps);
    return { ways: { count: max - min + 1, degree: 0 }, steps };
  }
  const ways = power(plus(ONE, inside.ways), max);
  return { ways, steps: times(times({ count: max + 1, degree: 0 }, ways), inside.steps) };
}

/** True if a look-around stands anywhere in it. */
export function looksAround(node: Node): boolean {
  return contains(node, (part) => part.kind === 'look');
}

/** True if it may hold where neither a character nor a word begins or ends. */
export function mayStandBetween(node: Node): boolean {
  return contains(node, (part) => part.kind === 'look' || (part.kind === 'at' && part.at === 'notWord'));
}

function contains(node: Node, wanted: (part: Node) => boolean): boolean {
  if (wanted(node)) return true;
  if (node.kind === 'seq' || node.kind === 'alt') return node.items.some((item) => contains(item, wanted));
  return (node.kind === 'repeat' || node.kind === 'look') && contains(node.body, wanted);
}
