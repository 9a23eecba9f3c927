import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { JobDefinition } from '../../jobs/definition.ts';
import { corpusRows, counted, layoutRows } from '../../jobs/import/corpus.ts';
import { readIni } from '../../jobs/import/ini.ts';
import { mapSettings } from '../../jobs/import/knobs.ts';
import type { Row, Setting } from '../../jobs/import/row.ts';
import { siteFileText } from '../../jobs/import/sitefile.ts';
import { readVars } from '../../jobs/import/vars.ts';
import { isDict, isList } from '../../jobs/jjb/python.ts';
import { evaluate, parseLabel } from '../../jobs/label.ts';
import { isError, type Problem, type SourceFile } from '../../jobs/problem.ts';
import { placeOf } from '../../jobs/resolve.ts';
import { readYaml } from '../../jobs/yaml.ts';
import { readPool } from '../../nodepool/config/read.ts';
import { readEverything } from '../config.ts';
import { localNodes } from '../nodepool.ts';
import { type Found, findFiles, type Kind } from './find.ts';

/** A data repository as a site: its files, and what became of everything that was in it. */
export interface Imported {
  /** By path in the new site. */
  readonly files: ReadonlyMap<string, string>;
  readonly rows: readonly Row[];
  /** Files of the site → files of the repository they are copies of. */
  readonly origins: ReadonlyMap<string, string>;
  /** What nodes of nodepool.yaml are called. */
  readonly labels: readonly string[];
}

export function importRepository(root: string): Imported {
  const found = findFiles(root);
  const of = (kind: Kind) => found.filter((file) => file.kind === kind);
  const files = new Map<string, string>();
  const origins = new Map<string, string>();
  const rows: Row[] = [];
  const labels: string[] = [];
  const copy = (name: string, { path, text }: Found) => {
    files.set(name, text);
    origins.set(name, path);
  };

  const settings: Setting[] = [];
  for (const [kind, read] of [
    ['vars', readVars],
    ['zuul.conf', readIni],
  ] as const) {
    for (const file of of(kind)) {
      const taken = read(sourceOf(file));
      settings.push(...taken.settings);
      rows.push(...taken.rows);
    }
  }
  const { facts, rows: settingRows } = mapSettings(settings);
  rows.push(...settingRows);

  const layout = single('layout', of('layout'), rows);
  const nodepool = single('nodepool', of('nodepool'), rows);
  const layoutTaken = layout === undefined ? undefined : layoutRows(sourceOf(layout));
  if (layout !== undefined) {
    copy('layout.yaml', layout);
    rows.push(...(layoutTaken?.rows ?? []));
  }
  if (nodepool !== undefined) {
    copy('nodepool.yaml', nodepool);
    const pool = poolRows(nodepool);
    rows.push(...pool.rows);
    labels.push(...pool.labels);
  }
  const folders = placeJobs(of('jobs'), of('beside'), copy, rows);
  if (folders.length === 0) files.set('jobs/jobs.yaml', '[]\n');
  for (const { path, kind } of found) {
    const at = { file: path, line: 1, column: 1 };
    if (kind === 'key')
      rows.push({
        outcome: 'unsupported',
        what: path,
        why: 'a private key in a repository is known to everybody who cloned it: make a new one',
        at,
      });
    if (kind === 'other') rows.push({ outcome: 'ignored', what: path, why: 'nothing here reads it', at });
  }
  const site = siteFileText({
    facts,
    jobs: folders.length === 0 ? ['jobs'] : folders,
    mail: layoutTaken?.mail ?? false,
    functions: layoutTaken?.functions ?? [],
    nodepool: nodepool !== undefined,
  });
  files.set('stackgate.yaml', site.text);
  rows.push(...site.rows);
  return { files, rows, origins, labels };
}

function sourceOf({ path, text }: Found): SourceFile {
  return { name: path, text };
}

/** The first of several by depth: a repository may keep old ones. */
function single(what: string, files: readonly Found[], rows: Row[]): Found | undefined {
  const [first, ...others] = files.toSorted((a, b) => a.path.split('/').length - b.path.split('/').length);
  for (const { path } of others) {
    const at = { file: path, line: 1, column: 1 };
    rows.push({ outcome: 'ignored', what: path, why: `${first?.path} was taken as the ${what}`, at });
  }
  if (first === undefined && what === 'layout')
    rows.push({ outcome: 'missing', what: 'layout.yaml', why: 'no file has pipelines and projects' });
  return first;
}

/** Job files and what lies beside them keep their places below `jobs`. Answers the folders that hold job files. */
function placeJobs(
  jobs: readonly Found[],
  beside: readonly Found[],
  copy: (name: string, file: Found) => void,
  rows: Row[],
): string[] {
  if (jobs.length === 0) {
    rows.push({ outcome: 'missing', what: 'jobs', why: 'no file has job definitions' });
    return [];
  }
  const top = commonFolder(jobs.map(({ path }) => dirname(path)));
  const placed = (path: string) => `jobs/${top === '' ? path : path.slice(top.length + 1)}`;
  for (const file of [...jobs, ...beside]) copy(placed(file.path), file);
  const texts = new Map([...jobs, ...beside].map(({ path, text }) => [path, text]));
  rows.push(...corpusRows(jobs.map(sourceOf), { read: (path) => texts.get(path), allowDuplicates: true }));
  for (const { path } of beside) {
    const at = { file: path, line: 1, column: 1 };
    rows.push({
      outcome: 'mapped',
      what: path,
      why: `copied as ${placed(path)}, for jobs that include it`,
      at,
    });
  }
  return [...new Set(jobs.map(({ path }) => dirname(placed(path))))].sort();
}

