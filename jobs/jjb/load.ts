import { createPlaces, type PlaceBook } from '../places.ts';
import { didYouMean, isError, type Problem, type SourceFile } from '../problem.ts';
import type { Anchor } from '../yaml.ts';
import { ALL_CHARACTERS, type Budget, Deferred, FormatMistake } from './format.ts';
import { type Compat, type IncludeOptions, readJobFile } from './include.ts';
import { type Dict, isDict, isList, pythonText } from './python.ts';

/** Everything a set of JJB files defines, by kind and then by id or name. */
export interface Corpus {
  readonly entities: ReadonlyMap<string, ReadonlyMap<string, Dict>>;
  readonly places: PlaceBook;
  readonly problems: Problem[];
  readonly budget: Budget;
  /** A file could not be read at all; what the others miss because of it is not worth telling. */
  readonly incomplete: boolean;
}

/** Settings of `jenkins_jobs.ini` that change what files mean. */
export interface JjbSettings {
  /** Whose rules: 2 (JJB 2 to 4, the default) or 6 (JJB 5 and 6). */
  readonly compat?: Compat;
  /** Where includes are looked for first. */
  readonly includePath?: readonly string[];
  /** A second definition of a name replaces the first with a warning; without it that is an error. */
  readonly allowDuplicates?: boolean;
  /** A missing parameter is the empty text. */
  readonly allowEmptyVariables?: boolean;
  /** Jobs without a description get none. */
  readonly keepDescriptions?: boolean;
  /** Anchors of one file are known in the files after it. */
  readonly retainAnchors?: boolean;
}

/** Kinds of macro, and the list of a job in which each is used. */
export const MACRO_LISTS: Readonly<Record<string, string>> = {
  parameter: 'parameters',
  property: 'properties',
  scm: 'scm',
  trigger: 'triggers',
  wrapper: 'wrappers',
  builder: 'builders',
  publisher: 'publishers',
  reporter: 'reporters',
  notification: 'notifications',
};

const KINDS = new Set([
  'defaults',
  'job',
  'job-template',
  'job-group',
  'project',
  'view',
  'view-template',
  'view-group',
  'prebuilder',
  'postbuilder',
  'pipeline-scm',
  ...Object.keys(MACRO_LISTS),
]);

export function loadCorpus(
  sources: readonly SourceFile[],
  settings: JjbSettings & Pick<IncludeOptions, 'read' | 'included'>,
): Corpus {
  const places = createPlaces();
  const problems: Problem[] = [];
  const entities = new Map<string, Map<string, Dict>>();
  const anchors = settings.retainAnchors === true ? new Map<string, Anchor>() : undefined;
  const options: IncludeOptions = {
    read: settings.read,
    includePath: settings.includePath ?? [],
    compat: settings.compat ?? 2,
    places,
    problems,
    ...(settings.included === undefined ? {} : { included: settings.included }),
  };
  let incomplete = false;
  for (const source of sources) {
    const { value, problems: own } = readJobFile(source, options, anchors);
    if (value === null) {
      incomplete ||= own.some(isError);
      continue;
    }
    if (!isList(value)) {
      problems.push({
        severity: 'error',
        code: 'jjb-shape',
        message: `A file of job definitions is a list; ${source.name} is not.`,
        at: places.of(value) ?? { file: source.name, line: 1, column: 1 },
        hint: 'Start every definition with "- job:", "- project:" and so on.',
      });
      continue;
    }
    for (const item of value) addItem(item, value, { entities, places, problems, settings });
  }
  tellViews(entities, places, problems);
  return { entities, places, problems, budget: { left: ALL_CHARACTERS }, incomplete };
}

/** Views are tabs of Jenkins; one sentence is enough. */
function tellViews(entities: Corpus['entities'], places: PlaceBook, problems: Problem[]): void {
  for (const kind of ['view', 'view-template', 'view-group']) {
    const [first] = entities.get(kind)?.values() ?? [];
    if (first === undefined) continue;
    const message = `Sections "${kind}" are ignored: there are no views here.`;
    problems.push({ severity: 'warning', code: 'ignored-section', message, at: places.of(first) });
  }
}

