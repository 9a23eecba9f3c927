import { type CharSet, complement } from './charset.ts';
import type { Node } from './parse.ts';

/** The same pattern for V8, without flags but `u`: every set is spelled out, so that V8's own ideas of `.`, `$`, `\s`
 * and case do not matter. */
export function toV8(node: Node): string {
  switch (node.kind) {
    case 'set':
      return setToV8(node.set);
    case 'at':
      return AT[node.at];
    case 'seq':
      return node.items.map((item) => (item.kind === 'alt' ? `(?:${toV8(item)})` : toV8(item))).join('');
    case 'alt':
      return node.items.map(toV8).join('|');
    case 'look':
      return `(?${node.behind ? '<' : ''}${node.negative ? '!' : '='}${toV8(node.body)})`;
    default: {
      const { min, max } = node;
      return `(?:${toV8(node.body)}){${min},${max === Infinity ? '' : max}}`;
    }
  }
}

const AT = {
  start: '^',
  textEnd: '$',
  end: '(?=\\n?$)',
  lineStart: '(?<![^\\n])',
  lineEnd: '(?=\\n|$)',
  word: '\\b',
  notWord: '(?!^$)\\B',
} as const;

function setToV8(set: CharSet): string {
  if (set.length === 0) return '(?!)';
  if (set.length === 2 && set[0] === set[1]) return point(set[0] ?? 0);
  const inverse = complement(set);
  const [ranges, sign] = inverse.length < set.length ? [inverse, '^'] : [set, ''];
  let text = '';
  for (let i = 0; i + 1 < ranges.length; i += 2) {
    const low = ranges[i] ?? 0;
    const high = ranges[i + 1] ?? 0;
    text += low === high ? point(low) : `${point(low)}-${point(high)}`;
  }
  return `[${sign}${text}]`;
}

function point(code: number): string {
  const letter = String.fromCodePoint(code);
  return /[A-Za-z0-9_/ ]/.test(letter) ? letter : `\\u{${code.toString(16)}}`;
}
