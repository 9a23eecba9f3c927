import { readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Discard } from '../../jobs/definition.ts';
import { logSegments } from './path.ts';
import { readManifest } from './site.ts';

/**
 * Jenkins' build discarder: how many builds of a job keep their logs and their artifacts, and for how long. It only ever
 * shortens the site's own rule, and the newest build always stays.
 */

export interface FinishedBuild {
  readonly logPath: string;
  readonly finishedAt: number;
}

const day = 24 * 60 * 60 * 1000;

/** What of a job's builds, the newest first, is to go. */
export function toDiscard(
  builds: readonly FinishedBuild[],
  rule: Discard,
  now: number,
): { readonly builds: readonly FinishedBuild[]; readonly artifacts: readonly FinishedBuild[] } {
  const beyond = (days: number | undefined, count: number | undefined) =>
    builds.filter(
      ({ finishedAt }, index) =>
        index > 0 &&
        ((days !== undefined && now - finishedAt > days * day) || (count !== undefined && index >= count)),
    );
  const gone = beyond(rule.days, rule.builds);
  const artifacts = beyond(rule.artifactDays, rule.artifactBuilds).filter((build) => !gone.includes(build));
  return { builds: gone, artifacts };
}

/** Does it in a directory of logs; answers how many folders changed. Killed in between, the next time goes on. */
export async function discard(
  directory: string,
  builds: readonly FinishedBuild[],
  rule: Discard,
  now: number,
): Promise<number> {
  const out = toDiscard(builds, rule, now);
  let changed = 0;
  for (const { logPath } of out.builds) {
    const folder = join(directory, ...logSegments(logPath));
    if ((await readManifest(folder)) === undefined) continue;
    await rm(folder, { recursive: true, force: true });
    changed += 1;
  }
  for (const { logPath } of out.artifacts) {
    if (await dropArtifacts(join(directory, ...logSegments(logPath)))) changed += 1;
  }
  return changed;
}

const stays = new Set(['console.txt.gz', 'manifest.json']);

async function dropArtifacts(folder: string): Promise<boolean> {
  const manifest = await readManifest(folder);
  if (manifest === undefined || manifest.files.every(({ stored }) => stays.has(stored))) return false;
  for (const name of await readdir(folder)) {
    if (!stays.has(name)) await rm(join(folder, name), { recursive: true, force: true });
  }
  const kept = { ...manifest, files: manifest.files.filter(({ stored }) => stays.has(stored)) };
  const aside = join(folder, '.manifest.part');
  await writeFile(aside, `${JSON.stringify(kept, null, 1)}\n`);
  await rename(aside, join(folder, 'manifest.json'));
  return true;
}
