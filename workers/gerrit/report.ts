import { z } from 'zod';
import type { ReportAction } from '../../pipelines/action.ts';
import { Reported } from '../../pipelines/event.ts';
import { asFault, Fault } from '../../pipelines/fault.ts';
import type { Store } from '../../pipelines/ports.ts';
import { crashpoint } from '../crashpoint.ts';
import type { Branches } from '../git/branches.ts';
import { pause } from './pause.ts';
import { deadlineFrom } from './punctual.ts';
import { countOurs, isLabelName, labelName, remedyFor, reviewInput, signed, unkept } from './review.ts';
import type { GerritSettings } from './settings.ts';
import { differenceAfter, standOf } from './submit.ts';
import type { ReviewInput, Said, Talk, Target, Transport } from './transport.ts';

/**
 * `report`: said once, whatever dies in between.
 *
 * Order: look what stands on the change already and write that down → post → write down that it is posted. If the end of a
 * post is not known (connection cut, deadline, our own death), nothing is sent again before Gerrit was asked whether it
 * stands there. Gerrit's reads may lag, and a server may still be at work on what we gave up waiting for, so a post
 * counts as lost only after it stayed invisible for `readBack`.
 *
 * A process may be stopped for any time between any two lines while another takes over. So a post leaves within `postWithin`
 * after its record was written, which only its owner can do; who takes over lets `postWithin` and `readBack` pass before it posts.
 * What stays possible, and why, is in docs/operating.md.
 *
 * A submit needs no such care to be safe (a change merges once), but its answer lies at times in both directions; the
 * status of the change decides. Around it the branch is compared with what was tested (submit.ts).
 */
export type Effects = Pick<Store, 'effect' | 'saveEffect'>;

const Effect = z.discriminatedUnion('phase', [
  z.object({ phase: z.literal('posting'), baseline: z.number(), at: z.number() }),
  /** `before`: the tip of its branch just before. */
  z.object({ phase: z.literal('submitting'), note: z.string().optional(), before: z.string().optional() }),
  z.object({ phase: z.literal('done'), outcome: Reported.shape.outcome }),
]);
type Effect = z.infer<typeof Effect>;
type Outcome = Reported['outcome'];
type Submitting = Extract<Effect, { phase: 'submitting' }>;

const ATTEMPTS = 3;
/** Rounds in which Gerrit may refuse one label after the other, or a length. */
const REMEDIES = 12;

export interface ReportContext {
  readonly transport: Transport;
  readonly effects: Effects;
  readonly settings: Pick<GerritSettings, 'user' | 'readBack' | 'postWithin'>;
  /** Without them a submit is asked for unchecked. */
  readonly branches?: Branches | undefined;
  readonly now?: () => number;
}

export async function postReport(
  action: ReportAction,
  context: ReportContext,
  signal: AbortSignal,
): Promise<Outcome> {
  const saved = Effect.safeParse(await context.effects.effect(action.id));
  const effect = saved.success ? saved.data : undefined;
  if (effect?.phase === 'done') return effect.outcome;
  if (effect?.phase === 'submitting') return await finish(action, context, effect.note, effect, signal);
  if (action.submit && effect === undefined) {
    // Before anything is said: a success that must be tested again is no success.
    const stand = await standOf(action, context.branches, signal);
    if (stand.kind === 'moved') return await settle(action, context, stand);
  }
  const posted = await post(action, context, effect, signal);
  if (posted.kind === 'refused') return await settle(action, context, posted);
  const note = posted.notes.length === 0 ? undefined : posted.notes.join('; ');
  if (!posted.current) return await settle(action, context, answer(action.submit ? false : undefined, note));
  return await finish(action, context, note, undefined, signal);
}

async function settle(action: ReportAction, context: ReportContext, outcome: Outcome): Promise<Outcome> {
  await save(action, context, { phase: 'done', outcome });
  return outcome;
}

async function save(action: ReportAction, context: ReportContext, effect: Effect): Promise<void> {
  crashpoint('report.record.before');
  await context.effects.saveEffect(action.id, effect);
  crashpoint('report.record.after');
}

type Posted =
  | { readonly kind: 'posted'; readonly notes: readonly string[]; readonly current: boolean }
  | { readonly kind: 'refused'; readonly reason: string };

