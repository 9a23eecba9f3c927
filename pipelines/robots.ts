import type { GerritEvent } from './event.ts';

/**
 * Comments of CIs: they quote what people may write ("leave a comment that says recheck"), and two CIs that read each other
 * never stop. A CI is known by what Gerrit's own results tab and OpenStack's rules for third parties ask of it: an account
 * whose full name ends in " CI" (or is Zuul's or Jenkins'), or a report of results in the form that all of them use.
 */
export function isByRobot({ account, comment }: Pick<GerritEvent, 'account' | 'comment'>): boolean {
  const { name = '', username = '' } = account ?? {};
  if (name.endsWith(' CI') || /^(?:zuul|jenkins)$|[-_.]ci$/i.test(username)) return true;
  return comment !== undefined && HEADER.test(comment) && RESULT.test(comment);
}

/** `Build succeeded.`, `Build failed (check pipeline).` at the beginning of a line. */
const HEADER = /^Build [a-z]{1,20}(?: \([\w-]{1,100} pipeline\))?\./m;
/** `- job http://... : SUCCESS in 2m 03s`. */
const RESULT = /^[-*] \S{1,300} (?:\S{1,2000} )?: [A-Z_]{2,40}\b/m;
