import type { CollectedFile } from '../../pipelines/ports.ts';
import { readJunit, type TestCase } from './junit.ts';

/** The tests of a build, from as many files as it wrote. */
export interface TestSummary {
  readonly files: number;
  readonly total: number;
  readonly failed: number;
  readonly skipped: number;
  /** Seconds. */
  readonly time: number;
  /** The first of the failures. */
  readonly failures: readonly { readonly test: string; readonly message?: string }[];
  /** Files that could not be read, and why. */
  readonly broken: readonly { readonly path: string; readonly why: string }[];
}

const shownFailures = 100;

export async function readTests(files: AsyncIterable<CollectedFile>): Promise<TestSummary> {
  const failures: { test: string; message?: string }[] = [];
  const broken: { path: string; why: string }[] = [];
  let count = 0;
  let total = 0;
  let failed = 0;
  let skipped = 0;
  let time = 0;
  for await (const file of files) {
    count += 1;
    const read = await readJunit(file.content);
    if (read.problem !== undefined) broken.push({ path: file.path, why: read.problem });
    for (const test of read.cases) {
      total += 1;
      time += test.time;
      if (test.outcome === 'skipped') skipped += 1;
      if (test.outcome !== 'failed') continue;
      failed += 1;
      if (failures.length < shownFailures) failures.push(failureOf(test));
    }
  }
  return { files: count, total, failed, skipped, time: Math.round(time * 1000) / 1000, failures, broken };
}

function failureOf({ suite, name, message }: TestCase): { test: string; message?: string } {
  return { test: suite === '' ? name : `${suite}.${name}`, ...(message === undefined ? {} : { message }) };
}

/** Jenkins' health of a job in percent: 100 less the share of failed tests, times `scale`. */
export function healthOf({ total, failed }: TestSummary, scale: number): number {
  if (total === 0) return 100;
  return Math.max(0, Math.min(100, Math.round(100 - (100 * scale * failed) / total)));
}

/** `3 of 120 tests failed: a.b, c.d, ...`. */
export function failedInWords({ total, failed, failures }: TestSummary): string {
  const names = failures.slice(0, 3).map((failure) => failure.test);
  const more = failed > names.length ? ', ...' : '';
  return `${failed} of ${total} tests failed: ${names.join(', ')}${more}`;
}