async function post(
  action: ReportAction,
  context: ReportContext,
  before: Extract<Effect, { phase: 'posting' }> | undefined,
  signal: AbortSignal,
): Promise<Posted> {
  const { transport, settings, now = Date.now } = context;
  // A change that a lagging query does not show yet is asked for again; one that is gone stays away.
  const talk = await look(action, context, now() + settings.readBack, () => true, signal);
  if (talk === undefined)
    return { kind: 'refused', reason: `Gerrit knows no change ${action.number}, or does not show it to us` };
  const { labels, notes, current } = allowedVotes(action, talk);
  let input = reviewInput(action, labels);
  if (input.message === undefined && input.labels === undefined)
    return { kind: 'posted', notes: [...notes, 'there was nothing to say'], current };
  const count = (seen: Talk) => countOurs(seen, settings.user, action.patchset, input);
  const baseline = before?.baseline ?? count(talk);
  /** Set while a post may have happened: until then it may become visible. */
  // Counted from now and not from what is written there: whoever wrote it may have had another clock, and may be on its way yet.
  let doubt: number | undefined =
    before === undefined ? undefined : now() + settings.postWithin + settings.readBack;
  let trouble: Fault | undefined;
  const posted = async (): Promise<Posted> => {
    const said = await readBack(action, context, input, (seen) => count(seen) - baseline, signal);
    return { kind: 'posted', notes: [...notes, ...said], current };
  };
  for (let attempt = 1, remedies = 0; attempt <= ATTEMPTS; attempt++) {
    if (
      doubt !== undefined &&
      (await standsThere(action, context, doubt, (seen) => count(seen) > baseline, signal))
    )
      return await posted();
    const begin = async () => {
      const punctual = deadlineFrom(settings.postWithin);
      await save(action, context, { phase: 'posting', baseline, at: now() });
      return punctual.check;
    };
    const said = await attemptTo('report.post', () =>
      transport.review(targetOf(action), input, signal, begin),
    );
    if (said instanceof Fault) {
      trouble = said;
      doubt = now() + settings.readBack;
      continue;
    }
    if (said.kind === 'done') return await posted();
    doubt = undefined;
    const changed = remedies < REMEDIES ? remedied(action, input, said.text) : undefined;
    if (changed === undefined) return { kind: 'refused', reason: said.text };
    remedies += 1;
    attempt -= 1;
    input = changed.input;
    notes.push(...changed.notes);
    if (input.message === undefined && input.labels === undefined)
      return { kind: 'refused', reason: said.text };
  }
  throw trouble ?? new Fault('gerrit-away', 'the report could not be posted', { retry: true });
}

/**
 * What Gerrit made of a post: it forgets a vote whose value its label does not have without a word. `more` counts our posts
 * since the first look. A look that fails costs nothing but this sentence.
 */
async function readBack(
  action: ReportAction,
  context: ReportContext,
  { labels = {} }: ReviewInput,
  more: (talk: Talk) => number,
  signal: AbortSignal,
): Promise<string[]> {
  if (Object.keys(labels).length === 0) return [];
  const { now = Date.now, settings } = context;
  const until = now() + settings.readBack;
  try {
    const talk = await look(action, context, until, (seen) => more(seen) > 0, signal);
    if (talk === undefined) return [];
    const twice =
      more(talk) > 1 ? ['it stands there twice: Gerrit showed the first only after `read-back`'] : [];
    const lost = talk.currentPatchset === action.patchset ? unkept(talk, settings.user, labels) : {};
    const forgotten =
      Object.keys(lost).length === 0
        ? []
        : [`Gerrit took the comment and not ${votesText(lost)}: the label may not have this value here`];
    return [...twice, ...forgotten];
  } catch (caught) {
    signal.throwIfAborted();
    const { retry } = asFault(caught);
    if (retry) return [];
    throw caught;
  }
}

/** Votes that make sense on this change as it is now; an outdated patchset gets words only (votes could be copied on). */
function allowedVotes(
  action: ReportAction,
  talk: Talk,
): { labels: Record<string, number>; notes: string[]; current: boolean } {
  const notes: string[] = [];
  const entries = Object.entries(action.labels).map(([name, value]) => [labelName(name), value] as const);
  const legal = entries.filter(([name, value]) => isLabelName(name) && Number.isInteger(value));
  if (legal.length < entries.length) notes.push('a vote under an impossible label name was left out');
  const labels = Object.fromEntries(legal);
  const current = !(Number(talk.currentPatchset ?? 0) > Number(action.patchset));
  const why = !current
    ? `patchset ${action.patchset} is out of date`
    : talk.status === 'ABANDONED'
      ? 'the change is abandoned'
      : undefined;
  if (why === undefined || legal.length === 0) return { labels, notes, current };
  notes.push(`${votesText(labels)} was not voted: ${why}`);
  return { labels: {}, notes, current };
}

