import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { isError, type Problem, renderProblems, type SourceFile } from '../jobs/problem.ts';
import { readYaml } from '../jobs/yaml.ts';
import { readLayout } from '../pipelines/layout/read.ts';
import type { Layout } from '../pipelines/layout.ts';
import type { SiteConfig } from '../pipelines/ports.ts';
import { defaultSettings } from '../pipelines/rules.ts';
import { CommandError } from './client.ts';
import { readEverything } from './config.ts';
import { readSite, readText, siteFile, sitePath } from './site.ts';
import { knownAccounts, type Site } from './sitekeys.ts';

/** Configurations for commands that need no server: that of a site, or a layout alone. */

export interface LayoutOptions {
  /** A layout file alone: every job counts as defined. */
  readonly layout?: string;
  /** Site file; beside `layout`, only its connections and its dialect are used. */
  readonly config?: string;
  /** `NAME=DRIVER`, for layouts that speak of other connections than `gerrit` and `smtp`. */
  readonly connection?: readonly string[];
}

export interface Loaded {
  /** The file it was read from. */
  readonly name: string;
  readonly config: SiteConfig;
  /** Job definitions are known, not only what the layout says of jobs. */
  readonly whole: boolean;
}

type Driver = 'gerrit' | 'smtp' | 'sql';
type Connections = Readonly<Record<string, Driver>>;

/** Reads what was named. Mistakes in it are printed to stderr, all of them, and end the command with 1. */
export function loadLayout(options: LayoutOptions): Loaded {
  const given = Object.fromEntries((options.connection ?? []).map(connectionOf));
  if (options.layout === undefined) return loadSite(siteFile(options.config));
  const site = options.config === undefined ? undefined : mustSite(siteFile(options.config)).site;
  return loadAlone(options.layout, site, given);
}

/** `other` is a site file or a layout; a layout is read with the connections of the first. */
export function loadOther(other: string, options: LayoutOptions): Loaded {
  const text = readText(other);
  if (text === undefined) throw missing(other);
  const { value } = readYaml({ name: other, text });
  const isSite = typeof value === 'object' && value !== null && 'connections' in value;
  if (isSite) return loadSite(siteFile(other));
  const site = options.layout !== undefined && options.config === undefined ? {} : siteOf(options);
  return loadLayout({ ...options, ...site, layout: other });
}

function siteOf(options: LayoutOptions): { config: string } {
  return { config: siteFile(options.config) };
}

function loadSite(file: string): Loaded {
  const { site, config, problems, sources } = readEverything(file);
  report(problems, sources);
  if (site === undefined || config === undefined) throw refused(file, problems);
  return { name: file, whole: true, config: { ...config, settings: settingsOf(site) } };
}

function mustSite(file: string): { site: Site; base: string } {
  const { site, base, problems, sources } = readSite(file);
  report(problems, sources);
  if (site === undefined) throw refused(file, problems);
  return { site, base };
}

function settingsOf(site: Site): NonNullable<SiteConfig['settings']> {
  const accounts = Object.entries(site.connections).flatMap(([name, connection]) =>
    connection.driver === 'gerrit' ? [[name, [connection.user]] as const] : [],
  );
  return { ...defaultSettings, accounts: Object.fromEntries(accounts), known: knownAccounts(site) };
}

function loadAlone(file: string, site: Site | undefined, given: Connections): Loaded {
  const text = readText(file);
  if (text === undefined) throw missing(file);
  const own = Object.entries(site?.connections ?? {}).map(([name, { driver }]) => [name, driver] as const);
  const { layout, problems } = readLayout([{ name: basename(file), text }], {
    dialect: site?.dialect ?? 'stackgate',
    connections: {
      ...(site === undefined ? { gerrit: 'gerrit', smtp: 'smtp' } : Object.fromEntries(own)),
      ...given,
    },
    functions: 'any',
    include: (path) => readText(sitePath(dirname(file), path)),
  });
  report(problems.filter(isError), [{ name: basename(file), text }]);
  if (layout === undefined) throw refused(file, problems);
  const settings = site === undefined ? defaultSettings : settingsOf(site);
  return { name: file, whole: false, config: { ...configOf(layout), settings } };
}

function configOf(layout: Layout): SiteConfig {
  const digest = createHash('sha256').update(JSON.stringify(layout)).digest('hex');
  const jobs = Object.fromEntries(Object.keys(layout.jobs).map((name) => [name, {}]));
  return { digest, layout, jobs, needs: {} };
}

function connectionOf(text: string): [string, Driver] {
  const [, name, driver] = /^([^=\s]+)=(gerrit|smtp|sql)$/.exec(text) ?? [];
  if (name === undefined)
    throw new CommandError(
      `--connection ${JSON.stringify(text)} is not of the form NAME=DRIVER`,
      2,
      'drivers are gerrit, smtp and sql: --connection review=gerrit',
    );
  return [name, driver === 'smtp' || driver === 'sql' ? driver : 'gerrit'];
}

/** The connection that events and changes come from, where nobody names one. */
export function mainConnection(layout: Layout): string {
  const sources = layout.pipelines.map(({ source }) => source);
  return sources.includes('gerrit') ? 'gerrit' : (sources[0] ?? 'gerrit');
}

/** A file, or stdin for `-`. */
export function readInput(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch {
    throw missing(file);
  }
}

function missing(file: string): CommandError {
  return new CommandError(`cannot read ${file}`, 3, 'is the name right, and may you read it?');
}

function report(problems: readonly Problem[], sources: readonly SourceFile[]): void {
  const errors = problems.filter(isError);
  if (errors.length > 0) process.stderr.write(`${renderProblems(errors, sources)}\n`);
}

function refused(file: string, problems: readonly Problem[]): CommandError {
  const errors = problems.filter(isError).length;
  const unread = problems.some(({ code }) => code === 'site-unreadable');
  return new CommandError(
    unread ? 'there is no site file' : `${file} has ${errors} ${errors === 1 ? 'error' : 'errors'}`,
    unread ? 3 : 1,
    unread
      ? 'name one with --config, or only a layout with --layout'
      : 'mend them; `stackgate config validate` shows warnings, too',
  );
}
