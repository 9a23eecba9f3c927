import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, isAbsolute, resolve } from 'node:path';
import { complaintsOf, placeAt } from '../jobs/complaint.ts';
import type { Place, Problem, SourceFile } from '../jobs/problem.ts';
import { schemaKeys } from '../jobs/schemakeys.ts';
import { readYaml } from '../jobs/yaml.ts';
import { Site } from './sitekeys.ts';

/** Reading `stackgate.yaml`: its keys are in sitekeys.ts. */

/** A site, and where relative paths of its file start. */
export interface SiteHome {
  readonly site: Site;
  readonly base: string;
}

export interface SiteRead {
  readonly site?: Site;
  readonly problems: readonly Problem[];
  readonly sources: readonly SourceFile[];
  /** Directory that relative paths of the file are resolved against. */
  readonly base: string;
  /** Where a key of the file stands, such as `['secrets', 'token']`; of one that is not written, its parent. */
  readonly at?: SitePlaces;
}

export type SitePlaces = (path: readonly PropertyKey[]) => Place | undefined;

/** The first of: the file named, `$STACKGATE_CONFIG`, `./stackgate.yaml`, `/etc/stackgate/stackgate.yaml`. */
export function siteFile(named: string | undefined, env: NodeJS.ProcessEnv = process.env): string {
  return resolve(
    named ?? env['STACKGATE_CONFIG'] ?? firstReadable(['stackgate.yaml', '/etc/stackgate/stackgate.yaml']),
  );
}

function firstReadable(candidates: readonly string[]): string {
  return candidates.find((file) => readText(file) !== undefined) ?? candidates[0] ?? 'stackgate.yaml';
}

/** Reads and checks the site file. Never throws: an unreadable file is a Problem like any other. */
export function readSite(file: string): SiteRead {
  const base = dirname(file);
  const text = readText(file);
  if (text === undefined) {
    const message = `cannot read the site file ${file}`;
    const hint = 'copy examples/third-party, fill in host and key, and name its stackgate.yaml with --config';
    return { base, sources: [], problems: [{ severity: 'error', code: 'site-unreadable', message, hint }] };
  }
  const source = { name: file, text };
  const { value, problems, places } = readYaml(source);
  if (problems.some((problem) => problem.severity === 'error')) return { base, sources: [source], problems };
  const checked = Site.safeParse(value);
  if (checked.success) {
    const at: SitePlaces = (path) => placeAt(path, { root: value, places });
    return { base, sources: [source], problems, site: checked.data, at };
  }
  const start = { file, line: 1, column: 1 };
  const keysAt = (path: readonly PropertyKey[]) => schemaKeys(Site, path);
  const about = { root: value, places, start, code: 'site-invalid', keysAt };
  const found = checked.error.issues.flatMap((issue) => complaintsOf(issue, about));
  return { base, sources: [source], problems: [...problems, ...found] };
}

export function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

/** A path of the site file: `~` is the home directory, relative paths start at the file. */
export function sitePath(base: string, path: string): string {
  if (path === '~' || path.startsWith('~/')) return resolve(homedir(), path.slice(2));
  return isAbsolute(path) ? path : resolve(base, path);
}
