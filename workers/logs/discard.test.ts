import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { discard, toDiscard } from './discard.ts';
import { readManifest } from './site.ts';

const day = 24 * 60 * 60 * 1000;
const builds = [0, 1, 2, 3, 4].map((age) => ({
  logPath: `check/job/${age}`,
  finishedAt: 10 * day - age * day,
}));
const names = (list: readonly { logPath: string }[]) => list.map(({ logPath }) => logPath.split('/').at(-1));

test('by age, by number, and never the newest', () => {
  expect(names(toDiscard(builds, { days: 2.5 }, 10 * day).builds)).toEqual(['3', '4']);
  expect(names(toDiscard(builds, { builds: 2 }, 10 * day).builds)).toEqual(['2', '3', '4']);
  expect(names(toDiscard(builds, { days: 1 }, 100 * day).builds)).toEqual(['1', '2', '3', '4']);
  const both = toDiscard(builds, { builds: 4, artifactBuilds: 2 }, 10 * day);
  expect([names(both.builds), names(both.artifacts)]).toEqual([['4'], ['2', '3']]);
});

test('folders go, or only what is no console', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'stackgate-discard-'));
  try {
    for (const { logPath } of builds) {
      const folder = join(directory, logPath);
      await mkdir(join(folder, 'logs'), { recursive: true });
      await writeFile(join(folder, 'logs', 'a.txt.gz'), '');
      await writeFile(join(folder, 'console.txt.gz'), '');
      const file = (stored: string) => ({ path: stored, stored, size: 0, sha256: '' });
      await writeFile(
        join(folder, 'manifest.json'),
        JSON.stringify({ result: 'SUCCESS', files: [file('console.txt.gz'), file('logs/a.txt.gz')] }),
      );
    }
    const rule = { builds: 4, artifactBuilds: 2 };
    expect(await discard(directory, builds, rule, 10 * day)).toBe(3);
    expect((await readdir(join(directory, 'check/job'))).sort()).toEqual(['0', '1', '2', '3']);
    expect((await readdir(join(directory, 'check/job/2'))).sort()).toEqual([
      'console.txt.gz',
      'manifest.json',
    ]);
    expect((await readManifest(join(directory, 'check/job/2')))?.files).toHaveLength(1);
    expect((await readManifest(join(directory, 'check/job/1')))?.files).toHaveLength(2);
    expect(await discard(directory, builds, rule, 10 * day)).toBe(0);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
