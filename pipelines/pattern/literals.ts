import type { CharSet } from './charset.ts';
import type { Node } from './parse.ts';

/** Which literal text every match contains: most texts are turned away by that alone. Errs on the safe side. */

export interface Needed {
  /** Every match contains one of them. */
  readonly texts: readonly string[];
  /** They are in lower case, and so must the subject be before it is searched. */
  readonly folded: boolean;
}

/** What to look for before asking an engine; undefined where nothing of two characters is sure. */
export function needed(tree: Node): Needed | undefined {
  for (const folded of [false, true]) {
    const texts = literals(tree, folded);
    if (texts?.every((text) => text.length >= 2)) return { texts, folded };
  }
  return undefined;
}

/** True if the subject lacks what every match contains. */
export function lacks(need: Needed, subject: string): boolean {
  const text = need.folded ? subject.toLowerCase() : subject;
  for (const each of need.texts) if (text.includes(each)) return false;
  return true;
}

const MOST_LITERALS = 16;

function literals(node: Node, folded: boolean): readonly string[] | undefined {
  switch (node.kind) {
    case 'set': {
      const letter = letterOf(node.set, folded);
      return letter === undefined ? undefined : [letter];
    }
    case 'at':
    case 'look':
      return undefined;
    case 'repeat':
      return node.min === 0 ? undefined : literals(node.body, folded);
    case 'alt': {
      const all: string[] = [];
      for (const item of node.items) {
        const each = literals(item, folded);
        if (each === undefined) return undefined;
        all.push(...each);
      }
      return all.length > MOST_LITERALS ? undefined : all;
    }
    default:
      return literalsOfSequence(node.items, folded);
  }
}

function literalsOfSequence(items: readonly Node[], folded: boolean): readonly string[] | undefined {
  let best: readonly string[] | undefined;
  let run = '';
  const offer = (candidate: readonly string[] | undefined): void => {
    if (candidate !== undefined && shortest(candidate) > shortest(best)) best = candidate;
  };
  for (const item of items) {
    const letter = item.kind === 'set' ? letterOf(item.set, folded) : undefined;
    if (letter !== undefined) {
      run += letter;
      continue;
    }
    // An empty-width item splits no text.
    if (item.kind === 'at' || item.kind === 'look') continue;
    offer(run === '' ? undefined : [run]);
    run = '';
    offer(literals(item, folded));
  }
  offer(run === '' ? undefined : [run]);
  return best;
}

function shortest(texts: readonly string[] | undefined): number {
  return texts === undefined ? 0 : Math.min(...texts.map((text) => text.length));
}

/** The one character of a set; folded, `[rR]` is one character too. Only ASCII keeps its length in lower case. */
function letterOf(set: CharSet, folded: boolean): string | undefined {
  const [low = 0, high = -1, otherLow = 0, otherHigh] = set;
  if (low > 0x7f || low !== high) return undefined;
  const letter = String.fromCharCode(low);
  if (!folded) return set.length === 2 ? letter : undefined;
  const lower = letter.toLowerCase();
  if (set.length === 2) return lower;
  const both = set.length === 4 && otherLow === otherHigh;
  return both && String.fromCharCode(otherLow).toLowerCase() === lower ? lower : undefined;
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
