import type { JobDefinition } from '../jobs/definition.ts';
import type { Neighbours } from './neighbours.ts';

/** ms that no build's limit falls below, however fast the last ones were. */
const least = 60_000;

/**
 * The limit of a build by what the last ones took, ms: some percent of the mean of the last successful ones (`elastic`), or
 * ten times the mean of three (`likely-stuck`, Jenkins' own rule). Undefined: what the job says holds.
 */
export async function limitByHistory(
  job: JobDefinition,
  neighbours: Neighbours | undefined,
): Promise<number | undefined> {
  const strategy = job.timeout?.strategy;
  if (neighbours === undefined || strategy === undefined) return undefined;
  if (strategy.kind !== 'elastic' && strategy.kind !== 'likely-stuck') return undefined;
  const [percent, builds] = strategy.kind === 'elastic' ? [strategy.percent, strategy.builds] : [1000, 3];
  const took = (await neighbours.past(job.name, 100))
    .filter((build) => ['SUCCESS', 'UNSTABLE'].includes(build.result))
    .flatMap((build) => (build.startedAt === undefined ? [] : [build.finishedAt - build.startedAt]))
    .slice(0, builds);
  if (took.length === 0) return undefined;
  const mean = took.reduce((sum, each) => sum + each, 0) / took.length;
  return Math.max(least, Math.round((mean * percent) / 100));
}
