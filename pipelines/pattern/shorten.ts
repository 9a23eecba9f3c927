import { contains, EVERYTHING, LAST_CODE_POINT, NEWLINE } from './charset.ts';
import type { Node } from './parse.ts';

/**
 * A pattern that says the same of every text without a newline, with less work: what ends in `.*$` or in something optional
 * is decided before that. Most patterns of layouts end so, and names, branches and files have no newlines.
 */
export function shorten(tree: Node): Node {
  if (tree.kind !== 'seq') return tree;
  let { items } = tree;
  const last = items.at(-1);
  const before = items.at(-2);
  if (
    last?.kind === 'at' &&
    (last.at === 'end' || last.at === 'textEnd') &&
    before !== undefined &&
    isRest(before)
  ) {
    items = items.slice(0, -2);
  }
  while (isOptional(items.at(-1))) items = items.slice(0, -1);
  return items.length === tree.items.length ? tree : { kind: 'seq', items };
}

function isOptional(node: Node | undefined): boolean {
  return node?.kind === 'repeat' && node.min === 0;
}

/** `.*`, which eats the rest of a line whatever it is. */
function isRest(node: Node): boolean {
  if (node.kind !== 'repeat' || node.min !== 0 || node.max !== Infinity || node.body.kind !== 'set')
    return false;
  const { set } = node.body;
  return (
    set === EVERYTHING ||
    (!contains(set, NEWLINE) && set.length === 4 && set[0] === 0 && set[3] === LAST_CODE_POINT)
  );
}
