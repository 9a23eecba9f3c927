import type { JobTree, Layout, ProjectRule } from '../layout.ts';

/** What another configuration would change: for `config diff`, and for the log when a configuration takes effect. */

/** What is compared: what jobs run (`definitions`, by name) stands beside how pipelines use them. */
export interface Compared {
  readonly layout: Layout;
  readonly definitions: Readonly<Record<string, unknown>>;
}

export interface LayoutDiff {
  readonly pipelines: Changes<FieldChange[]>;
  /** How jobs behave in pipelines. */
  readonly jobs: Changes<FieldChange[]>;
  /** What jobs run. */
  readonly definitions: Changes<FieldChange[]>;
  readonly projects: Changes<ProjectChange>;
}

export interface Changes<T> {
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly changed: readonly { readonly name: string; readonly what: T }[];
}

export interface FieldChange {
  readonly field: string;
  readonly before: unknown;
  readonly after: unknown;
}

export interface ProjectChange {
  readonly mergeMode?: { readonly before: string; readonly after: string };
  /** Only the pipelines in which something changes. */
  readonly pipelines: readonly PipelineJobs[];
}

export interface PipelineJobs {
  readonly pipeline: string;
  readonly added: readonly string[];
  readonly removed: readonly string[];
  /** Jobs that wait for other jobs than before. */
  readonly moved: readonly string[];
}

export function diffLayouts(before: Compared, after: Compared): LayoutDiff {
  return {
    pipelines: compare(byName(before.layout.pipelines), byName(after.layout.pipelines), fieldChanges),
    jobs: compare(before.layout.jobs, after.layout.jobs, fieldChanges),
    definitions: compare(before.definitions, after.definitions, fieldChanges),
    projects: compare(before.layout.projects, after.layout.projects, projectChange),
  };
}

export function isSame(diff: LayoutDiff): boolean {
  return Object.values(diff).every(
    ({ added, removed, changed }: Changes<unknown>) => added.length + removed.length + changed.length === 0,
  );
}

function byName<T extends { readonly name: string }>(list: readonly T[]): Readonly<Record<string, T>> {
  return Object.fromEntries(list.map((each) => [each.name, each]));
}

/** Things by name; `ask` says what of one changed, undefined: nothing. */
export function compare<T, W>(
  before: Readonly<Record<string, T>>,
  after: Readonly<Record<string, T>>,
  ask: (before: T, after: T) => W | undefined,
): Changes<W> {
  const changed = Object.entries(after).flatMap(([name, value]) => {
    const old = Object.hasOwn(before, name) ? before[name] : undefined;
    // What a reload took over is the very same.
    const what = old === undefined || old === value ? undefined : ask(old, value);
    return what === undefined ? [] : [{ name, what }];
  });
  return {
    added: Object.keys(after).filter((name) => !Object.hasOwn(before, name)),
    removed: Object.keys(before).filter((name) => !Object.hasOwn(after, name)),
    changed,
  };
}

/** Field by field; undefined: both say the same. */
export function fieldChanges(before: unknown, after: unknown): FieldChange[] | undefined {
  const [old, now] = [fieldsOf(before), fieldsOf(after)];
  const fields = [...new Set([...Object.keys(old), ...Object.keys(now)])].flatMap((field): FieldChange[] => {
    const [was, is] = [old[field], now[field]];
    return was === is || text(was) === text(is) ? [] : [{ field, before: was, after: is }];
  });
  return fields.length === 0 ? undefined : fields;
}

/** Where a thing stands is no part of what it says. */
const PLACES = new Set(['place', 'places']);

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return {};
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, field]) =>
      PLACES.has(key) || field === undefined ? [] : [[key, withoutPlaces(field)]],
    ),
  );
}

function withoutPlaces(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutPlaces);
  return typeof value === 'object' && value !== null ? fieldsOf(value) : value;
}

/** The same text whatever the order of the keys. */
function text(value: unknown): string {
  return JSON.stringify(value, (_, field: unknown) =>
    typeof field === 'object' && field !== null && !Array.isArray(field)
      ? Object.fromEntries(Object.entries(field).sort(([a], [b]) => (a < b ? -1 : 1)))
      : field,
  );
}

