import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { run as runMatchers } from './matchers.ts';
import { run as runRegex } from './regex.ts';

/** Zuul 2.6's tables of matches, and every pattern of real layouts against Python itself. */
const golden = '../shared/conformance/zuul-v2/golden';
const recorded = existsSync(golden);
const python = spawnSync('python3', ['--version']).status === 0;

test.skipIf(!recorded)('every recorded match of Zuul 2.6', async () => {
  const { passed, failed } = await runMatchers([`${golden}/matchers.json`]);
  expect(failed).toBe(0);
  expect(passed).toBeGreaterThan(0);
});

test.skipIf(!recorded || !python)('patterns answer as in Python', { timeout: 120_000 }, async () => {
  const { passed, failed } = await runRegex([`${golden}/regex-corpus.json`, '6', '7']);
  expect(failed).toBe(0);
  expect(passed).toBeGreaterThan(0);
});

if (!recorded) console.log(`skipped: no tables of matches in ${golden}`);
else if (!python) console.log('skipped: patterns were not compared with Python: apt-get install python3');
