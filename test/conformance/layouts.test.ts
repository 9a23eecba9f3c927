import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { run as runLayouts } from './layouts.ts';
import { run as runMatchers } from './matchers.ts';
import { run as runRegex } from './regex.ts';

const data = fileURLToPath(new URL('../../../shared/conformance/zuul-v2/', import.meta.url));
const present = existsSync(data);
if (!present) console.log('no conformance data of Zuul v2: layouts, matchers and patterns are not compared');

describe.skipIf(!present)('Zuul 2.6 and this project', { timeout: 120_000 }, () => {
  it.each([
    ['micro', 'micro', 83],
    ['openstack', 'openstack', 7],
    ['third-party-layouts', 'third-party-layouts', 17],
    ['broken-real-world', 'broken-real-world', 3],
    ['zuul-2.6.0', 'zuul-2.6.0-fixtures', 74],
  ])('read the layouts of %s alike', async (input, expected, passed) => {
    expect(await runLayouts([`${data}${input}`, `${data}expected/${expected}`])).toEqual({
      passed,
      failed: 0,
    });
  });

  it('decide alike', async () => {
    expect(await runMatchers([`${data}golden/matchers.json`])).toEqual({ passed: 618, failed: 0 });
  });

  it('match patterns as Python does', async () => {
    expect(await runRegex([`${data}golden/regex-corpus.json`, '8'])).toMatchObject({ failed: 0 });
  });
});
