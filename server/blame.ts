import type { Blame, Excerpt } from './contract.ts';

/**
 * Whose fault it is, by the word for the result. Only a job that ran to its own end says something about a change; the rest
 * is the CI's, or somebody's wish. Undefined for a success and for what has not ended.
 */
export function blameFor(
  result: string | null,
  detail: string | null,
  telling: Excerpt['telling'] = [],
): Blame | undefined {
  const why = detail === null ? '' : ` (${detail})`;
  switch (result) {
    case null:
    case 'SUCCESS':
      return undefined;
    case 'FAILURE':
    case 'UNSTABLE': {
      const [setup] = telling;
      if (setup !== undefined && telling.every(({ kind }) => kind === 'setup'))
        return {
          who: 'unclear',
          text: `What the tests need did not come up, and no test said no: ${setup.text}. The change, or the machine and its network: see line ${setup.line}.`,
        };
      return {
        who: 'change',
        text: `The job ran and said no${why}. Most likely the change, or a test that fails now and then.`,
      };
    }
    case 'POST_FAILURE':
      return { who: 'job', text: `The job's steps succeeded; what comes after them did not${why}.` };
    case 'TIMED_OUT':
      return {
        who: 'unclear',
        text: `It took too long${why}: the change hangs, or the machine was slow. Compare with its usual time.`,
      };
    case 'MERGER_FAILURE':
    case 'MERGE_FAILURE':
      return { who: 'change', text: `It does not merge with its branch${why}; it must be rebased.` };
    case 'ABORTED':
    case 'CANCELED':
      return { who: 'person', text: `It was stopped${why}, so it says nothing about the change.` };
    case 'SKIPPED':
      return { who: 'job', text: `It did not run, since a job it needs did not succeed${why}.` };
    case 'DISK_FULL':
      return {
        who: 'ci',
        text: `The machine's disk was full${why}. Not the change's fault; free some space.`,
      };
    case 'NODE_FAILURE':
      return { who: 'ci', text: `There was no machine for it${why}. Not the change's fault.` };
    case 'RETRY_LIMIT':
    case 'LOST':
      return { who: 'ci', text: `Its machine was lost, again and again${why}. Not the change's fault.` };
    case 'NOT_REGISTERED':
      return { who: 'ci', text: `No job file defines it${why}. The operator must add it.` };
    default:
      return { who: 'unclear', text: `It ended with ${result}${why}.` };
  }
}
