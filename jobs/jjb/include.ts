import type { PlaceBook } from '../places.ts';
import type { Place, Problem, SourceFile } from '../problem.ts';
import { type Anchor, readYaml, type TaggedNode, type YamlRead } from '../yaml.ts';
import { Deferred, formatPlain, formatText } from './format.ts';
import { createJinja } from './jinja/template.ts';
import { type Dict, isDict, isList, pythonText, Tuple } from './python.ts';

/**
 * JJB's tags. A path is looked for in the include path, then beside the file that includes it, then in the working
 * directory. A path that holds a parameter (`{version}`) is read when the parameter is known; what it brings is then taken
 * as it is, because substitution has already happened: a lazy `!include-raw:` behaves as `!include-raw-escape:`.
 */

/** Whose rules files are read by: those of JJB 2 to 4, or those of 5 and 6. */
export type Compat = 2 | 6;

export interface IncludeOptions {
  /** The text of a file, undefined where there is none. */
  readonly read: (path: string) => string | undefined;
  readonly includePath: readonly string[];
  readonly places: PlaceBook;
  readonly problems: Problem[];
  /** JJB's major version: since 5 every tag waits for the parameters, and what it brings is formatted with them. */
  readonly compat: Compat;
  /** Gets the files that were included, so that problems can show their lines. */
  readonly included?: Map<string, SourceFile>;
}

/** One file that is being read, and where its includes are looked for. */
interface Includer extends IncludeOptions {
  readonly path: readonly string[];
  readonly depth: number;
  /** Included files share the anchors of the file that includes them. */
  readonly anchors: Map<string, Anchor>;
  /** YAML files included so far, by all together. */
  readonly count: { value: number };
  /** YAML files that were read already: lazy includes ask again for every job. */
  readonly loaded: Map<string, unknown>;
}

type Handler = (node: TaggedNode) => unknown;
/** What a tag makes of a file. */
type Load = (file: SourceFile, at: Place, includer: Includer) => unknown;

const STANDARD = 'tag:yaml.org,2002:';
const MOST_INCLUDES = 10_000;
const DEEPEST = 20;
const CYCLE = 'Files must not include each other in a circle.';

/** Reads one JJB file with its tags. */
export function readJobFile(
  source: SourceFile,
  options: IncludeOptions,
  anchors = new Map<string, Anchor>(),
): YamlRead {
  const path = [...options.includePath, folderOf(source.name), ''];
  return readTagged(source, { ...options, path, depth: 0, anchors, count: { value: 0 }, loaded: new Map() });
}

function readTagged(source: SourceFile, includer: Includer): YamlRead {
  const read = readYaml(source, {
    tags: tagsOf(includer),
    textTags: ['!join:'],
    exactFloats: true,
    places: includer.places,
    anchors: includer.anchors,
  });
  includer.problems.push(...read.problems);
  return read;
}

function tagsOf(includer: Includer): Record<string, Handler> {
  const six = includer.compat === 6;
  const raw = six ? late(loadText, formatText, {}, includer) : include(loadText, same, includer);
  const escape = six ? late(loadText, same, {}, includer) : include(loadText, escapeBraces, includer);
  const yaml = six
    ? late(loadYamlOnce, same, { substitute: true }, includer)
    : include(loadYamlOnce, same, includer);
  const old = (name: string, handler: Handler): Handler => deprecated(name, handler, includer);
  return {
    '!include:': yaml,
    '!include-raw:': raw,
    '!include-raw-escape:': escape,
    '!include-raw-expand:': raw,
    '!include-raw-verbatim:': escape,
    '!include-jinja2:': include(loadJinja, same, includer),
    '!include': old('!include:', yaml),
    '!include-raw': old('!include-raw:', raw),
    '!include-raw-escape': old('!include-raw-escape:', escape),
    '!include-raw-escaped': old('!include-raw-escape:', escape),
    '!j2:': (node) => jinja(textOf(node, includer), includer),
    '!j2-yaml:': (node) => jinjaYaml(textOf(node, includer), node.at, includer),
    '!join:': (node) => join(node, includer),
    [`${STANDARD}python/tuple`]: ({ value }) => (isList(value) ? Tuple.from(value) : new Tuple()),
  };
}

function report(includer: Includer, code: string, message: string, at: Place, hint?: string): null {
  includer.problems.push({ severity: 'error', code, message, at, hint });
  return null;
}

const loadText: Load = (file) => file.text;

const loadJinja: Load = (file, _at, includer) => jinja(file.text, includer);

const loadYaml: Load = (file, at, includer) => {
  if (++includer.count.value > MOST_INCLUDES) {
    return report(includer, 'include-cycle', `More than ${MOST_INCLUDES} files are included.`, at, CYCLE);
  }
  if (includer.depth < DEEPEST) return readTagged(file, { ...includer, depth: includer.depth + 1 }).value;
  return report(includer, 'include-cycle', `${file.name} is included ${DEEPEST} levels deep.`, at, CYCLE);
};

const loadYamlOnce: Load = (file, at, includer) => {
  if (!includer.loaded.has(file.name)) includer.loaded.set(file.name, loadYaml(file, at, includer));
  return includer.loaded.get(file.name);
};

