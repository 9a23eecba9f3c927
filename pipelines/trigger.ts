import type { GerritEvent } from './event.ts';
import type { GerritTrigger } from './layout.ts';
import { no, type Reason } from './match.ts';
import { match, search } from './pattern.ts';
import type { Quirk } from './quirks.ts';
import { labelKey, signed } from './require.ts';
import { type KnownAccounts, robotBy } from './robots.ts';

const NO_REVISION = '0'.repeat(40);

/**
 * Does a trigger want this event, as far as the event alone can tell (zuul-v2.md 1.2)? All kinds of filters must hold, one
 * entry of each is enough; approvals of the event must all be there. `require-approval` and `reject-approval` need the
 * change and are asked with `approvalsSatisfy`.
 */
export function triggerWants(
  trigger: GerritTrigger,
  event: GerritEvent,
  quirks: readonly string[],
  known?: KnownAccounts,
): true | Reason {
  const reason =
    typeReason(trigger, event, quirks) ??
    refReason(trigger, event) ??
    commentReason(trigger, event, quirks, known) ??
    personReason(trigger, event, quirks) ??
    approvalReason(trigger, event);
  return reason === undefined ? true : no(reason, trigger.place);
}

function has(quirks: readonly string[], quirk: Quirk): boolean {
  return quirks.includes(quirk);
}

function typeReason(
  trigger: GerritTrigger,
  event: GerritEvent,
  quirks: readonly string[],
): string | undefined {
  if (event.connection !== trigger.connection) return `it listens to ${trigger.connection}`;
  const wanted = has(quirks, 'event-prefix')
    ? trigger.events.some((type) => event.type.startsWith(type))
    : trigger.events.includes(event.type);
  return wanted ? undefined : `it waits for ${trigger.events.join(' or ')}`;
}

function refReason(trigger: GerritTrigger, event: GerritEvent): string | undefined {
  const { branches, refs, ignoreDeletes } = trigger;
  const { branch, ref } = event;
  if (branches.length > 0) {
    if (branch === undefined) return 'it is limited to branches, and the event is about none';
    if (!branches.some((pattern) => match(pattern, branch))) {
      return `${branch} is none of its branches: ${branches.join(' or ')}`;
    }
  }
  if (refs.length > 0 && (ref === undefined || !refs.some((pattern) => match(pattern, ref)))) {
    return `${ref ?? 'the event'} is none of its refs: ${refs.join(' or ')}`;
  }
  if (ignoreDeletes && event.newRev === NO_REVISION) return 'the ref was deleted, and deletions are ignored';
  return undefined;
}

function commentReason(
  trigger: GerritTrigger,
  event: GerritEvent,
  quirks: readonly string[],
  known: KnownAccounts | undefined,
): string | undefined {
  if (trigger.comments.length === 0) return undefined;
  const texts = commentTexts(event, quirks);
  if (texts.some((text) => trigger.comments.some((pattern) => search(pattern, text)))) {
    const named = trigger.usernames.length > 0 || trigger.emails.length > 0 || has(quirks, 'hears-other-cis');
    const robot = named ? undefined : robotBy(event, known);
    if (robot === undefined) return undefined;
    const person =
      robot === 'it reports results' ? '' : ' (a person? name the account in `people:` of the connection)';
    return `another CI wrote it, for ${robot}, and what CIs write starts nothing by its text${person}`;
  }
  return texts.length === 0 ? 'the event has no comment' : 'the comment matches none of its patterns';
}

/**
 * The forms of a comment that patterns are tried on. Zuul took the text as Gerrit sends it, so that `(1 comment)` between header
 * and words defeats most of the patterns in use, and patchset-level comments are not seen at all. We also try what
 * the person wrote, alone and under a plain header, so that whatever triggered Zuul triggers us too.
 */
function commentTexts(event: GerritEvent, quirks: readonly string[]): readonly string[] {
  if (has(quirks, 'raw-comments')) return event.comment === undefined ? [] : [event.comment];
  const known = textsOf.get(event);
  if (known !== undefined) return known;
  const texts = allForms(event);
  textsOf.set(event, texts);
  return texts;
}

/** Every trigger of a layout asks for the forms of the same event. */
const textsOf = new WeakMap<GerritEvent, readonly string[]>();

function allForms(event: GerritEvent): string[] {
  const raw = event.comment === undefined ? [] : [event.comment];
  const person = personsText(event);
  if (person === '') return raw;
  const header = event.patchset === undefined ? [] : [`Patch Set ${event.patchset}:\n\n${person}`];
  return [...new Set([...raw, person, ...header])];
}

/**
 * What the person wrote: the comment without Gerrit's `Patch Set 3: Verified+1` header and `(2 comments)` line, followed by the
 * patchset-level comments of the same post. Empty if only votes or inline comments were given.
 */
export function personsText(event: Pick<GerritEvent, 'comment' | 'patchsetComments'>): string {
  const message = (event.comment ?? '').replaceAll('\r\n', '\n');
  const text = afterCommentCount(afterHeader(message));
  return [text, ...(event.patchsetComments ?? [])]
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .join('\n\n');
}

/** The header is Gerrit's first line: `Patch Set 3:`, with the votes of the post. Older Gerrits let words follow at once. */
function afterHeader(message: string): string {
  const end = message.indexOf('\n');
  const line = end < 0 ? message : message.slice(0, end);
  const header = /^Patch Set [0-9]+:/.exec(line);
  if (header === null) return message;
  const words = line.slice(header[0].length).trim();
  const votes = words.split(' ').every((word) => VOTE.test(word));
  return (votes ? '' : words) + message.slice(line.length);
}

/** `Code-Review+1`, `Verified-1`, or `-Verified` for a vote taken back. */
const VOTE = /^(?:[A-Za-z][\w-]*[+-][0-9]+|-[A-Za-z][\w-]*|)$/;

function afterCommentCount(text: string): string {
  return text.replace(/^\s{0,8}\([0-9]+ comments?\)[ \t]*(?=\n|$)/, '');
}

function personReason(
  trigger: GerritTrigger,
  event: GerritEvent,
  quirks: readonly string[],
): string | undefined {
  const { account } = event;
  if (account === undefined && has(quirks, 'nobody-passes')) return undefined;
  const checks = [
    ['e-mail address', trigger.emails, account?.email],
    ['username', trigger.usernames, account?.username],
  ] as const;
  for (const [what, patterns, value] of checks) {
    if (patterns.length === 0) continue;
    if (value === undefined) return `the event names no ${what}`;
    if (!patterns.some((pattern) => search(pattern, value)))
      return `the ${what} ${value} matches none of its patterns`;
  }
  return undefined;
}

function approvalReason(trigger: GerritTrigger, event: GerritEvent): string | undefined {
  const given = event.approvals ?? [];
  const missing = trigger.approvals.find(
    (wanted) =>
      !given.some((vote) => labelKey(vote.label) === labelKey(wanted.label) && vote.value === wanted.value),
  );
  return missing && `the event brings no ${missing.label} ${signed(missing.value)}`;
}
