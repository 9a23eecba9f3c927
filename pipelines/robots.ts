import type { GerritEvent } from './event.ts';

/** Accounts of a connection, by username, that the site knows better than their names tell. */
export interface KnownAccounts {
  /** CIs whose names do not say so. */
  readonly robots: readonly string[];
  /** People whose names look like a CI's. */
  readonly people: readonly string[];
}

/**
 * Comments of CIs: they quote what people may write ("leave a comment that says recheck"), and two CIs that read each other
 * never stop. A CI is known by what Gerrit's own results tab and OpenStack's rules for third parties ask of it: an account
 * whose full name ends in " CI" (or is Zuul's or Jenkins'), or a report of results in the form that all of them use. What the
 * site says of an account counts more.
 *
 * Answers by what a CI is known; undefined: a person wrote it.
 */
export function robotBy(
  { account, comment }: Pick<GerritEvent, 'account' | 'comment'>,
  { robots, people }: KnownAccounts = { robots: [], people: [] },
): string | undefined {
  const { name = '', username = '' } = account ?? {};
  if (has(robots, username)) return `the site names ${username} among the robots of the connection`;
  if (has(people, username)) return undefined;
  if (name.endsWith(' CI')) return `its full name ${name} ends in " CI"`;
  if (/^(?:zuul|jenkins)$|[-_.]ci$/i.test(username)) return `its username is ${username}`;
  const reports = comment !== undefined && HEADER.test(comment) && RESULT.test(comment);
  return reports ? 'it reports results' : undefined;
}

function has(names: readonly string[], username: string): boolean {
  return username !== '' && names.some((name) => name.toLowerCase() === username.toLowerCase());
}

/** `Build succeeded.`, `Build failed (check pipeline).` at the beginning of a line. */
const HEADER = /^Build [a-z]{1,20}(?: \([\w-]{1,100} pipeline\))?\./m;
/** `- job http://... : SUCCESS in 2m 03s`. */
const RESULT = /^[-*] \S{1,300} (?:\S{1,2000} )?: [A-Z_]{2,40}\b/m;
