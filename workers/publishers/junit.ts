import { failedInWords, healthOf, readTests } from '../results/tests.ts';
import type { Publish } from './publishing.ts';

/** Failed tests make the build unstable; no tests at all fail it, unless that is allowed. */
export const publishJunit: Publish<'junit'> = async (publisher, publishing) => {
  const tests = await readTests(publishing.collect(publisher.include, []));
  const health = healthOf(tests, publisher.health);
  publishing.note('tests', { ...tests, health });
  const { files, total, failed, skipped } = tests;
  await publishing.say(
    `Tests: ${total} in ${files} files, ${failed} failed, ${skipped} skipped; health ${health}%`,
  );
  for (const { path, why } of tests.broken) {
    await publishing.say(`Tests: ${path} cannot be read: ${why}`);
    publishing.worsen('FAILURE', `the test report ${path} cannot be read: ${why}`);
  }
  if (total === 0 && !publisher.allowEmpty) {
    const what = files === 0 ? 'no file matches' : 'there are no tests in';
    publishing.worsen('FAILURE', `${what} ${publisher.include.join(',')}`);
  }
  if (failed > 0 && publisher.unstable) publishing.worsen('UNSTABLE', failedInWords(tests));
};
