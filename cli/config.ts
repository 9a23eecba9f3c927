import { createHash } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import type { JobDefinition } from '../jobs/definition.ts';
import type { JjbSettings } from '../jobs/jjb/load.ts';
import { didYouMean, isError, type Problem, type SourceFile } from '../jobs/problem.ts';
import { type JobsRead, readJobs } from '../jobs/resolve.ts';
import type { PoolFiles } from '../nodepool/config/files.ts';
import type { NodeSpec } from '../pipelines/action.ts';
import type { Compared } from '../pipelines/layout/diff.ts';
import type { LayoutMemory } from '../pipelines/layout/memory.ts';
import { NOTHING_SAID } from '../pipelines/layout/metajobs.ts';
import { readLayout } from '../pipelines/layout/read.ts';
import type { JobTree, Layout } from '../pipelines/layout.ts';
import { own } from '../pipelines/own.ts';
import type { SiteConfig } from '../pipelines/ports.ts';
import { readSitePool } from './nodepool.ts';
import { readPlugins } from './plugins.ts';
import { checkoutInForce } from './reload/checkouts.ts';
import { secretProblems } from './secrets.ts';
import { readSite, readText, type SitePlaces, sitePath } from './site.ts';
import { type Site } from './sitekeys.ts';
import { readSlaveScripts } from './slavescripts.ts';

/** Layout and jobs of a site, read and checked together: everything or nothing takes effect. */
export interface ConfigRead {
  readonly config?: SiteConfig;
  /** What was read, even where it cannot take effect. */
  readonly layout?: Layout;
  readonly jobs?: JobsRead;
  readonly problems: readonly Problem[];
  readonly sources: readonly SourceFile[];
}

/** The site file and everything it names, with all that is wrong with them. */
export interface EverythingRead extends ConfigRead {
  readonly site?: Site;
  readonly base: string;
}

/** Where a site with a data repository has its files: in the checkout in force, or in `from`. */
export function readEverything(file: string, from?: string): EverythingRead {
  const { site, base, at, problems, sources } = readSite(file);
  if (site === undefined) return { base, problems, sources };
  const root = from ?? (site.repository === undefined ? base : checkoutInForce(sitePath(base, site.data)));
  if (root === undefined) {
    const problem: Problem = {
      severity: 'error',
      code: 'repository',
      message: 'no commit of the data repository was in force yet',
      at: at?.(['repository']),
      hint: 'name a directory with its files with --from, or start Stackgate, which fetches it',
    };
    return { base, site, sources, problems: [...problems, problem] };
  }
  const read = readConfig(site, base, { root, ...(at === undefined ? {} : { at }) });
  return {
    ...read,
    site,
    base,
    problems: [...problems, ...read.problems],
    sources: [...sources, ...read.sources],
  };
}

export interface ReadOptions {
  /** Of the reading before, so that a reload reads only what changed. */
  readonly memory?: LayoutMemory;
  /** Where keys of the site file stand. */
  readonly at?: SitePlaces;
  /** Directory that layout and jobs are looked for in; that of the site file when left out. */
  readonly root?: string;
}

export function readConfig(site: Site, base: string, options: ReadOptions = {}): ConfigRead {
  const { memory, at, root = base } = options;
  const show = (path: string) => shortName(root, path);
  const layoutPath = sitePath(root, site.layout);
  const layoutSource = source(layoutPath, show);
  const jobFiles = [site.jobs].flat().flatMap((path) => yamlFiles(sitePath(root, path)));
  const jobSources = jobFiles.map((file) => source(file, show));
  const sources = [layoutSource, ...jobSources].filter((file) => file !== undefined);
  const problems: Problem[] = [];
  if (layoutSource === undefined) {
    problems.push(missing('layout', layoutPath, 'name the file with `layout:` in stackgate.yaml'));
  }
  if (jobFiles.length === 0) {
    problems.push(
      missing(
        'job files',
        [site.jobs].flat().join(', '),
        'name a .yaml file, or a directory that holds some, with `jobs:`',
      ),
    );
  }
  const connections = Object.fromEntries(
    Object.entries(site.connections).map(([name, { driver }]) => [name, driver]),
  );
  const layoutRead =
    layoutSource === undefined
      ? undefined
      : readLayout([layoutSource], {
          dialect: site.dialect,
          connections,
          functions: Object.keys(site['parameter-functions']),
          include: (path) => readText(sitePath(dirname(layoutPath), path)),
          ...(memory === undefined ? {} : { memory }),
        });
  const plugins = readPlugins(site, base);
  const scripts = readSlaveScripts(site, base);
  problems.push(...plugins.problems, ...scripts.problems);
  const jobsRead = readJobs(
    jobSources.filter((file) => file !== undefined),
    {
      read: (path) => readText(sitePath(root, path)),
      unsupported: site.unsupported,
      settings: jjbSettings(site, root),
      scpSites: Object.keys(site['scp-sites']),
      own: plugins.parts,
      ...(scripts.files === undefined ? {} : { slaveScripts: new Set(scripts.files.keys()) }),
    },
  );
  const pool = readSitePool(site, root);
  sources.push(...jobsRead.included, ...(pool.source === undefined ? [] : [pool.source]));
  problems.push(...pool.problems);
  problems.push(...(layoutRead?.problems ?? []), ...jobsRead.problems);
  const layout = layoutRead?.layout;
  if (layout !== undefined) {
    problems.push(...crossCheck(layout, jobsRead.jobs));
    problems.push(...secretProblems({ site, base, layout, jobs: jobsRead.jobs, at }));
  }
  const read = { problems, sources, jobs: jobsRead, ...(layout === undefined ? {} : { layout }) };
  if (layout === undefined || problems.some(isError)) return read;
  return { ...read, config: freeze(throttled(layout, jobsRead.jobs), jobsRead.jobs, pool.config.files) };
}

