import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { z } from 'zod';
import { readLayout } from '../../pipelines/layout/read.ts';
import { jobsOf } from '../../pipelines/layout/trees.ts';
import type { JobRule, JobTree, Layout, LayoutRead, Pipeline, SkipIf } from '../../pipelines/layout.ts';
import { quirks } from '../../pipelines/quirks.ts';

/**
 * Layouts against what the real parser of Zuul 2.6 made of them: `run([INPUT, EXPECTED])`, each a file or a directory. An
 * input without an expectation is not counted. Compared are the verdict, the place of what the validator refused, and
 * for valid layouts every recorded value.
 */
export async function run(args: readonly string[]): Promise<{ passed: number; failed: number }> {
  const [input, expected] = args;
  if (input === undefined || expected === undefined) throw new Error('usage: layouts INPUT EXPECTED');
  let passed = 0;
  let failed = 0;
  for (const { name, layout, expectation } of pairs(input, expected)) {
    const differences = compare(layout, Expectation.parse(JSON.parse(readMaybeZipped(expectation))));
    if (differences.length === 0) passed += 1;
    else failed += 1;
    for (const difference of differences.slice(0, 5)) console.log(`layouts: ${name}: ${difference}`);
  }
  return { passed, failed };
}

function pairs(input: string, expected: string): { name: string; layout: string; expectation: string }[] {
  if (statSync(input).isFile()) {
    const expectation = statSync(expected).isFile() ? expected : findExpectation(expected, basename(input));
    return expectation === undefined ? [] : [{ name: basename(input), layout: input, expectation }];
  }
  return filesBelow(input).flatMap((layout) => {
    const name = relative(input, layout);
    const expectation = findExpectation(expected, name);
    return expectation === undefined ? [] : [{ name, layout, expectation }];
  });
}

function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .toSorted()
    .map((name) => join(directory, name))
    .filter((path) => statSync(path).isFile());
}

/**
 * `X.yaml` has its expectation in `X.json` or `X.yaml.json`, plain or compressed. Expectations may stand higher than the
 * layouts: that of `tests/fixtures/X.yaml` in `X.yaml.json`.
 */
function findExpectation(directory: string, name: string): string | undefined {
  const found = expectationOf(directory, name);
  const [, below] = /^[^/]+\/(.+)$/.exec(name) ?? [];
  return found ?? (below === undefined ? undefined : findExpectation(directory, below));
}

function expectationOf(directory: string, name: string): string | undefined {
  const plain = name.replace(/\.gz$/, '');
  const stems = [plain.replace(/\.[^.]*$/, ''), plain];
  return stems
    .flatMap((stem) => [`${stem}.json`, `${stem}.json.gz`])
    .map((file) => join(directory, file))
    .find((path) => path !== join(directory, name) && existsSync(path));
}

function readMaybeZipped(path: string): string {
  const bytes = readFileSync(path);
  return (path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8');
}

const Expectation = z.looseObject({
  valid: z.boolean(),
  stage: z.string().optional(),
  error: z.string().optional(),
});
type Expectation = z.infer<typeof Expectation>;

function compare(path: string, expectation: Expectation): string[] {
  const text = readMaybeZipped(path);
  const read = readAsZuul(path, text);
  const errors = read.problems.filter((problem) => problem.severity === 'error');
  if (read.layout === undefined) {
    const first = errors[0];
    if (expectation.valid) return [`refused: ${first?.path ?? ''} ${first?.message ?? 'without a problem'}`];
    const wanted = recordedPath(expectation);
    if (wanted === undefined || errors.some((problem) => problem.path === wanted)) return [];
    return [`refused at ${errors.map((problem) => problem.path).join(', ')} instead of ${wanted}`];
  }
  if (!expectation.valid) return [`accepted; Zuul says ${expectation.error}`];
  const { valid: _valid, ...wanted } = expectation;
  return differences(asZuulSees(read.layout), wanted, '');
}

/** With the strict dialect, every quirk, and the connections that existed where the expectations were recorded. */
function readAsZuul(path: string, text: string): LayoutRead {
  return readLayout([{ name: basename(path), text }], {
    dialect: 'zuul-2.6',
    connections: connectionsFor(path),
    functions: 'any',
    quirks: Object.keys(quirks),
  });
}

type Connections = Record<string, 'gerrit' | 'smtp' | 'sql'>;

/**
 * `gerrit` and `smtp`; for the fixtures of Zuul's own tests what the zuul.conf beside them says: the one of the same name, else
 * the default of their directory, else those for tests with several connections.
 */
function connectionsFor(path: string): Connections {
  const directory = dirname(path);
  const stem = basename(path).replace(/\.[^.]*$/, '');
  for (const own of [`${stem}.conf`, 'zuul_default.conf']) {
    if (existsSync(join(directory, own))) return readConnections(join(directory, own));
  }
  const connections: Connections = { gerrit: 'gerrit', smtp: 'smtp' };
  if (!/connections|sql/.test(stem)) return connections;
  for (const file of readdirSync(directory).filter((name) => /^zuul-connections-.*\.conf$/.test(name))) {
    Object.assign(connections, readConnections(join(directory, file)));
  }
  return connections;
}

function readConnections(file: string): Connections {
  const connections: Connections = {};
  const sections = /^\[connection ([^\]]+)\]\s*\ndriver\s*=\s*(gerrit|smtp|sql)$/gm;
  for (const [, name = '', driver] of readFileSync(file, 'utf8').matchAll(sections)) {
    if (driver === 'gerrit' || driver === 'smtp' || driver === 'sql') connections[name] = driver;
  }
  return connections;
}