function remedied(
  action: ReportAction,
  input: ReviewInput,
  text: string,
): { input: ReviewInput; notes: string[] } | undefined {
  const labels = input.labels ?? {};
  const remedy = remedyFor(text, Object.keys(labels));
  if (remedy === undefined) return undefined;
  if (remedy.kind === 'shorten') {
    const shorter = reviewInput(action, labels, Math.min(remedy.most, (input.message?.length ?? 0) - 1));
    return { input: shorter, notes: [] };
  }
  const kept = Object.fromEntries(Object.entries(labels).filter(([label]) => !remedy.labels.includes(label)));
  const lost = Object.fromEntries(Object.entries(labels).filter(([label]) => remedy.labels.includes(label)));
  return { input: reviewInput(action, kept), notes: [`${votesText(lost)} was refused: ${text}`] };
}

function votesText(labels: Readonly<Record<string, number>>): string {
  return Object.entries(labels)
    .map(([label, value]) => label + signed(value))
    .join(', ');
}

/** The rest of a report that is posted: nothing, or the submit, which may have been begun before we died. */
async function finish(
  action: ReportAction,
  context: ReportContext,
  note: string | undefined,
  begun: Submitting | undefined,
  signal: AbortSignal,
): Promise<Outcome> {
  if (!action.submit) return await settle(action, context, answer(undefined, note));
  const { transport, settings, branches, now = Date.now } = context;
  const merged = (talk: Talk) => talk.status === 'MERGED';
  const say = (outcome: boolean, more?: string, alarm?: string) =>
    settle(
      action,
      context,
      answer(outcome, [note, more].filter((part) => part !== undefined).join('; '), alarm),
    );
  let before = begun?.before;
  const done = async (more?: string) =>
    await say(true, more, await differenceAfter(action, before, branches, signal));
  if (begun === undefined) {
    const talk = await transport.talk(action.number, signal);
    if (talk !== undefined && merged(talk)) return await say(true, 'it was merged already');
    const stand = await standOf(action, branches, signal);
    if (stand.kind === 'moved') return await settle(action, context, stand);
    before = stand.tip?.commit;
    await save(action, context, {
      phase: 'submitting',
      ...(note === undefined ? {} : { note }),
      ...(before === undefined ? {} : { before }),
    });
  } else if (await standsThere(action, context, now(), merged, signal)) return await done();
  let trouble: Fault | undefined;
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const said = await attemptTo('report.submit', () => transport.submit(targetOf(action), signal));
    // A refusal is believed after a short look, a success or an unknown end after a long one.
    const refused = !(said instanceof Fault) && said.kind === 'refused';
    const contradicts = refused && !/\bis merged\b/.test(said.text);
    const patience = contradicts ? Math.min(1_000, settings.readBack) : settings.readBack;
    if (await standsThere(action, context, now() + patience, merged, signal))
      return await done(refused ? `Gerrit said: ${said.text}` : undefined);
    if (refused) return await say(false, said.text);
    if (!(said instanceof Fault))
      return await say(false, 'Gerrit took the submit, but the change is not merged');
    trouble = said;
  }
  throw trouble ?? new Fault('gerrit-away', 'the change could not be submitted', { retry: true });
}

/** Runs an outside step; a Fault that leaves its end unknown is answered, others are thrown. */
async function attemptTo(name: string, step: () => Promise<Said>): Promise<Said | Fault> {
  crashpoint(`${name}.before`);
  try {
    return await step();
  } catch (caught) {
    const fault = asFault(caught);
    if (fault.code === 'gerrit-away' || fault.code === 'deadline') return fault;
    throw fault;
  } finally {
    crashpoint(`${name}.after`);
  }
}

/** After an outside step: does Gerrit show it? */
async function standsThere(
  action: ReportAction,
  context: ReportContext,
  until: number,
  shown: (talk: Talk) => boolean,
  signal: AbortSignal,
): Promise<boolean> {
  crashpoint('report.readback.before');
  const talk = await look(action, context, until, shown, signal);
  crashpoint('report.readback.after');
  return talk !== undefined;
}

/** Looks until the change looks as wanted, at least once, at most until `until`. */
async function look(
  action: ReportAction,
  { transport, now = Date.now }: ReportContext,
  until: number,
  wanted: (talk: Talk) => boolean,
  signal: AbortSignal,
): Promise<Talk | undefined> {
  for (let wait = 50; ; wait = Math.min(1_000, wait * 2)) {
    const talk = await transport.talk(action.number, signal);
    if (talk !== undefined && wanted(talk)) return talk;
    if (now() >= until) return undefined;
    await pause(Math.min(wait, until - now()), signal, 'the report');
  }
}

function targetOf({ project, number, patchset }: ReportAction): Target {
  return { project, number, patchset };
}

function answer(merged: boolean | undefined, note: string | undefined, alarm?: string): Outcome {
  return {
    kind: 'posted',
    ...(merged === undefined ? {} : { merged }),
    ...(note === undefined || note === '' ? {} : { note }),
    ...(alarm === undefined ? {} : { alarm }),
  };
}
