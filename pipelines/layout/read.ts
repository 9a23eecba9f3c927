import { createPlaces } from '../../jobs/places.ts';
import { isError, type Problem, type SourceFile } from '../../jobs/problem.ts';
import { beginPieces } from '../../jobs/yaml/pieces.ts';
import { readYaml } from '../../jobs/yaml.ts';
import type { Layout, LayoutRead } from '../layout.ts';
import { assemble } from './assemble.ts';
import type { Functions } from './jobs.ts';
import { forget, type LayoutMemory } from './memory.ts';
import {
  type At,
  type Driver,
  error,
  type Fields,
  isMapping,
  type Reading,
  readFields,
  readList,
  warn,
} from './reading.ts';

export interface LayoutOptions {
  /** `zuul-2.6` is strict: what only later Zuuls or Stackgate know is an error. */
  readonly dialect: Layout['dialect'];
  readonly connections: Readonly<Record<string, Driver>>;
  /**
   * Text of a file that `includes: [{file: ...}]` names (dialect stackgate), path as written; undefined: no such file.
   * Python files are never read.
   */
  readonly include?: (path: string) => string | undefined;
  /** Parameter rules that the site declares. `any`: those that the included Python files would define, unseen. */
  readonly functions?: Functions;
  readonly quirks?: readonly string[];
  /** Makes the next reading of almost the same files faster, never different. */
  readonly memory?: LayoutMemory;
}

/**
 * Reads a layout: every problem at once, and the layout if none is an error. Never throws, whatever stands in the files.
 * Several sources are one layout in several files; their sections are put together in order.
 */
export function readLayout(sources: readonly SourceFile[], options: LayoutOptions): LayoutRead {
  const memory = options.memory;
  const { dialect, connections, functions = [], quirks = [] } = options;
  const asked = JSON.stringify([dialect, connections, functions, quirks]);
  if (memory !== undefined && memory.options !== asked) forget(memory, asked);
  const pieces = memory && beginPieces(memory.pieces);
  const book = createPlaces();
  const reading: Reading = {
    dialect,
    quirks,
    connections,
    places: { of: (node, key) => book.of(node, key) ?? pieces?.places.of(node, key) },
    problems: [],
    labels: [],
  };
  const readFile = (source: SourceFile): unknown => {
    const value = pieces?.read(source);
    if (value !== undefined) return value;
    const whole = readYaml(source, { places: book });
    reading.problems.push(...whole.problems);
    return whole.value === null && whole.problems.some(isError) ? undefined : whole.value;
  };
  const roots = readRoots(reading, readFile, sources, options);
  const layout = roots.length === 0 ? undefined : assemble(reading, roots, functions, memory);
  const broken = reading.problems.some(isError);
  pieces?.end();
  if (broken && memory !== undefined) forget(memory, asked);
  return {
    ...(layout === undefined || broken ? {} : { layout }),
    problems: inFileOrder(reading.problems, [
      ...new Set(reading.problems.map((problem) => problem.at?.file)),
    ]),
  };
}

function inFileOrder(problems: readonly Problem[], files: readonly (string | undefined)[]): Problem[] {
  const rank = ({ at }: Problem): [number, number, number] =>
    at === undefined ? [0, 0, 0] : [files.indexOf(at.file), at.line, at.column];
  return problems
    .map((problem) => ({ problem, rank: rank(problem) }))
    .toSorted((a, b) => a.rank[0] - b.rank[0] || a.rank[1] - b.rank[1] || a.rank[2] - b.rank[2])
    .map(({ problem }) => problem);
}

/** The top mappings of all files, included ones after those that include them. */
function readRoots(
  reading: Reading,
  readFile: (source: SourceFile) => unknown,
  sources: readonly SourceFile[],
  options: LayoutOptions,
): Fields[] {
  const roots: Fields[] = [];
  const names = new Set(sources.map((source) => source.name));
  const waiting = [...sources];
  for (let source = waiting.shift(); source !== undefined; source = waiting.shift()) {
    const root = readRoot(reading, source, readFile);
    if (root === undefined) continue;
    roots.push(root);
    for (const { at, file } of readIncludes(reading, root, options.functions ?? [])) {
      const text = options.include?.(file);
      if (text === undefined) {
        error(reading, at, 'file-missing', `There is no file ${JSON.stringify(file)} to include.`);
      } else if (!names.has(file)) {
        names.add(file);
        waiting.push({ name: file, text });
      }
    }
  }
  return roots;
}

function readRoot(
  reading: Reading,
  source: SourceFile,
  readFile: (source: SourceFile) => unknown,
): Fields | undefined {
  const value = readFile(source);
  if (value === undefined) return undefined;
  if (isMapping(value)) return readFields(reading, { value }, 'a layout');
  reading.problems.push({
    severity: 'error',
    code: 'no-layout',
    message: 'A layout is a mapping with the keys pipelines, jobs, project-templates and projects.',
    at: { file: source.name, line: 1, column: 1 },
  });
  return undefined;
}

/** Files to read as well. Python files are left to Zuul. */
function readIncludes(reading: Reading, root: Fields, functions: Functions): { at: At; file: string }[] {
  const section = root.field('includes');
  if (section === undefined) return [];
  return readList(reading, section).flatMap((at) => {
    const fields = readFields(reading, at, 'a file to include (a mapping)');
    if (fields === undefined) return [];
    const python = fields.field('python-file');
    if (fields.text('python-file') !== undefined && python !== undefined && functions !== 'any') {
      warn(
        reading,
        python,
        'python-include',
        'Python is not run here, so this file is not read.',
        'Declare a parameter rule in the site’s configuration for every function that the jobs name.',
      );
    }
    const file = reading.dialect === 'stackgate' ? fields.text('file') : undefined;
    fields.done('an include');
    const where = fields.field('file');
    return file === undefined || where === undefined ? [] : [{ at: where, file }];
  });
}
