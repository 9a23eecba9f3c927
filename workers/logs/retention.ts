import { readdir, rm, rmdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Problem } from '../../jobs/problem.ts';
import { codeOf } from './site.ts';

/** How long finished logs stay. OpenStack asks third parties for a month. */

const day = 24 * 60 * 60 * 1000;
export const defaultKeep = 30 * day;

/** A warning when logs would go before the month is over. */
export function keepProblem(keep: number): Problem | undefined {
  if (keep >= defaultKeep) return undefined;
  return {
    severity: 'warning',
    code: 'short-retention',
    message: `finished logs are kept for ${Math.floor(keep / day)} days; OpenStack asks third-party systems for 30`,
    hint: 'Set `logs: keep: 30d` or more.',
  };
}

/** As deep as log paths get: digits, change, patchset, pipeline, job (which may hold slashes), build. */
const deepest = 16;

/**
 * Removes folders of builds whose last file is older than `keep` (ms), and what is empty above them. A running build's console
 * is younger. Answers how many builds went.
 */
export async function sweepLogs(
  directory: string,
  keep: number,
  now: number,
  signal: AbortSignal,
): Promise<number> {
  let removed = 0;
  async function visit(folder: string, depth: number): Promise<void> {
    signal.throwIfAborted();
    const entries = await readdir(folder, { withFileTypes: true }).catch(missing(folder));
    const mark = ['manifest.json', 'console.txt'].find((name) =>
      entries.some((entry) => entry.name === name),
    );
    if (mark !== undefined) {
      const age = now - (await stat(join(folder, mark)).catch(() => ({ mtimeMs: now }))).mtimeMs;
      if (age <= keep) return;
      // Its mark goes last: a sweep that is killed finds the folder again.
      for (const entry of entries) {
        if (entry.name !== mark) await rm(join(folder, entry.name), { recursive: true, force: true });
      }
      await rm(folder, { recursive: true, force: true });
      await removeEmpty(dirname(folder), directory);
      removed += 1;
      return;
    }
    if (depth >= deepest) return;
    for (const entry of entries) if (entry.isDirectory()) await visit(join(folder, entry.name), depth + 1);
  }
  await visit(directory, 0);
  return removed;
}

function missing(folder: string) {
  return (error: unknown) => {
    if (codeOf(error) === 'ENOENT') return [];
    throw new Error(`cannot list ${folder}`, { cause: error });
  };
}

async function removeEmpty(folder: string, top: string): Promise<void> {
  let each = folder;
  while (each.length > top.length) {
    try {
      await rmdir(each);
    } catch {
      return;
    }
    each = dirname(each);
  }
}
