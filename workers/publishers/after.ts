import { jenkinsResult } from '../neighbours.ts';
import { inWords } from '../results/classify.ts';
import type { Publish } from './publishing.ts';

/** PostBuildScript: steps on the node in the build's workspace, after the build, if it has one of these results. */
export const publishAfter: Publish<'after'> = async (publisher, publishing) => {
  const { on, steps, unstable } = publisher;
  const now = jenkinsResult(publishing.verdict().result);
  if (!on.includes(now)) {
    await publishing.say(`Post-build steps are for ${on.join(', ')}: left out`);
    return;
  }
  const exit = await publishing.after('after', steps);
  await publishing.say(`Post-build steps ended after ${inWords(exit.finishedAt - exit.startedAt)}`);
  if (exit.code === 0 && exit.stopped === null) return;
  const how = exit.stopped === null ? `exit code ${exit.code ?? exit.signal}` : exit.stopped;
  publishing.worsen(unstable ? 'UNSTABLE' : 'FAILURE', `post-build step ${exit.step + 1} ended with ${how}`);
};
