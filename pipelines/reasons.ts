import type { Item } from './item.ts';
import { own } from './own.ts';
import { jobsOf } from './verdict.ts';

/**
 * Why jobs did not succeed, a line each, for the end of a comment: whoever got a -1 should know without a click whether it is about
 * the change. No line begins with `- `, which is how programs know the lines of jobs.
 */
export function reasonsOf(item: Item): string[] {
  const lines = jobsOf(item).flatMap((job) => {
    const build = own(item.set.builds, job);
    if (build?.phase !== 'done' || build.detail === undefined) return [];
    const sentence = sentenceOf(build.result, oneLine(build.detail));
    return sentence === undefined ? [] : [`${job}: ${sentence}`];
  });
  const more = lines.length - MOST;
  return more > 0 ? [...lines.slice(0, MOST), `(${more} more)`] : lines;
}

const MOST = 10;
const LONGEST = 200;

function sentenceOf(result: string, detail: string): string | undefined {
  switch (result) {
    case 'SUCCESS':
    case 'SKIPPED':
    case 'CANCELED':
      return undefined;
    case 'NODE_FAILURE':
      return `there was no machine for it (${detail}). Not the change's fault.`;
    case 'RETRY_LIMIT':
      return `its machine was lost as often as it may be (${detail}). Not the change's fault.`;
    case 'DISK_FULL':
      return `${detail}. Not the change's fault.`;
    case 'NOT_REGISTERED':
      return `${detail}. The CI's operator must add it.`;
    default:
      return detail;
  }
}

/** Words of jobs and tests may be in it. */
function oneLine(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').trim();
  return line.length <= LONGEST ? line : `${line.slice(0, LONGEST - 1)}…`;
}