function commonFolder(folders: readonly string[]): string {
  const split = folders.map((folder) => (folder === '.' ? [] : folder.split('/')));
  const [first = []] = split;
  const length = first.findIndex((part, index) => split.some((parts) => parts[index] !== part));
  return first.slice(0, length === -1 ? Math.min(...split.map((parts) => parts.length)) : length).join('/');
}

function poolRows(file: Found): { rows: Row[]; labels: string[] } {
  const { config, problems } = readPool(sourceOf(file));
  const rows = problems.map(problemRow);
  if (config === undefined) return { rows, labels: [] };
  const { value, places } = readYaml(sourceOf(file));
  const mapped = (section: string, what: string): string[] => {
    const items = isDict(value) ? value[section] : undefined;
    if (!isList(items)) return [];
    return items.flatMap((item, index) => {
      const name = isDict(item) ? item['name'] : undefined;
      if (typeof name !== 'string') return [];
      rows.push({
        outcome: 'mapped',
        what: `${what} ${name}`,
        why: 'nodepool.yaml',
        at: places.of(items, index),
      });
      return [name];
    });
  };
  mapped('providers', 'provider');
  const labels = [...mapped('labels', 'label'), ...mapped('node-sets', 'node set')];
  return { rows, labels };
}

/** What the validation of the new site says, at the places of the old files. */
export function checkedRows(site: string, imported: Imported): Row[] {
  const { problems, jobs, site: read } = readEverything(join(site, 'stackgate.yaml'));
  const local = read === undefined ? [] : (localNodes(read)?.labels ?? []);
  const waiting = unservedLabels(Object.values(jobs?.jobs ?? {}), [...local, ...imported.labels]);
  // What is missing, and Python files, have rows already.
  const told = problems.filter(({ code }) => code !== 'file-missing' && code !== 'python-include');
  return [...told, ...waiting].map((problem) => {
    const { at } = problem;
    const file = at === undefined ? undefined : (imported.origins.get(at.file) ?? at.file);
    return problemRow(at === undefined || file === undefined ? problem : { ...problem, at: { ...at, file } });
  });
}

/** Jobs that would wait for ever: no machine has what they ask for. */
function unservedLabels(jobs: readonly JobDefinition[], labels: readonly string[]): Problem[] {
  const asked = new Map<string, JobDefinition[]>();
  for (const job of jobs) asked.set(job.node, [...(asked.get(job.node) ?? []), job]);
  return [...asked].flatMap(([node, users]): Problem[] => {
    const label = parseLabel(node);
    if (node === '' || label.kind === 'wrong') return [];
    if (labels.some((name) => evaluate(label.expression, new Set([name])))) return [];
    const [first] = users;
    return [
      {
        severity: 'warning',
        code: 'unserved-label',
        message: `no machine has \`${node}\`, which ${counted(users.length, 'job')} ask for, such as ${first?.name}`,
        at: first === undefined ? undefined : placeOf(first),
        hint: 'give a label of nodepool.yaml or of `nodes.local.labels` that name',
      },
    ];
  });
}

function problemRow(problem: Problem): Row {
  const { code, message, at, hint } = problem;
  const ignored = /^(?:ignored|unused|disabled|deprecated|idle|late)-/.test(code);
  const outcome = isError(problem) ? 'unsupported' : ignored ? 'ignored' : 'unsupported';
  const told = hint === undefined ? message : `${message.replace(/\.$/, '')}: ${hint}`;
  return { outcome, what: code, why: told, at };
}

export function writeSite(target: string, files: ReadonlyMap<string, string>): void {
  for (const [path, text] of files) {
    const file = join(target, path);
    mkdirSync(dirname(file), { recursive: true });
    // Never over a file that is there, whoever put it there meanwhile.
    writeFileSync(file, text, { flag: 'wx' });
  }
}

const ORDER = ['missing', 'unsupported', 'assumed', 'ignored', 'mapped'] as const;

export function renderReport(rows: readonly Row[]): string {
  const counts = ORDER.map((outcome) =>
    counted(rows.filter((row) => row.outcome === outcome).length, outcome).replace(/s$/, ''),
  );
  const lines = ORDER.flatMap((outcome) =>
    rows
      .filter((row) => row.outcome === outcome)
      .map(({ what, why, at }) => {
        const place = at === undefined ? '-' : `${at.file}:${at.line}:${at.column}`;
        return `${outcome.padEnd(11)} ${place}  ${what}: ${why}`;
      }),
  );
  return `${[...lines, '', counts.join(', ')].join('\n')}\n`;
}
