import type { CharSet } from './charset.ts';
import type { Node } from './parse.ts';

/** Which literal text every match contains: most texts are turned away by that alone. Errs on the safe side. */

/** A text that every match must contain one of, all in lower case: what to look for before asking an engine. */
export function needed(tree: Node): readonly string[] | undefined {
  const found = literals(tree);
  return found === undefined || found.some((text) => text.length < 2) ? undefined : found;
}

const MOST_LITERALS = 16;

function literals(node: Node): readonly string[] | undefined {
  switch (node.kind) {
    case 'set': {
      const letter = letterOf(node.set);
      return letter === undefined ? undefined : [letter];
    }
    case 'at':
    case 'look':
      return undefined;
    case 'repeat':
      return node.min === 0 ? undefined : literals(node.body);
    case 'alt': {
      const all: string[] = [];
      for (const item of node.items) {
        const each = literals(item);
        if (each === undefined) return undefined;
        all.push(...each);
      }
      return all.length > MOST_LITERALS ? undefined : all;
    }
    default:
      return literalsOfSequence(node.items);
  }
}

function literalsOfSequence(items: readonly Node[]): readonly string[] | undefined {
  let best: readonly string[] | undefined;
  let run = '';
  const offer = (candidate: readonly string[] | undefined): void => {
    if (candidate !== undefined && shortest(candidate) > shortest(best)) best = candidate;
  };
  for (const item of items) {
    const letter = item.kind === 'set' ? letterOf(item.set) : undefined;
    if (letter !== undefined) {
      run += letter;
      continue;
    }
    // An empty-width item splits no text.
    if (item.kind === 'at' || item.kind === 'look') continue;
    offer(run === '' ? undefined : [run]);
    run = '';
    offer(literals(item));
  }
  offer(run === '' ? undefined : [run]);
  return best;
}

function shortest(texts: readonly string[] | undefined): number {
  return texts === undefined ? 0 : Math.min(...texts.map((text) => text.length));
}

/** The one character of a set, in lower case; `[rR]` is one character, too. Only ASCII keeps its length in lower case. */
function letterOf(set: CharSet): string | undefined {
  const [low = 0, high = -1, otherLow, otherHigh] = set;
  if (low > 0x7f || low !== high) return undefined;
  const letter = String.fromCharCode(low).toLowerCase();
  if (set.length === 2) return letter;
  const other = String.fromCharCode(otherLow ?? 0).toLowerCase();
  return set.length === 4 && otherLow === otherHigh && other === letter ? letter : undefined;
}

/** The literal text every match at the start begins with, cases as they are. */
export function prefix(tree: Node): string {
  let text = '';
  for (const item of tree.kind === 'seq' ? tree.items : [tree]) {
    if (item.kind === 'at' && item.at === 'start') continue;
    if (item.kind === 'seq') return text + prefix(item);
    const code =
      item.kind === 'set' && item.set.length === 2 && item.set[0] === item.set[1] ? item.set[0] : undefined;
    if (code === undefined) break;
    text += String.fromCodePoint(code);
  }
  return text;
}

/** Every match begins at the start of the text. */
export function startsAtStart(node: Node): boolean {
  switch (node.kind) {
    case 'at':
      return node.at === 'start';
    case 'seq':
      return node.items.length > 0 && startsAtStart(node.items[0] ?? { kind: 'seq', items: [] });
    case 'alt':
      return node.items.every(startsAtStart);
    case 'repeat':
      return node.min > 0 && startsAtStart(node.body);
    default:
      return false;
  }
}
