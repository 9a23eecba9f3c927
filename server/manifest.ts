import { open } from 'node:fs/promises';
import { z } from 'zod';
import type { ArtifactView } from './contract.ts';
import { findLog } from './logfile.ts';

/** What was kept of a build beside its console: `manifest.json`, which its log folder gets last. */

const text = z.string().optional().catch(undefined);

const Manifest = z.object({
  uuid: text,
  job: text,
  project: text,
  change: text,
  patchset: text,
  result: text,
  detail: text,
  params: z.record(z.string(), z.string()).optional(),
  files: z.array(z.object({ path: z.string(), stored: z.string(), size: z.number() })).default([]),
});
export type Manifest = z.infer<typeof Manifest>;

/** Bytes: a build may keep very many artifacts, and reading their list must not hold up everybody. */
const most = 4 * 1024 * 1024;

export async function readManifest(
  root: string,
  segments: readonly string[],
): Promise<Manifest | 'absent' | 'too-long'> {
  const target = await findLog(root, [...segments, 'manifest.json']);
  if (target.kind !== 'file' || target.gzip) return 'absent';
  if (target.size > most) return 'too-long';
  const file = await open(target.path);
  try {
    const value: unknown = JSON.parse(await file.readFile('utf8'));
    return Manifest.safeParse(value).data ?? 'absent';
  } finally {
    await file.close();
  }
}

/** Artifacts as links on this server. Text is stored packed and found by its own name. */
export function artifactsOf(manifest: Manifest, logs: string, limit: number): ArtifactView[] {
  return manifest.files
    .filter(({ path }) => path !== 'console.txt')
    .slice(0, limit)
    .map(({ path, stored, size }) => {
      const name = stored === `${path}.gz` ? path : stored;
      return { path, size, href: `${logs}${name.split('/').map(encodeURIComponent).join('/')}` };
    });
}
