import { z } from 'zod';
import type { Limits } from '../../jobs/definition/publisher.ts';
import { readTests, type TestSummary } from '../results/tests.ts';
import type { Publish, Publishing, Services } from './publishing.ts';

const Counted = z.object({ failed: z.number(), skipped: z.number() });

/** Test reports with thresholds: so many failed or skipped tests, or so many more than last time, are too many. */
export const publishXunit: Publish<'xunit'> = async (publisher, publishing, services) => {
  const summaries: TestSummary[] = [];
  for (const report of publisher.reports) {
    const tests = await readTests(publishing.collect(report.include, []));
    summaries.push(tests);
    const what = report.include.join(',');
    if (tests.files === 0 && !report.skipIfNone)
      publishing.worsen('FAILURE', `no test report matches ${what}`);
    for (const { path, why } of tests.broken) {
      await publishing.say(`Tests: ${path} cannot be read: ${why}`);
      if (report.stopOnError) publishing.worsen('FAILURE', `the test report ${path} cannot be read: ${why}`);
    }
  }
  const sum = (count: (tests: TestSummary) => number) =>
    summaries.reduce((whole, tests) => whole + count(tests), 0);
  const total = sum((tests) => tests.total);
  const failed = sum((tests) => tests.failed);
  const skipped = sum((tests) => tests.skipped);
  const failures = summaries.flatMap((tests) => tests.failures).slice(0, 100);
  publishing.note('tests', { total, failed, skipped, failures });
  await publishing.say(`Tests: ${total}, ${failed} failed, ${skipped} skipped`);
  const before = await publishing.once('tests-before', Counted, () => lastTime(publishing, services));
  const scale = (count: number) => (publisher.percent ? (total === 0 ? 0 : (100 * count) / total) : count);
  judge(
    publishing,
    'failed',
    publisher.failed,
    scale(failed),
    scale(failed - before.failed),
    publisher.percent,
  );
  judge(
    publishing,
    'skipped',
    publisher.skipped,
    scale(skipped),
    scale(skipped - before.skipped),
    publisher.percent,
  );
};

/** A limit that is written is exceeded by more than it; none at all is no limit. */
function judge(
  publishing: Publishing,
  what: string,
  limits: Limits,
  count: number,
  more: number,
  percent: boolean,
): void {
  const rules = [
    ['FAILURE', count, limits.failure, ''],
    ['FAILURE', more, limits.failureNew, 'new '],
    ['UNSTABLE', count, limits.unstable, ''],
    ['UNSTABLE', more, limits.unstableNew, 'new '],
  ] as const;
  for (const [result, value, limit, word] of rules) {
    if (limit === undefined || value <= limit) continue;
    const unit = percent ? '%' : '';
    publishing.worsen(
      result,
      `${Math.round(value * 10) / 10}${unit} ${word}${what} tests, at most ${limit}${unit} may be`,
    );
  }
}

/** The tests of the build before; without one nothing is new. */
async function lastTime({ action }: Publishing, { neighbours }: Services): Promise<z.infer<typeof Counted>> {
  const past = (await neighbours?.past(action.job, 20)) ?? [];
  for (const build of past) {
    if (build.number >= action.number) continue;
    const tests = Counted.safeParse(await neighbours?.tests(build)).data;
    if (tests !== undefined) return tests;
  }
  return { failed: 0, skipped: 0 };
}