/** A tag of JJB 5 and 6: its files are read when the parameters are known, and `then` sees both. */
function late(
  load: Load,
  then: (text: string, params: Dict, allowEmpty: boolean) => unknown,
  options: { substitute?: boolean },
  includer: Includer,
): Handler {
  return (node) => {
    const names = isList(node.value) ? node.value : [node.value];
    if (node.kind === 'mapping' || !names.every((name) => typeof name === 'string'))
      return report(includer, 'include', `${node.tag} needs a path or a list of paths.`, node.at);
    return new Deferred(
      'IncludeBaseObject',
      (params, allowEmpty) => {
        const parts = names.map((name) => {
          const path = pythonText(formatText(name, params, allowEmpty));
          const value = openNow(path, node.at, load, includer);
          return typeof value === 'string' ? then(value, params, allowEmpty) : value;
        });
        return parts.length === 1 ? parts[0] : parts.map(pythonText).join('\n');
      },
      { always: true, ...options },
    );
  };
}

/** A tag that brings one file, or several joined by line ends. */
function include(load: Load, then: (value: unknown) => unknown, includer: Includer): Handler {
  return (node) => {
    if (node.kind === 'scalar') return then(open(node.value, node, load, includer));
    if (!isList(node.value))
      return report(includer, 'include', `${node.tag} needs a path or a list of paths.`, node.at);
    const parts = node.value.map((name) => open(name, node, load, includer));
    if (!parts.some((part) => part instanceof Deferred)) return then(parts.map(pythonText).join('\n'));
    return new Deferred('CustomLoaderCollection', (params, allowEmpty) =>
      parts.map((part) => renderPart(part, params, allowEmpty)).join('\n'),
    );
  };
}

function open(name: unknown, node: TaggedNode, load: Load, includer: Includer): unknown {
  if (typeof name !== 'string') {
    return report(includer, 'include', `${node.tag} needs the path of a file.`, node.at);
  }
  if (!/[{}]/.test(name)) return openNow(name, node.at, load, includer);
  return new Deferred('LazyLoader', (params) =>
    openNow(formatPlain(name, params, false), node.at, load, includer),
  );
}

function openNow(name: string, at: Place, load: Load, includer: Includer): unknown {
  const file = find(name, includer);
  if (file !== undefined) return load(file, at, includer);
  const folders = [...new Set(includer.path)].map((folder) => (folder === '' ? '.' : folder)).join(', ');
  return report(
    includer,
    'include-missing',
    `The file ${name} cannot be found.`,
    at,
    `Looked in: ${folders}.`,
  );
}

/** One of several files of which another is lazy: JJB formats its text once, without its own additions. */
function renderPart(part: unknown, params: Dict, allowEmpty: boolean): string {
  if (typeof part === 'string') return formatPlain(part, params, false);
  return pythonText(part instanceof Deferred ? part.render(params, allowEmpty) : part);
}

function jinja(text: string, includer: Includer): Deferred {
  const template = createJinja(text, (name) => find(name, includer)?.text);
  return new Deferred('Jinja2Loader', template, { always: true });
}

/** Jinja first, then YAML, then substitution as in any other YAML. */
function jinjaYaml(text: string, at: Place, includer: Includer): Deferred {
  const template = jinja(text, includer);
  const load = (params: Dict, allowEmpty: boolean): unknown => {
    const source = { name: `${at.file} (rendered)`, text: pythonText(template.render(params, allowEmpty)) };
    return readTagged(source, { ...includer, depth: includer.depth + 1 }).value;
  };
  return new Deferred('LateYamlLoader', load, { always: true, substitute: true });
}

function textOf(node: TaggedNode, includer: Includer): string {
  if (typeof node.value === 'string') return node.value;
  report(includer, 'include', `${node.tag} needs a text.`, node.at);
  return '';
}

function deprecated(name: string, handler: Handler, includer: Includer): Handler {
  return (node) => {
    includer.problems.push({
      severity: 'warning',
      code: 'deprecated-tag',
      message: `The tag ${node.tag} is an old spelling.`,
      at: node.at,
      hint: `Write ${name} instead.`,
    });
    return handler(node);
  };
}

function join(node: TaggedNode, includer: Includer): string | null {
  const [separator, items] = isList(node.value) ? node.value : [];
  if (typeof separator === 'string' && isList(items) && !items.some((item) => isDict(item) || isList(item))) {
    return items.map(pythonText).join(separator);
  }
  return report(
    includer,
    'join',
    '!join: needs a separator and a list of texts.',
    node.at,
    "Write !join: [', ', [a, b, c]].",
  );
}

function same(value: unknown): unknown {
  return value;
}

function escapeBraces(value: unknown): unknown {
  return typeof value === 'string' ? value.replaceAll('{', '{{').replaceAll('}', '}}') : value;
}

function find(name: string, includer: Includer): SourceFile | undefined {
  const candidates = name.startsWith('/')
    ? [name]
    : includer.path.map((folder) => normalize(folder === '' ? name : `${folder}/${name}`));
  for (const candidate of new Set(candidates)) {
    const text = includer.read(candidate);
    if (text === undefined) continue;
    const file = { name: candidate, text };
    includer.included?.set(candidate, file);
    return file;
  }
  return undefined;
}

function folderOf(path: string): string {
  return path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '';
}

/** Resolves `.` and `..` in a path, without looking at a disk. */
function normalize(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..' && parts.length > 0 && parts.at(-1) !== '..') parts.pop();
    else parts.push(part);
  }
  return (path.startsWith('/') ? '/' : '') + parts.join('/');
}