interface Loading {
  readonly entities: Map<string, Map<string, Dict>>;
  readonly places: PlaceBook;
  readonly problems: Problem[];
  readonly settings: JjbSettings;
}

function addItem(item: unknown, list: readonly unknown[], loading: Loading): void {
  const { places, problems, settings } = loading;
  const fail = (code: string, message: string, node: unknown, hint?: string): void => {
    problems.push({ severity: 'error', code, message, at: places.of(node), hint });
  };
  if (!isDict(item)) {
    const at = places.of(list, list.indexOf(item));
    problems.push({
      severity: 'error',
      code: 'jjb-shape',
      message: 'A definition is a mapping such as "job:".',
      at,
    });
    return;
  }
  const [kind, ...others] = Object.keys(item);
  if (kind === undefined) return fail('jjb-shape', 'This definition is empty.', item);
  if (others.length > 0) {
    const name = 'name' in item ? ` of ${pythonText(item['name'])}` : '';
    const message = `The keys ${others.slice(0, 3).join(', ')}${name} stand beside "${kind}:", not below it.`;
    return fail('jjb-indent', message, item, `Indent everything that belongs to "${kind}:".`);
  }
  if (settings.compat === 6 && kind.startsWith('_')) return;
  const definition = unwrap(item[kind], item, loading);
  if (!isDict(definition)) {
    if (KINDS.has(kind)) fail('jjb-shape', `"${kind}:" needs a mapping below it.`, item);
    else unknownKind(kind, item, loading);
    return;
  }
  if (!KINDS.has(kind)) unknownKind(kind, item, loading);
  const id = definition['id'] ?? definition['name'];
  if (id === undefined || id === null) {
    if (KINDS.has(kind)) fail('jjb-name', `This ${kind} has no name.`, definition, 'Give it a "name:".');
    return;
  }
  addEntity(kind, pythonText(id), definition, loading);
}

/** Since JJB 5 a definition may be the content of another file, which is read without parameters. */
function unwrap(value: unknown, item: Dict, { places, problems, settings }: Loading): unknown {
  if (settings.compat !== 6 || !(value instanceof Deferred)) return value;
  try {
    return value.render({}, false);
  } catch (caught) {
    if (!(caught instanceof FormatMistake)) throw caught;
    problems.push({ severity: 'error', code: caught.code, message: caught.message, at: places.of(item) });
    return {};
  }
}

function addEntity(kind: string, id: string, definition: Dict, loading: Loading): void {
  const { entities, places, problems, settings } = loading;
  const group = entities.get(kind) ?? new Map<string, Dict>();
  entities.set(kind, group);
  const before = group.get(id);
  if (before !== undefined) {
    const first = places.of(before);
    const silent = settings.compat === 6 && kind === 'defaults';
    problems.push({
      severity: settings.allowDuplicates === true || silent ? 'warning' : 'error',
      code: 'duplicate-definition',
      message: `The ${kind} ${JSON.stringify(id)} is defined twice.`,
      at: places.of(definition, 'name'),
      hint: first === undefined ? undefined : `The first one is at ${first.file}:${first.line}.`,
    });
  }
  group.set(id, definition);
}

/** JJB 2 ignores sections it does not know, and people keep anchors in them: only what looks like a slip is told. 5 refuses them. */
function unknownKind(kind: string, item: Dict, loading: Loading): void {
  const near = didYouMean(kind, KINDS);
  if (loading.settings.compat === 6) {
    loading.problems.push({
      severity: 'error',
      code: 'unknown-section',
      message: `The section "${kind}" is not known.`,
      at: loading.places.of(item, kind),
      hint: near === undefined ? `Anchors may stand in a section "_${kind}".` : `Did you mean "${near}"?`,
    });
    return;
  }
  if (near === undefined) return;
  loading.problems.push({
    severity: 'warning',
    code: 'unknown-section',
    message: `The section "${kind}" is not known and is ignored.`,
    at: loading.places.of(item, kind),
    hint: `Did you mean "${near}"?`,
  });
}
