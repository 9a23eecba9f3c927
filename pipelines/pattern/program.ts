import type { CharSet } from './charset.ts';
import { contains } from './charset.ts';
import type { Node, Position } from './parse.ts';
import { width } from './parse.ts';

/**
 * A matcher that cannot blow up. The tree is compiled to a small program, and the program is run by backtracking that
 * remembers every (instruction, position) it has been at: whoever comes there a second time would fail a second time. So
 * the work is at most instructions x length, whatever the pattern and whoever wrote the text. A look-around is a
 * program of its own; its answer at a position is remembered too.
 */

type Instruction =
  | { readonly op: 'set'; readonly ascii: Uint8Array; readonly set: CharSet; next: number }
  | { readonly op: 'split'; first: number; second: number }
  | { readonly op: 'at'; readonly at: Position; next: number }
  | { readonly op: 'look'; readonly look: Look; next: number }
  | { readonly op: 'match' };

interface Look {
  readonly program: Program;
  readonly negative: boolean;
  /** Code points to step back first; undefined looks ahead. */
  readonly back: number | undefined;
}

export interface Program {
  readonly code: readonly Instruction[];
  readonly start: number;
}

/** Instructions that `compileProgram` would make: repeats are written out, so a short pattern can be a long program. */
export function programSize(node: Node): number {
  switch (node.kind) {
    case 'set':
    case 'at':
      return 1;
    case 'seq':
    case 'alt':
      return node.items.reduce((sum, item) => sum + programSize(item), node.items.length);
    case 'look':
      return programSize(node.body) + 2;
    default: {
      const times = node.max === Infinity ? node.min + 1 : node.max;
      return (programSize(node.body) + 1) * times;
    }
  }
}

/** Built from the end: `emit(node, next)` answers where `node` begins when `next` follows it. */
export function compileProgram(tree: Node): Program {
  const code: Instruction[] = [];
  const add = (instruction: Instruction): number => code.push(instruction) - 1;
  const emit = (node: Node, next: number): number => {
    switch (node.kind) {
      case 'set':
        return add({ op: 'set', ascii: asciiTable(node.set), set: node.set, next });
      case 'at':
        return add({ op: 'at', at: node.at, next });
      case 'seq':
        return node.items.reduceRight((after, item) => emit(item, after), next);
      case 'alt': {
        const starts = node.items.map((item) => emit(item, next));
        return starts.reduceRight((rest, first) => add({ op: 'split', first, second: rest }));
      }
      case 'look': {
        const back = node.behind ? width(node.body) : undefined;
        return add({
          op: 'look',
          look: { program: compileProgram(node.body), negative: node.negative, back },
          next,
        });
      }
      default:
        return emitRepeat(node.body, node.min, node.max, next);
    }
  };
  const emitRepeat = (body: Node, min: number, max: number, next: number): number => {
    let at = next;
    if (max === Infinity) {
      const loop: Instruction = { op: 'split', first: next, second: next };
      at = add(loop);
      loop.first = emit(body, at);
    } else {
      for (let i = min; i < max; i++) at = add({ op: 'split', first: emit(body, at), second: next });
    }
    for (let i = 0; i < min; i++) at = emit(body, at);
    return at;
  };
  const start = emit(tree, add({ op: 'match' }));
  return { code, start };
}

function asciiTable(set: CharSet): Uint8Array {
  const table = new Uint8Array(128);
  for (let code = 0; code < 128; code++) if (contains(set, code)) table[code] = 1;
  return table;
}

/** Does the program match at `from`, or (unanchored) at any place from there on? */
export function runProgram(program: Program, text: string, anchored: boolean): boolean {
  const run = new Run(program, text);
  if (anchored) return run.matches(0);
  for (let from = 0; from <= text.length; from = after(text, from)) if (run.matches(from)) return true;
  return false;
}

function after(text: string, at: number): number {
  return at + ((text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1);
}

/** One program on one text: what has been tried, and what the look-arounds said. */
class Run {
  private readonly seen: Uint32Array;
  private readonly looks = new Map<Look, Map<number, boolean>>();
  private readonly program: Program;
  private readonly text: string;
  constructor(program: Program, text: string) {
    this.program = program;
    this.text = text;
    this.seen = new Uint32Array(((program.code.length * (text.length + 1)) >>> 5) + 1);
  }

  matches(from: number): boolean {
    const { text, seen } = this;
    const { code } = this.program;
    const size = code.length;
    const todo: number[] = [this.program.start, from];
    for (;;) {
      const place = todo.pop();
      const begin = todo.pop();
      if (place === undefined || begin === undefined) return false;
      let at: number = place;
      let pc: number = begin;
      for (;;) {
        const bit = at * size + pc;
        const word = seen[bit >>> 5] ?? 0;
        const mask = 1 << (bit & 31);
        if ((word & mask) !== 0) break;
        seen[bit >>> 5] = word | mask;
        const instruction: Instruction | undefined = code[pc];
        if (instruction === undefined || instruction.op === 'match') return true;
        if (instruction.op === 'set') {
          const point = text.codePointAt(at);
          if (point === undefined) break;
          if (point < 128 ? instruction.ascii[point] !== 1 : !contains(instruction.set, point)) break;
          at += point > 0xffff ? 2 : 1;
          pc = instruction.next;
        } else if (instruction.op === 'split') {
          todo.push(instruction.second, at);
          pc = instruction.first;
        } else {
          const holds =
            instruction.op === 'at' ? stands(instruction.at, text, at) : this.looksLike(instruction.look, at);
          if (!holds) break;
          pc = instruction.next;
        }
      }
    }
  }

  private looksLike(look: Look, at: number): boolean {
    const answers = this.looks.get(look) ?? new Map<number, boolean>();
    this.looks.set(look, answers);
    let answer = answers.get(at);
    if (answer === undefined) {
      const from = look.back === undefined ? at : back(this.text, at, look.back);
      const found = from !== undefined && new Run(look.program, this.text).matches(from);
      answer = found !== look.negative;
      answers.set(at, answer);
    }
    return answer;
  }
}

/** `count` code points before `at`. A look-behind has a fixed width, so what matches from there ends at `at`. */
function back(text: string, at: number, count: number): number | undefined {
  let from = at;
  for (let i = 0; i < count; i++) {
    if (from <= 0) return undefined;
    from -= from > 1 && (text.codePointAt(from - 2) ?? 0) > 0xffff ? 2 : 1;
  }
  return from;
}

function stands(position: Position, text: string, at: number): boolean {
  switch (position) {
    case 'start':
      return at === 0;
    case 'textEnd':
      return at === text.length;
    case 'end':
      return at === text.length || (at === text.length - 1 && text[at] === '\n');
    case 'lineStart':
      return at === 0 || text[at - 1] === '\n';
    case 'lineEnd':
      return at === text.length || text[at] === '\n';
    case 'word':
      return isWord(text, at - 1) !== isWord(text, at);
    default:
      // Python's \B never holds on the empty text.
      return text !== '' && isWord(text, at - 1) === isWord(text, at);
  }
}

function isWord(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return (
    (code >= 0x30 && code <= 0x39) ||
    (code >= 0x41 && code <= 0x5a) ||
    code === 0x5f ||
    (code >= 0x61 && code <= 0x7a)
  );
}
