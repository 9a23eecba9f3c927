import { isError, type Problem } from '../../jobs/problem.ts';
import { asFault } from '../../pipelines/fault.ts';
import { createMemory, type LayoutMemory } from '../../pipelines/layout/memory.ts';
import type { SiteConfig } from '../../pipelines/ports.ts';
import { type EverythingRead, readConfig } from '../config.ts';
import { readSite, sitePath } from '../site.ts';
import { type Site } from '../sitekeys.ts';
import { type Checkouts, currentCheckout, openCheckouts } from './checkouts.ts';

/** A site that was read and is valid: what a process of Stackgate begins with. */
export interface Opening {
  readonly file: string;
  readonly site: Site;
  /** Relative paths of the site file start here. */
  readonly base: string;
  readonly config: SiteConfig;
  /** Warnings, when it was read. */
  readonly problems: readonly Problem[];
  /** Of the last reading, so that the next one reads only what changed. */
  readonly memory: LayoutMemory;
  readonly repository?: Followed;
}

/** The data repository and which of its commits is in force. */
export interface Followed {
  readonly checkouts: Checkouts;
  readonly commit: string;
}

export interface Opened {
  readonly read: EverythingRead;
  /** Undefined: there are errors, and `read` has them. */
  readonly opening?: Opening;
  /** What went wrong and did not keep us from opening. */
  readonly warnings: readonly string[];
}

/**
 * Reads everything. A site with a data repository begins with its newest commit; when that is broken or cannot be had, with
 * the one that was in force before.
 */
export async function openSite(file: string, signal: AbortSignal): Promise<Opened> {
  const { site, base, at, problems, sources } = readSite(file);
  const memory = createMemory();
  if (site === undefined) return { read: { base, problems, sources }, warnings: [] };
  const readIn = (root: string): EverythingRead => {
    const read = readConfig(site, base, { memory, root, ...(at === undefined ? {} : { at }) });
    return {
      ...read,
      site,
      base,
      problems: [...problems, ...read.problems],
      sources: [...sources, ...read.sources],
    };
  };
  const open = (read: EverythingRead, warnings: readonly string[], repository?: Followed): Opened => {
    const { config } = read;
    if (config === undefined || problems.some(isError)) return { read, warnings };
    const followed = repository === undefined ? {} : { repository };
    return {
      read,
      warnings,
      opening: { file, site, base, config, problems: read.problems, memory, ...followed },
    };
  };
  if (site.repository === undefined) return open(readIn(base), []);

  const data = sitePath(base, site.data);
  const checkouts = openCheckouts(data, repositorySettings(site, base));
  const before = currentCheckout(data);
  const warnings: string[] = [];
  try {
    const commit = await checkouts.fetch(signal);
    const read = readIn(await checkouts.checkout(commit, signal));
    if (read.config !== undefined || before === undefined || before.commit === commit) {
      if (read.config !== undefined) await checkouts.use(commit);
      return open(read, warnings, { checkouts, commit });
    }
    const errors = read.problems.filter(isError).length;
    warnings.push(
      `commit ${commit.slice(0, 10)} of the configuration has ${errors} errors: ${before.commit.slice(0, 10)} stays in force`,
    );
  } catch (caught) {
    const { message, hint } = asFault(caught);
    if (before === undefined) {
      const problem = {
        severity: 'error',
        code: 'repository',
        message,
        hint,
        at: at?.(['repository']),
      } as const;
      return { read: { base, site, sources, problems: [...problems, problem] }, warnings };
    }
    warnings.push(`${message}: commit ${before.commit.slice(0, 10)} stays in force`);
  }
  return open(readIn(before.folder), warnings, { checkouts, commit: before.commit });
}

export function repositorySettings({ repository }: Site, base: string) {
  const { url = '', branch, key } = repository ?? {};
  return {
    url: /^[\w.+-]+:\/\/|^[^/]+:/.test(url) ? url : sitePath(base, url),
    branch,
    key: key === undefined ? undefined : sitePath(base, key),
  };
}
