import { createPlaces, indexText, type PlaceBook, type Places } from '../places.ts';
import type { SourceFile } from '../problem.ts';
import { type Anchor, readYaml } from '../yaml.ts';
import { resolvePlain } from './scalar.ts';

/**
 * Large files of one plain shape, read piece by piece, so that a piece that was read before need not be read again:
 *
 *     section:
 *       - item
 *       - item
 *
 * What a piece says depends on nothing but its text: it begins where a list expects an item and, if it can be read by itself, ends
 * where all that it opened is closed. Whatever is not that simple (anchors, a value beside a section's name, any
 * problem at all) is left to be read as a whole.
 */
export interface PieceMemory {
  /** By text, and how often that text stood before it in the same reading. */
  readonly known: Map<string, Piece>;
  /** Places within pieces; the name of the file is that of the piece. */
  readonly book: PlaceBook;
  serial: number;
}

interface Piece {
  readonly name: string;
  readonly value: unknown;
  /** Offset of the item in the piece. */
  readonly at: number;
}

export function createPieces(): PieceMemory {
  return { known: new Map(), book: createPlaces(), serial: 0 };
}

export interface PieceReading {
  read(source: SourceFile): Readonly<Record<string, unknown>> | undefined;
  readonly places: Pick<Places, 'of'>;
  /** Forgets what this reading did not meet. */
  end(): void;
}

export function beginPieces(memory: PieceMemory): PieceReading {
  const met = new Map<string, Piece>();
  const starts = new Map<string, { readonly file: string; readonly line: number }>();
  const own = createPlaces();

  function pieceOf(text: string): Piece | undefined {
    let key = text;
    for (let copy = 1; met.has(key); copy++) key = `${copy}\0${text}`;
    const piece = memory.known.get(key) ?? readPiece(memory, text);
    if (piece !== undefined) met.set(key, piece);
    return piece;
  }

  function read(source: SourceFile): Readonly<Record<string, unknown>> | undefined {
    const sections = split(source.text);
    if (sections === undefined) return undefined;
    const index = indexText(source.name, source.text);
    const keys: (string | number)[] = [];
    const root: Record<string, unknown> = {};
    for (const { name, at, items } of sections) {
      const offsets: number[] = [];
      const list: unknown[] = [];
      for (const { from, to, line } of items) {
        const piece = pieceOf(source.text.slice(from, to));
        if (piece === undefined) return undefined;
        starts.set(piece.name, { file: source.name, line });
        offsets.push(from + piece.at);
        list.push(piece.value);
      }
      own.note(list, { text: index, at: items[0]?.dash ?? at, items: offsets });
      keys.push(name, at);
      root[name] = list;
    }
    own.note(root, { text: index, at: sections[0]?.at ?? 0, keys });
    return root;
  }

  return {
    read,
    places: {
      of(node, key) {
        const place = own.of(node, key);
        if (place !== undefined) return place;
        const within = memory.book.of(node, key);
        const start = within && starts.get(within.file);
        return start && { file: start.file, line: start.line + within.line, column: within.column };
      },
    },
    end() {
      memory.known.clear();
      for (const [key, piece] of met) memory.known.set(key, piece);
    },
  };
}

function readPiece(memory: PieceMemory, text: string): Piece | undefined {
  memory.serial += 1;
  const name = `${memory.serial}`;
  const anchors = new Map<string, Anchor>();
  const { value, problems } = readYaml({ name, text }, { places: memory.book, anchors });
  if (problems.length > 0 || anchors.size > 0 || !Array.isArray(value) || value.length !== 1)
    return undefined;
  return { name, value: value[0], at: memory.book.part(value, '0')?.at ?? 0 };
}

interface Section {
  readonly name: string;
  readonly at: number;
  readonly items: Item[];
}

interface Item {
  readonly from: number;
  to: number;
  /** Offset of its dash. */
  readonly dash: number;
  /** Lines before it. */
  readonly line: number;
}

/** More cannot be a hand-written layout; as a whole it is counted while it is read. */
const MOST = 2_000_000;
const HEADER = /^([A-Za-z][\w-]*):[ ]*(?:#.*)?$/;
const DASH = 45;
const SPACE = 32;

function split(text: string): Section[] | undefined {
  if (text.length > MOST || /[\r\t\u0085\u2028\u2029\ufeff]/.test(text)) return undefined;
  const sections: Section[] = [];
  let indent = -1;
  let item: Item | undefined;
  for (let from = 0, line = 0; from < text.length; line++) {
    const newline = text.indexOf('\n', from);
    const end = newline < 0 ? text.length : newline;
    let at = from;
    while (text.charCodeAt(at) === SPACE) at += 1;
    const column = at - from;
    const blank = at === end || text.charAt(at) === '#';
    const section = sections.at(-1);
    const dashed = text.charCodeAt(at) === DASH && (at + 1 === end || text.charCodeAt(at + 1) === SPACE);
    if (blank) {
      // Belongs to what stands before it.
    } else if (section !== undefined && dashed && (indent === column || section.items.length === 0)) {
      indent = column;
      item = { from, to: end, dash: at, line };
      section.items.push(item);
    } else if (column === 0) {
      const name = HEADER.exec(text.slice(from, end))?.[1];
      if (name === undefined || resolvePlain(name, false) !== name) return undefined;
      if (sections.some((other) => other.name === name)) return undefined;
      if (section?.items.length === 0) return undefined;
      sections.push({ name, at: from, items: [] });
      item = undefined;
    } else if (section === undefined || section.items.length === 0 || column <= indent) return undefined;
    from = end + 1;
    if (item !== undefined) item.to = Math.min(from, text.length);
  }
  return sections.at(-1)?.items.length === 0 ? undefined : sections;
}
