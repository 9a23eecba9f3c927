import { type Event, parseEvents, YAMLException } from 'js-yaml';
import { createPlaces, indexText, type Places, type TextIndex } from './places.ts';
import type { Problem, SourceFile } from './problem.ts';
import { compose } from './yaml/compose.ts';
import { conflictProblems } from './yaml/conflict.ts';
import { syntaxProblem } from './yaml/error.ts';
import { Refusal, type YamlOptions } from './yaml/reader.ts';

export type { Anchor, TaggedNode, YamlOptions } from './yaml/reader.ts';

/**
 * YAML 1.1 as PyYAML reads it, because that is what every existing layout and JJB file was written for. js-yaml parses;
 * values are built here, since its constructor knows neither `!!merge` as an explicit key nor places, and reads `y`,
 * `n` and dates differently.
 *
 * Two of PyYAML's habits matter most: a duplicate key is no error (the last one wins; here it is a warning), and keys of
 * a merge (`<<`) yield to the mapping's own keys wherever they stand.
 *
 * Aliases are shared, not copied, so a small file can describe a tree that no walker survives. The size a tree would have
 * without sharing is therefore counted while it is built, and the reader stops at a million nodes.
 */

export interface YamlRead {
  /** `null` for an empty text and after a syntax error; after other errors what could be read of it. */
  readonly value: unknown;
  readonly problems: Problem[];
  readonly places: Places;
}

export function readYaml(source: SourceFile, options: YamlOptions = {}): YamlRead {
  const { text, name } = source;
  const index = indexText(name, text);
  const places = options.places ?? createPlaces();
  const conflicts = conflictProblems(text, index);
  if (conflicts.length > 0) return { value: null, problems: conflicts, places };
  const parsed = parse(source, index);
  if (parsed.kind === 'wrong') return { value: null, problems: [parsed.problem], places };
  const problems: Problem[] = [];
  try {
    const value = compose(parsed.events, {
      text: parsed.text,
      index: parsed.index,
      places,
      problems,
      options,
    });
    return { value, problems, places };
  } catch (caught) {
    if (!(caught instanceof Refusal)) throw caught;
    return { value: null, problems: [...problems, caught.problem], places };
  }
}

type Parsed =
  | { readonly kind: 'parsed'; readonly events: Event[]; readonly text: string; readonly index: TextIndex }
  | { readonly kind: 'wrong'; readonly problem: Problem };

const MOST_DENTS = 100;

/**
 * PyYAML lets quoted texts and flow collections go on at any indentation, js-yaml only below their parent. White space
 * means nothing at the beginning of such a line, so lines that js-yaml finds too short are moved to the right, and
 * places are counted back.
 */
function parse(source: SourceFile, index: TextIndex): Parsed {
  const dents = new Set<number>();
  let text = source.text;
  let first: unknown;
  for (;;) {
    try {
      const events = parseEvents(text, { maxDepth: 100 });
      return {
        kind: 'parsed',
        events,
        text,
        index: dents.size === 0 ? index : dented(source.name, text, dents),
      };
    } catch (caught) {
      first ??= caught;
      const line = shortLine(caught);
      if (line === undefined || dents.has(line) || dents.size >= MOST_DENTS) {
        return { kind: 'wrong', problem: syntaxProblem(first, source.text, index) };
      }
      dents.add(line);
      const lines = text.split('\n');
      lines[line] = DENT + (lines[line] ?? '');
      text = lines.join('\n');
    }
  }
}

/** Wider than the indentation of any parent. */
const DENT = ' '.repeat(200);

function shortLine(caught: unknown): number | undefined {
  const short = caught instanceof YAMLException && caught.reason === 'deficient indentation';
  return short ? caught.mark?.line : undefined;
}

function dented(name: string, text: string, dents: ReadonlySet<number>): TextIndex {
  const moved = indexText(name, text);
  return {
    place(offset) {
      const { file, line, column } = moved.place(offset);
      return { file, line, column: dents.has(line - 1) ? Math.max(1, column - DENT.length) : column };
    },
  };
}
