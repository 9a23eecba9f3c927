import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { followConsole } from '../../../workers/logs/live.ts';
import { directorySite } from '../../../workers/logs/site.ts';
import { liveLogConformance } from './livelog.ts';

const root = mkdtempSync(join(tmpdir(), 'stackgate-livelog-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

liveLogConformance('a directory', async () => {
  const directory = mkdtempSync(join(root, 'site-'));
  return {
    site: directorySite({ directory, url: 'http://x' }),
    follow: (path, offset, signal) => followConsole(join(directory, path), offset, signal),
  };
});