/** `... @ data['pipelines'][0]['name']` as `pipelines[0].name`. */
function recordedPath({ stage, error }: Expectation): string | undefined {
  const steps = stage === 'schema' ? / @ data((?:\[[^\]]*\])+)$/.exec(error ?? '')?.[1] : undefined;
  return steps?.replaceAll(/\['([^']*)'\]/g, '.$1').replace(/^\./, '');
}

const MERGERS = { merge: 1, 'merge-resolve': 2, 'cherry-pick': 3 } as const;
const PRECEDENCES = { normal: 0, low: 1, high: 2 } as const;

function asZuulSees(layout: Layout): Record<string, unknown> {
  const used = new Set<string>();
  for (const project of Object.values(layout.projects)) {
    for (const trees of Object.values(project.pipelines)) for (const job of jobsOf(trees)) used.add(job);
  }
  return {
    pipelines: layout.pipelines.map((pipeline) => pipelineView(layout, pipeline)),
    projects: mapValues(layout.projects, (project) => MERGERS[project.mergeMode]),
    jobs: mapValues(layout.jobs, (rule) => jobView(rule, used.has(rule.name))),
  };
}

function mapValues<T, U>(record: Readonly<Record<string, T>>, view: (value: T) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, view(value)]));
}

function pipelineView(layout: Layout, pipeline: Pipeline): Record<string, unknown> {
  const { window, messages } = pipeline;
  const projects = Object.values(layout.projects).flatMap(({ name, pipelines }) => {
    const trees = pipelines[pipeline.name];
    return trees === undefined ? [] : [[name, trees.map(treeView)] as const];
  });
  return {
    name: pipeline.name,
    manager: pipeline.manager === 'dependent' ? 'DependentPipelineManager' : 'IndependentPipelineManager',
    precedence: PRECEDENCES[pipeline.precedence],
    window: window.size,
    window_floor: window.floor,
    window_increase: [window.increaseType, window.increaseFactor],
    window_decrease: [window.decreaseType, window.decreaseFactor],
    success_message: messages.success,
    failure_message: messages.failure,
    merge_failure_message: messages.mergeFailure,
    footer_message: messages.footer,
    dequeue_on_new_patchset: pipeline.dequeueOnNewPatchset,
    ignore_dependencies: pipeline.ignoreDependencies,
    disable_at: pipeline.disableAfterConsecutiveFailures ?? null,
    start: pipeline.start.length,
    success: pipeline.success.length,
    failure: pipeline.failure.length,
    merge_failure: pipeline.mergeFailure.length,
    disabled: pipeline.disabled.length,
    queues: pipeline.queues.map(({ name, assignedName, generatedName, projects: members }) => ({
      name,
      assigned: assignedName ?? null,
      generated: generatedName,
      projects: members,
      window: window.size,
    })),
    projects: Object.fromEntries(projects),
  };
}

function treeView({ job, children }: JobTree): unknown {
  return children.length === 0 ? job : { [job]: children.map(treeView) };
}

function jobView(rule: JobRule, used: boolean): Record<string, unknown> {
  return {
    voting: rule.voting,
    hold: rule.holdFollowingChanges,
    attempts: rule.attempts,
    queue_name: rule.queueName ?? null,
    mutex: rule.mutex ?? null,
    tags: rule.tags.toSorted(),
    branches: rule.branches,
    files: rule.files,
    skip_if: rule.skipIf.length === 0 ? null : `{MatchAny:${rule.skipIf.map(skipView).join(',')}}`,
    failure_message: rule.failureMessage ?? null,
    success_message: rule.successMessage ?? null,
    failure_pattern: rule.failurePattern ?? null,
    success_pattern: rule.successPattern ?? null,
    parameter_function: rule.parameterFunction ?? null,
    swift: rule.swift.map((section) => String(section['name'])).toSorted(),
    used,
  };
}

/** The text of Zuul’s nested matchers. */
function skipView({ project, branch, allFilesMatchAny }: SkipIf): string {
  const files = allFilesMatchAny.map((pattern) => `{FileMatcher:${pattern}}`).join(',');
  const parts = [
    project === undefined ? undefined : `{ProjectMatcher:${project}}`,
    branch === undefined ? undefined : `{BranchMatcher:${branch}}`,
    files === '' ? undefined : `{MatchAllFiles:${files}}`,
  ].filter((part) => part !== undefined);
  return `{MatchAll:${parts.join(',')}}`;
}

function differences(ours: unknown, theirs: unknown, path: string): string[] {
  if (isDeepStrictEqual(ours, theirs)) return [];
  if (isRecord(ours) && isRecord(theirs)) {
    return [...new Set([...Object.keys(theirs), ...Object.keys(ours)])].flatMap((key) =>
      differences(ours[key], theirs[key], `${path}.${key}`),
    );
  }
  return [`${path}: ${short(ours)} instead of ${short(theirs)}`];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function short(value: unknown): string {
  return (JSON.stringify(value) ?? 'nothing').slice(0, 160);
}
