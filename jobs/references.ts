import type { Builder, JobDefinition } from './definition.ts';
import { didYouMean, type Problem } from './problem.ts';

/** Jobs that others trigger or copy from must be there: a build would find out only when its step begins. */
export function unknownReferences(
  jobs: Readonly<Record<string, JobDefinition>>,
  known: ReadonlySet<string>,
  placeOf: (job: JobDefinition) => Problem['at'],
): Problem[] {
  const problems: Problem[] = [];
  for (const job of Object.values(jobs)) {
    const steps = [
      ...job.builders,
      ...job.publishers.flatMap((each) => (each.kind === 'after' ? each.steps : [])),
    ];
    for (const [verb, name] of steps.flatMap(namesIn)) {
      if (known.has(name)) continue;
      const near = didYouMean(name, [...known]);
      problems.push({
        severity: 'error',
        code: 'unknown-job',
        message: `Job ${JSON.stringify(job.name)} ${verb} job ${JSON.stringify(name)}, which no job file defines.`,
        at: placeOf(job),
        hint: near === undefined ? undefined : `Did you mean "${near}"?`,
      });
    }
  }
  return problems;
}

function namesIn(builder: Builder): (readonly [string, string])[] {
  switch (builder.kind) {
    case 'trigger':
      return builder.jobs.map((name) => ['triggers', name] as const);
    case 'copy':
      return [['copies from', builder.job]];
    case 'conditional':
      return builder.steps.flatMap(namesIn);
    default:
      return [];
  }
}
