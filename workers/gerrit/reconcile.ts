import { setTimeout as sleep } from 'node:timers/promises';
import type { GerritEvent } from '../../pipelines/event.ts';
import { asFault, backoff, Fault } from '../../pipelines/fault.ts';
import type { Filed, Ledger, LedgerEvent, Sweep } from '../../pipelines/ports.ts';
import { crashpoint } from '../crashpoint.ts';
import { naturalKey } from './event.ts';
import { missingFrom, provenEvents, sameHappening } from './missed.ts';
import { anyOf, isProjectName, type Query } from './query.ts';
import type { WireChange } from './schema.ts';
import type { GerritSettings } from './settings.ts';

/**
 * The proof that no event was missed. A stream of events loses some: cuts, drops, restarts of either side. What happened does
 * not get lost: it is in the changes. So on every start and reconnect, when Gerrit says that it dropped events, and every
 * few minutes for no reason, we ask for the changes touched since the last proven time, compare with the ledger, and file what
 * is missing as facts that say how we know (`via: 'reconcile'`).
 *
 * Two clocks meet here. `-age:` is judged by Gerrit's clock, times in the answer are Gerrit's, our window is ours. An overlap
 * of minutes makes small differences harmless, because what is known already is never filed again; a large one is read
 * off the events that arrive.
 *
 * A query may know of an event that is still under way to us on a healthy stream. What seems missing therefore gets a moment
 * to arrive; and if it arrives even later, `keyOf` gives it the key under which it was filed.
 */
export interface Reconciler extends AsyncDisposable {
  /** Wishes for a sweep soon; wishes made while one runs become one. */
  request(reason: string): void;
  /** The ledger key for an event of the stream: its own, or that of the fact which a sweep filed for it. */
  keyOf(event: GerritEvent): string;
  /** The newest record, also of a failed sweep. */
  last(): Sweep | undefined;
  /** Resolves after the next sweep that begins from now on. */
  next(reason: string): Promise<Sweep>;
}

export interface ReconcilerOptions {
  readonly settings: GerritSettings;
  readonly query: Query;
  readonly ledger: Ledger;
  readonly file: (facts: readonly Filed[]) => Promise<number>;
  /** Watched projects. */
  readonly projects: () => readonly string[];
  /** Resolves when every event that reached us is in the ledger. */
  readonly settled: () => Promise<void>;
  /** Since when the stream stands; undefined while it is down. */
  readonly streamSince: () => number | undefined;
  readonly onSwept: (sweep: Sweep) => void;
  /** A stream that stands did not bring these. */
  readonly onMute: (missing: readonly GerritEvent[]) => void;
  readonly onTrouble: (what: string, fault: Fault) => void;
  readonly now?: () => number;
  readonly random?: () => number;
}

const SWEEP_FLAGS = '--patch-sets --current-patch-set --comments';
/** Seconds added to the age asked for, so that clocks may differ. */
const CLOCK_SLACK = 60;
/** ms before a stream was open in which an event may have been made for it. */
const STREAM_SLACK = 2_000;
/** A stream is called mute for what it did not bring in so many ms. */
const MUTE_AFTER = 10_000;
const PROJECTS_PER_QUERY = 40;
/** Changes with all their messages are large; a page of Gerrit's usual 500 could be too long to take. */
const PER_PAGE = 100;
/** With more projects than this the question is asked without them and the answer is filtered here. */
const MANY_PROJECTS = 200;
const HOUR = 3_600_000;

