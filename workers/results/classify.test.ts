import { expect, test } from 'vitest';
import type { ShellExit } from '../../pipelines/ports.ts';
import { classify, inWords } from './classify.ts';

const exit = (more: Partial<ShellExit>): ShellExit => ({
  code: 0,
  step: 0,
  signal: null,
  stopped: null,
  startedAt: 0,
  finishedAt: 0,
  ...more,
});
const build = { steps: ['1: tox', '2: tempest'], timeout: 3_723_000 };

test.each<[Partial<ShellExit>, string, RegExp | undefined]>([
  [{}, 'SUCCESS', undefined],
  [{ code: 0, diskFull: true }, 'SUCCESS', undefined],
  [{ code: 1, step: 1 }, 'FAILURE', /^step 2: tempest ended with exit code 1$/],
  [{ code: 127 }, 'FAILURE', /not there/],
  [{ code: null, signal: 'SIGKILL' }, 'FAILURE', /memory/],
  [{ code: null, signal: 'SIGSEGV' }, 'FAILURE', /SIGSEGV/],
  [{ code: 2, diskFull: true }, 'DISK_FULL', /exit code 2.*disk was full/],
  [{ code: 143, stopped: 'timeout' }, 'TIMED_OUT', /1h 02m 03s/],
  [{ code: 0, stopped: 'cancel' }, 'ABORTED', /cancelled/],
  [{ code: null, signal: 'SIGTERM', stopped: 'output' }, 'FAILURE', /output/],
])('%j is %s', (more, result, detail) => {
  const verdict = classify(exit(more), build);
  expect(verdict.result).toBe(result);
  if (detail === undefined) expect(verdict.detail).toBe(undefined);
  else expect(verdict.detail).toMatch(detail);
});

test('times in words', () => {
  expect([0, 61_000, 3_600_000].map(inWords)).toEqual(['0s', '1m 01s', '1h 00m 00s']);
});