function projectChange(before: ProjectRule, after: ProjectRule): ProjectChange | undefined {
  const names = [...new Set([...Object.keys(before.pipelines), ...Object.keys(after.pipelines)])];
  const pipelines = names.flatMap((pipeline) => {
    const change = jobsChange(pipeline, before.pipelines[pipeline] ?? [], after.pipelines[pipeline] ?? []);
    return change === undefined ? [] : [change];
  });
  const mode =
    before.mergeMode === after.mergeMode
      ? {}
      : { mergeMode: { before: before.mergeMode, after: after.mergeMode } };
  if (pipelines.length === 0 && before.mergeMode === after.mergeMode) return undefined;
  return { ...mode, pipelines };
}

function jobsChange(
  pipeline: string,
  before: readonly JobTree[],
  after: readonly JobTree[],
): PipelineJobs | undefined {
  if (before === after) return undefined;
  const [old, now] = [parentsOf(before), parentsOf(after)];
  const added = [...now.keys()].filter((job) => !old.has(job));
  const removed = [...old.keys()].filter((job) => !now.has(job));
  const moved = [...now].flatMap(([job, parents]) => {
    const was = old.get(job);
    return was === undefined || was.join() === parents.join() ? [] : [job];
  });
  return added.length + removed.length + moved.length === 0 ? undefined : { pipeline, added, removed, moved };
}

/** Each job with the jobs it stands under, one path for each position. */
function parentsOf(trees: readonly JobTree[]): Map<string, string[]> {
  const found = new Map<string, string[]>();
  const visit = (level: readonly JobTree[], path: string): void => {
    for (const { job, children } of level) {
      found.set(job, [...(found.get(job) ?? []), path].toSorted());
      visit(children, `${path}/${job}`);
    }
  };
  visit(trees, '');
  return found;
}

const SECTIONS = [
  ['pipelines', 'pipeline'],
  ['jobs', 'job'],
  ['definitions', 'job definition'],
  ['projects', 'project'],
] as const;

/** `2 jobs changed, 1 project added`, or `nothing`. */
export function summarizeDiff(diff: LayoutDiff): string {
  const parts = SECTIONS.flatMap(([section, name]) => countsOf(name, diff[section]));
  return parts.length === 0 ? 'nothing' : parts.join(', ');
}

/** `2 jobs changed`, `1 job added`: in parts, of one kind of thing. */
export function countsOf(name: string, changes: Changes<unknown>): string[] {
  return (['added', 'removed', 'changed'] as const).flatMap((how) => {
    const count = changes[how].length;
    return count === 0 ? [] : [`${count} ${name}${count === 1 ? '' : 's'} ${how}`];
  });
}

/** A line for each thing: `+` is new, `-` is gone, `~` is different, with what differs behind it. */
export function renderDiff(diff: LayoutDiff): string[] {
  return SECTIONS.flatMap(([section, name]) => {
    const { added, removed } = diff[section];
    return [
      ...removed.map((each) => `- ${name} ${each}`),
      ...added.map((each) => `+ ${name} ${each}`),
      ...(section === 'projects'
        ? diff.projects.changed.flatMap(({ name: project, what }) => projectLines(project, what))
        : fieldLines(name, diff[section].changed)),
    ];
  });
}

/** `~ job one` and below it what differs. */
export function fieldLines(name: string, changed: Changes<readonly FieldChange[]>['changed']): string[] {
  return changed.flatMap(({ name: each, what }) => [
    `~ ${name} ${each}`,
    ...what.map(({ field, before, after }) => `    ${field}: ${shown(before)} -> ${shown(after)}`),
  ]);
}

function projectLines(project: string, { mergeMode, pipelines }: ProjectChange): string[] {
  return [
    `~ project ${project}`,
    ...(mergeMode === undefined ? [] : [`    merge-mode: ${mergeMode.before} -> ${mergeMode.after}`]),
    ...pipelines.flatMap(({ pipeline, added, removed, moved }) => [
      ...removed.map((job) => `    ${pipeline}: - ${job}`),
      ...added.map((job) => `    ${pipeline}: + ${job}`),
      ...moved.map((job) => `    ${pipeline}: ~ ${job} waits for other jobs`),
    ]),
  ];
}

const MOST_SHOWN = 160;

function shown(value: unknown): string {
  if (value === undefined) return '(not set)';
  const json = typeof value === 'string' && !/[\n"]/.test(value) ? value : JSON.stringify(value);
  return json.length > MOST_SHOWN ? `${json.slice(0, MOST_SHOWN)}...` : json;
}