export function openReconciler(options: ReconcilerOptions): Reconciler {
  const { settings, query, ledger, file, now = Date.now, random = Math.random } = options;
  const { connection } = settings;
  const closing = new AbortController();
  const waiting: { reason: string; resolve?: (sweep: Sweep) => void; reject?: (fault: Fault) => void }[] = [];
  /** Keys held for what sweeps filed or are about to file. */
  let reserved: LedgerEvent[] = [];
  /** Those of the sweep that runs. */
  let held: LedgerEvent[] = [];
  let lastSweep: Sweep | undefined;
  /** How far Gerrit's clock is ahead of ours, ms; 0 for less than a minute, undefined before the first event. */
  let skew: number | undefined;
  let wake: () => void = () => undefined;

  /** The proven time to go on from; on the very first start this moment, written down so that it stays. */
  async function proven(): Promise<Sweep> {
    lastSweep ??= (await ledger.sweeps(connection, 1))[0];
    if (lastSweep !== undefined) return lastSweep;
    const origin = now() - settings.lookBack;
    const none = { asked: 0, found: 0, missed: 0, filed: 0 };
    const first: Sweep = { connection, reason: 'origin', origin, from: origin, to: origin, ...none };
    await ledger.swept(first);
    lastSweep = first;
    return first;
  }

  async function touched(from: number, until: number): Promise<WireChange[]> {
    const projects = options.projects().filter(isProjectName);
    if (projects.length === 0) return [];
    const age = `-age:${Math.ceil((until - from) / 1000) + CLOCK_SLACK}s limit:${PER_PAGE}`;
    const wanted = new Set(projects);
    const rows = new Map<string, WireChange>();
    for (const terms of questions(projects, age)) {
      for (const row of await query(terms, SWEEP_FLAGS, closing.signal)) {
        if (row.number !== undefined && wanted.has(row.project ?? '')) rows.set(row.number, row);
      }
    }
    return [...rows.values()];
  }

  async function known(numbers: readonly string[], from: number): Promise<LedgerEvent[]> {
    const margin = skew === undefined ? 25 * HOUR : HOUR;
    return numbers.length === 0 ? [] : await ledger.events(connection, numbers, from - margin);
  }

  async function compare(reason: string, before: Sweep): Promise<Sweep> {
    const startedAt = now();
    const streamSince = options.streamSince();
    const oldest = startedAt - settings.reconcileMost;
    const from = Math.max(before.origin, before.to - settings.reconcileOverlap, oldest);
    const rows = await touched(from, startedAt);
    const proof = rows.flatMap((row) => provenEvents(row, connection, from + (skew ?? 0), now()));
    const numbers = [...new Set(proof.flatMap(({ number }) => number ?? []))];
    const ledgered = await known(numbers, from);
    const suspects = missingFrom(ledgered, proof);
    const missing = suspects.length === 0 ? [] : await stillMissing(suspects, ledgered, proof, from);
    const facts = missing.map(({ key, fact }): Filed => ({ key, fact: { ...fact, at: now() } }));
    crashpoint('intake.sweep.before');
    const filed = facts.length === 0 ? 0 : await file(facts);
    crashpoint('intake.sweep.after');
    const mute = streamSince !== undefined && streamSince === options.streamSince();
    const heardFrom = (streamSince ?? 0) + (skew ?? 0) + STREAM_SLACK;
    const dueBy = startedAt + (skew ?? 0) - MUTE_AFTER;
    const unheard = missing
      .map(({ fact }) => fact)
      .filter(({ createdOn = 0 }) => mute && createdOn * 1_000 > heardFrom && createdOn * 1_000 < dueBy);
    if (unheard.length > 0) options.onMute(unheard);
    return {
      connection,
      reason,
      origin: before.origin,
      from,
      to: startedAt,
      asked: rows.length,
      found: proof.length,
      missed: missing.length,
      filed,
    };
  }

  /**
   * Gives what seems missing a moment to arrive, then looks again. The keys are reserved first: an event that arrives at
   * any time from here on is filed under the key that we would use, so there is no moment in which both could be new.
   */
  async function stillMissing(
    suspects: readonly GerritEvent[],
    ledgered: readonly LedgerEvent[],
    proof: readonly GerritEvent[],
    from: number,
  ): Promise<LedgerEvent[]> {
    reserved = reserved.filter(({ fact }) => fact.at > now() - HOUR);
    const taken = new Set([...ledgered, ...reserved].map(({ key }) => key));
    held = suspects.map((fact) => ({ key: freeKey(fact, taken), fact }));
    reserved.push(...held);
    const since = options.streamSince();
    // Gerrit replays nothing, so what happened before the stream stood is not under way.
    const listening = since === undefined ? Number.POSITIVE_INFINITY : since + (skew ?? 0) - STREAM_SLACK;
    if (suspects.some(({ createdOn }) => (createdOn ?? 0) * 1_000 > listening))
      await sleep(settings.reconcileGrace, undefined, { signal: closing.signal });
    await options.settled();
    const numbers = [...new Set(suspects.flatMap(({ number }) => number ?? []))];
    const about = proof.filter(({ number }) => number !== undefined && numbers.includes(number));
    const missing = missingFrom(await known(numbers, from), about);
    reserved = reserved.filter((entry) => !held.includes(entry) || missing.includes(entry.fact));
    return held.filter(({ fact }) => missing.includes(fact));
  }

  /** One sweep, recorded; throws the Fault it failed with after recording that. */
  async function sweep(reason: string): Promise<Sweep> {
    const before = await proven();
    held = [];
    try {
      const done = await compare(reason, before);
      await ledger.swept(done);
      lastSweep = done;
      return done;
    } catch (caught) {
      const fault = asFault(caught);
      reserved = reserved.filter((entry) => !held.includes(entry));
      if (closing.signal.aborted) throw fault;
      const { from, to, failed } = before;
      const none = { asked: 0, found: 0, missed: 0, filed: 0 };
      const record = { connection, reason, origin: before.origin, from, to, ...none, failed: fault.message };
      lastSweep = record;
      // One record tells of an outage; the attempts after it add nothing.
      if (failed === undefined) await ledger.swept(record);
      throw fault;
    }
  }

  async function run(): Promise<void> {
    let failures = 0;
    // The first start is written down at once: what happens from here on counts, even while Gerrit is away.
    await proven().catch((caught: unknown) => options.onTrouble('reconcile', asFault(caught)));
    while (!closing.signal.aborted) {
      const wait = failures === 0 ? settings.reconcileInterval : retryIn(failures);
      if (waiting.length === 0 || failures > 0) await woken(wait, failures === 0);
      if (closing.signal.aborted) break;
      const wishes = waiting.splice(0);
      try {
        const done = await sweep(wishes[0]?.reason ?? 'timer');
        failures = 0;
        options.onSwept(done);
        for (const wish of wishes) wish.resolve?.(done);
      } catch (caught) {
        const fault = asFault(caught);
        failures += 1;
        if (!closing.signal.aborted) options.onTrouble('reconcile', fault);
        for (const wish of wishes) wish.reject?.(fault);
        waiting.unshift(...wishes.filter((wish) => wish.reject === undefined));
      }
    }
    for (const wish of waiting.splice(0)) wish.reject?.(new Fault('stopped', 'reconciliation is closed'));
  }

  function retryIn(failures: number): number {
    return backoff(failures, settings.reconnectFirst, settings.reconcileInterval, random());
  }

  async function woken(ms: number, byWishes: boolean): Promise<void> {
    const early = new AbortController();
    if (byWishes) wake = () => early.abort();
    const signal = AbortSignal.any([early.signal, closing.signal]);
    await sleep(ms, undefined, { signal }).catch(() => undefined);
    wake = () => undefined;
  }

  function wish(entry: (typeof waiting)[number]): void {
    waiting.push(entry);
    wake();
  }

  const running = run();
  return {
    request: (reason) => wish({ reason }),
    keyOf(event) {
      if (event.createdOn !== undefined) {
        const ahead = event.createdOn * 1_000 - event.at;
        skew = Math.abs(ahead) < 60_000 ? 0 : ahead;
      }
      const twin = reserved.find(({ fact }) => sameHappening(event, fact));
      if (twin === undefined) return naturalKey(event);
      reserved = reserved.filter((entry) => entry !== twin);
      return twin.key;
    },
    last: () => lastSweep,
    next: (reason) =>
      new Promise<Sweep>((resolve, reject) => {
        if (closing.signal.aborted) reject(new Fault('stopped', 'reconciliation is closed'));
        else wish({ reason, resolve, reject });
      }),
    async [Symbol.asyncDispose]() {
      closing.abort();
      await running;
    },
  };
}

/** The event's own key; another one where other words already lie under it. What is named by its key keeps it. */
function freeKey(event: GerritEvent, taken: Set<string>): string {
  const own = naturalKey(event);
  let key = own;
  for (let n = 2; event.type === 'comment-added' && taken.has(key); n++) key = `${own}/${n}`;
  taken.add(key);
  return key;
}

/** `(project:{a} OR project:{b}) -age:600s`, in bites; never a leading dash, which Gerrit would read as an option. */
function questions(projects: readonly string[], age: string): string[] {
  if (projects.length > MANY_PROJECTS) return [`(is:open OR is:closed) ${age}`];
  const bites: string[] = [];
  for (let at = 0; at < projects.length; at += PROJECTS_PER_QUERY) {
    const names = projects.slice(at, at + PROJECTS_PER_QUERY).map((name) => `project:{${name}}`);
    bites.push(`${anyOf(names)} ${age}`);
  }
  return bites;
}
