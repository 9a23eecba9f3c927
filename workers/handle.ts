import { setTimeout as sleep } from 'node:timers/promises';
import type { Action, ActionKind, ActionOf } from '../pipelines/action.ts';
import type {
  BuildFinished,
  ChangeFetched,
  Fact,
  FactKind,
  MergeFinished,
  NodesAnswered,
  Reported,
} from '../pipelines/event.ts';
import { asFault, backoff, Fault, stopped, stopReason } from '../pipelines/fault.ts';
import type { Clock, Filed, Store, WorkQueue } from '../pipelines/ports.ts';
import { crashpoint } from './crashpoint.ts';

/**
 * Every hand is written as "action in, outcome out"; what makes that safe at every line stands here, once:
 *
 *     claim → begin (durable) → the hand's own work → answer (fact and done mark in one transaction)
 *
 * Killed before `begin`: nothing happened. Killed between: the outbox pushes the action again and the hand runs again under
 * the same id, so a hand must find what it did before (by effects, refs, supervisors). Killed after: `begin` says `done`.
 */

/** What a hand answers, by kind of action; release and mail have nothing to say. */
export interface Outcomes {
  fetch: ChangeFetched['outcome'];
  merge: MergeFinished['outcome'];
  acquire: NodesAnswered['outcome'];
  build: BuildFinished['outcome'];
  report: Reported['outcome'];
  release: void;
  mail: void;
}
/** Kinds that hands do; `cancel` is done by the commit and the queue. */
export type HandKind = keyof Outcomes;

/**
 * Does one action. `signal` aborts when the process ends (let go, throw its reason) or when the action is cancelled
 * (`stopReason(signal)` says why): then undo what runs and answer, or throw the signal's reason if nothing is left to undo.
 * It may be aborted already when the hand is called. What else it throws is tried again later.
 */
export type Hand<K extends HandKind> = (action: ActionOf<K>, signal: AbortSignal) => Promise<Outcomes[K]>;

/** What the hands share. `log` gets one line for each failed try. */
export interface HandOptions {
  readonly store: Store;
  readonly queue: WorkQueue;
  readonly clock: Clock;
  readonly log?: (line: { kind: ActionKind; action: string; error: Fault }) => void;
}

/** Starts a hand: from here on it gets every action of its kind that no other process takes. */
export async function handle<K extends HandKind>(
  options: HandOptions,
  kind: K,
  hand: Hand<K>,
  limits: { concurrency: number },
): Promise<void> {
  await options.queue.consume(
    kind,
    (action, signal) => handleOne(options, kind, hand, action, signal),
    limits,
  );
}

async function handleOne<K extends HandKind>(
  options: HandOptions,
  kind: K,
  hand: Hand<K>,
  action: ActionOf<K>,
  signal: AbortSignal,
): Promise<void> {
  const { id } = action as Action;
  const claim = await options.store.claim(id);
  // Thrown, so that it is looked at again: whoever has it may die.
  if (claim === undefined) throw new Fault('stopped', `another process has ${id} in hand`, { retry: true });
  try {
    await handleClaimed(options, kind, hand, action, AbortSignal.any([signal, claim.lost]));
  } finally {
    await claim.release();
  }
}

async function handleClaimed<K extends HandKind>(
  options: HandOptions,
  kind: K,
  hand: Hand<K>,
  action: ActionOf<K>,
  signal: AbortSignal,
): Promise<void> {
  const { id } = action as Action;
  const begin = await options.store.begin(id);
  if (begin.kind === 'done') return;
  crashpoint(`hand.${kind}.begun`);
  const stop = begin.kind === 'stop' ? AbortSignal.abort(stopped(begin.reason)) : signal;
  try {
    const outcome = await hand(action, stop);
    crashpoint(`hand.${kind}.done`);
    await answer(options, id, filed(kind, id, options.clock.now(), outcome));
    crashpoint(`hand.${kind}.answered`);
  } catch (caught) {
    if (stopReason(stop) !== undefined && isStop(caught, stop)) {
      await answer(options, id, undefined);
      return;
    }
    const error = asFault(caught);
    if (!signal.aborted) options.log?.({ kind, action: id, error });
    throw error;
  }
}

/** The hand said that nothing is left to undo. */
function isStop(caught: unknown, signal: AbortSignal): boolean {
  if (caught === signal.reason) return true;
  if (caught instanceof Fault) return caught.code === 'stopped';
  return caught instanceof Error && caught.name === 'AbortError';
}

/**
 * The hand's work is done, so only its answer is tried again while the database is away: running a hand twice is safe, but
 * dear. When the process ends meanwhile, the next life runs it again.
 */
async function answer(options: HandOptions, action: string, filed: Filed | undefined): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await options.store.answer(action, filed);
      return;
    } catch (caught) {
      const fault = asFault(caught);
      if (!fault.retry || attempt >= 8) throw fault;
      await sleep(backoff(attempt, 100, 5_000, Math.random()));
    }
  }
}

const ANSWERS = {
  fetch: 'ChangeFetched',
  merge: 'MergeFinished',
  acquire: 'NodesAnswered',
  build: 'BuildFinished',
  report: 'Reported',
  release: undefined,
  mail: undefined,
} as const satisfies Record<HandKind, FactKind | undefined>;

function filed<K extends HandKind>(
  kind: K,
  action: string,
  at: number,
  outcome: Outcomes[K],
): Filed | undefined {
  const fact = ANSWERS[kind];
  if (fact === undefined) return undefined;
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the table above pairs each kind with its fact
  return { key: `done/${action}`, fact: { kind: fact, at, action, outcome } as Fact };
}