function jjbSettings({ jjb }: Site, root: string): JjbSettings {
  return {
    compat: jjb.compat,
    includePath: [jjb['include-path']].flat().map((path) => sitePath(root, path)),
    allowDuplicates: jjb['allow-duplicates'],
    allowEmptyVariables: jjb['allow-empty-variables'],
    keepDescriptions: jjb['keep-descriptions'],
    retainAnchors: jjb['retain-anchors'],
  };
}

function freeze(layout: Layout, jobs: Readonly<Record<string, JobDefinition>>, pool: PoolFiles): SiteConfig {
  const digest = createHash('sha256')
    .update(JSON.stringify([layout, jobs, pool]))
    .digest('hex');
  const needs = Object.fromEntries(
    Object.entries(jobs).map(([name, job]): [string, NodeSpec] => [name, { label: job.node, ...job.nodes }]),
  );
  return { digest, layout, jobs, needs, pool };
}

/** Jobs that may run so many times at once hold a semaphore, unless the layout has another lock for them. */
function throttled(layout: Layout, jobs: Readonly<Record<string, JobDefinition>>): Layout {
  const rules = Object.entries(jobs).flatMap(([name, { throttle }]) => {
    if (throttle === undefined) return [];
    const rule = own(layout.jobs, name) ?? { ...NOTHING_SAID, name };
    if (rule.mutex !== undefined || rule.semaphore !== undefined) return [];
    return [[name, { ...rule, semaphore: { name: throttle.name, count: throttle.total } }] as const];
  });
  return rules.length === 0 ? layout : { ...layout, jobs: { ...layout.jobs, ...Object.fromEntries(rules) } };
}

/** A configuration as it is compared with another. */
export function comparedOf({ layout, jobs }: SiteConfig): Compared {
  return { layout, definitions: jobs };
}

/** Jobs that pipelines run but nobody defined are errors; jobs that nobody runs are warnings. */
export function crossCheck(layout: Layout, jobs: Readonly<Record<string, JobDefinition>>): Problem[] {
  const used = new Map<string, { user: string; place: string | undefined }>();
  for (const project of Object.values(layout.projects)) {
    const place = layout.places[`project ${project.name}`];
    for (const [pipeline, trees] of Object.entries(project.pipelines)) {
      const user = `pipeline ${pipeline} of project ${project.name}`;
      for (const job of jobNames(trees)) used.set(job, { user, place });
    }
  }
  const problems: Problem[] = [];
  for (const [job, { user, place: userPlace }] of used) {
    if (job === 'noop' || own(jobs, job) !== undefined) continue;
    const near = didYouMean(job, Object.keys(jobs));
    const place = own(layout.jobs, job)?.place ?? userPlace;
    problems.push({
      severity: 'error',
      code: 'unknown-job',
      message: `${user} runs job \`${job}\`, which no job file defines`,
      at: place === undefined ? undefined : placeFrom(place),
      hint:
        near === undefined
          ? 'define it in a job file, or take it out of the layout'
          : `did you mean \`${near}\`?`,
    });
  }
  for (const [name, job] of Object.entries(jobs)) {
    if (used.has(name)) continue;
    problems.push({
      severity: 'warning',
      code: 'unused-job',
      message: `no pipeline runs job \`${name}\``,
      at: job.place === undefined ? undefined : placeFrom(job.place),
      hint: 'it can still be started by hand: stackgate run',
    });
  }
  return problems;
}

export function jobNames(trees: readonly JobTree[]): string[] {
  return trees.flatMap((tree) => [tree.job, ...jobNames(tree.children)]);
}

function placeFrom(text: string): Problem['at'] {
  const [, file, line, column] = /^(.*):(\d+):(\d+)$/.exec(text) ?? [];
  return file === undefined ? undefined : { file, line: Number(line), column: Number(column) };
}

function missing(what: string, path: string, hint: string): Problem {
  return { severity: 'error', code: 'file-missing', message: `no ${what} at ${path}`, hint };
}

function source(file: string, show: (path: string) => string): SourceFile | undefined {
  const text = readText(file);
  return text === undefined ? undefined : { name: show(file), text };
}

/** A YAML file itself, or those directly in a directory, sorted as JJB sorts them. */
function yamlFiles(path: string): string[] {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return [];
  if (!stat.isDirectory()) return [path];
  return readdirSync(path)
    .filter((name) => /\.ya?ml$/.test(name))
    .sort()
    .map((name) => join(path, name));
}

function shortName(base: string, path: string): string {
  const short = relative(base, path);
  return short.startsWith('..') ? path : short === '' ? basename(path) : short;
}
