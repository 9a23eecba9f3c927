import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe } from 'vitest';
import { directorySite, readManifest } from '../../../workers/logs/site.ts';
import { logSiteSuite } from './logsite.ts';

describe('directory', () => {
  let directory = '';
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'stackgate-site-'));
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  const content = async (...path: string[]) => {
    const bytes = await readFile(join(directory, ...path)).catch(() => undefined);
    if (bytes === undefined) return undefined;
    return (bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes).toString();
  };
  logSiteSuite(() => ({
    site: () => directorySite({ directory, url: 'https://ci.example.org/logs/' }),
    async console(logPath) {
      return (await content(logPath, 'console.txt')) ?? (await content(logPath, 'console.txt.gz'));
    },
    manifest: (logPath) => readManifest(join(directory, logPath)),
    async read(logPath, path) {
      const manifest = await readManifest(join(directory, logPath));
      const file = manifest?.files.find(
        (each) => each.path === path && !each.stored.startsWith('console.txt'),
      );
      return file === undefined ? undefined : await content(logPath, file.stored);
    },
  }));
});
