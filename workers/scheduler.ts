import { setTimeout as sleep } from 'node:timers/promises';
import type { Action } from '../pipelines/action.ts';
import type { Fact } from '../pipelines/event.ts';
import { asFault, backoff, Fault } from '../pipelines/fault.ts';
import type { Clock, JournalEntry, Row, SiteConfig, Store, Turn, WorldPatch } from '../pipelines/ports.ts';
import { crashpoint } from './crashpoint.ts';
import type { Dispatch } from './dispatch.ts';
import { ASIDE } from './store/turn.ts';

/**
 * The single writer: lead → load the world → (facts → step → commit → dispatch)*.
 *
 * - The world in memory is always one that was committed. After a commit that failed it is read again.
 * - Several facts make one turn where they wait already; a turn is whole or absent, and its actions leave after the commit.
 * - A fact that the kernel cannot digest is a bug of ours. It is set aside, with its error in the ledger, and the next fact is
 *   taken: one poisonous fact must never stop the CI.
 * - Who loses the leadership stops at once; what it still tries to write, the store refuses (epoch).
 */

/** The kernel as the scheduler sees it (pipelines/step.ts and world.ts); `W` stays closed. */
export interface Kernel<W> {
  emptyWorld(site: string): W;
  worldFrom(rows: readonly Row[], config: SiteConfig | undefined): W;
  /** Digest of the configuration that these rows were planned by. */
  digestOf(rows: readonly Row[]): string | undefined;
  step(world: W, fact: Fact, config?: SiteConfig): Step<W>;
  /** When a Tick is wanted, ms. */
  nextAlarm(world: W): number | undefined;
}

export interface Step<W> {
  readonly world: W;
  readonly actions: readonly Action[];
  readonly note: string;
  readonly patch: WorldPatch;
  readonly history: readonly Row[];
}

export interface SchedulerOptions<W> {
  readonly store: Store;
  readonly dispatch: Dispatch;
  readonly kernel: Kernel<W>;
  readonly clock: Clock;
  /** 16 hex, kept with the database (`Keeper.site`). */
  readonly site: string;
  /** Told each world that was committed, the loaded one first: for views. */
  readonly onWorld?: (world: W) => void;
  /** Told that we lead, once the world is loaded; `reign` aborts when we no longer do. */
  readonly onReign?: (reign: AbortSignal) => void;
  readonly log?: (line: SchedulerLine) => void;
  /** How often everything undone is pushed again, ms. */
  readonly sweepEvery?: number;
}

export type SchedulerLine =
  | { readonly kind: 'leading'; readonly epoch: number }
  | { readonly kind: 'following'; readonly error: Fault }
  | { readonly kind: 'aside'; readonly seq: number; readonly key: string; readonly error: Fault }
  | { readonly kind: 'alarm-stuck'; readonly alarm: number };

/** Most facts of one turn, and how long the kernel may think before what it has is written (ms): latency first. */
const BATCH = 64;
const THINK = 8;
const SWEEP_EVERY = 60_000;
const SWEEP_SOON = 2_000;
/** An alarm that a Tick did not silence rings again after this, ms. */
const ALARM_STUCK = 1_000;

/** Runs until `signal` aborts. Throws only what waiting does not cure. */
export async function runScheduler<W>(options: SchedulerOptions<W>, signal: AbortSignal): Promise<void> {
  let failures = 0;
  while (!signal.aborted) {
    try {
      const lead = await options.store.lead(signal);
      options.log?.({ kind: 'leading', epoch: lead.epoch });
      // Whatever ends the reign ends all that was begun for it.
      const over = new AbortController();
      try {
        const stop = AbortSignal.any([signal, lead.lost, over.signal]);
        await reign(options, lead.epoch, stop, () => {
          failures = 0;
        });
        lead.lost.throwIfAborted();
      } finally {
        over.abort();
        await lead.resign();
      }
    } catch (caught) {
      if (signal.aborted) return;
      const error = asFault(caught);
      if (!error.retry && error.code !== 'leader-lost') throw error;
      options.log?.({ kind: 'following', error });
      failures += 1;
      await sleep(backoff(failures, 100, 10_000, Math.random()), undefined, { signal }).catch(
        () => undefined,
      );
    }
  }
}

async function reign<W>(
  options: SchedulerOptions<W>,
  epoch: number,
  stop: AbortSignal,
  worked: () => void,
): Promise<void> {
  const { store, dispatch, kernel, clock } = options;
  const sweepEvery = options.sweepEvery ?? SWEEP_EVERY;
  let { world } = await load(options);
  options.onWorld?.(world);
  options.onReign?.(stop);
  let sweepAt = clock.now();
  let ticked = Number.NEGATIVE_INFINITY;
  let most = BATCH;
  let sent: Promise<boolean> = Promise.resolve(true);

  function sweep(): void {
    sweepAt = clock.now() + sweepEvery;
    dispatch.sweep().catch((caught: unknown) => {
      sweepAt = Math.min(sweepAt, clock.now() + SWEEP_SOON);
      options.log?.({ kind: 'following', error: asFault(caught) });
    });
  }

  /** Sleeps until facts come, the alarm rings or the sweep is due. */
  async function rest(): Promise<void> {
    const alarm = kernel.nextAlarm(world);
    const ring = alarm === undefined ? undefined : alarm > ticked ? alarm : ticked + ALARM_STUCK;
    if (ring !== undefined && ring <= clock.now()) {
      if (alarm !== undefined && alarm <= ticked) options.log?.({ kind: 'alarm-stuck', alarm });
      ticked = clock.now();
      await store.file([{ key: `tick/${ticked}`, fact: { kind: 'Tick', at: ticked } }]);
      return;
    }
    await store.filed(Math.min(ring ?? sweepAt, sweepAt), stop);
  }

  while (!stop.aborted) {
    if (clock.now() >= sweepAt) sweep();
    const entries = await store.unused(most);
    if (entries.length === 0) {
      most = BATCH;
      await rest();
      continue;
    }
    const turn = await think(options, world, entries);
    if (stop.aborted) return;
    try {
      await store.commit({ epoch, ...turn.write });
      world = turn.world;
    } catch (caught) {
      const error = asFault(caught);
      if (error.retry || error.code === 'leader-lost') throw error;
      const [entry] = entries;
      if (entries.length > 1 || entry === undefined) {
        // One of them cannot be written: find it alone.
        most = 1;
        continue;
      }
      options.log?.({ kind: 'aside', seq: entry.seq, key: entry.key, error });
      await store.commit({ epoch, ...asideTurn(entry, error) });
      continue;
    }
    worked();
    options.onWorld?.(world);
    if (turn.write.actions.length === 0) continue;
    crashpoint('scheduler.dispatch.before');
    if (!(await sent)) sweepAt = Math.min(sweepAt, clock.now() + SWEEP_SOON);
    sent = dispatch.send(turn.write.actions);
  }
  await sent;
}

async function load<W>({ store, kernel, site }: SchedulerOptions<W>): Promise<{ world: W }> {
  const rows = await store.world();
  if (rows.length === 0) return { world: kernel.emptyWorld(site) };
  const digest = kernel.digestOf(rows);
  const config = digest === undefined ? undefined : await store.config(digest);
  if (digest !== undefined && config === undefined) {
    throw new Fault('bug', `the world was planned by configuration ${digest}, which is not stored`);
  }
  return { world: kernel.worldFrom(rows, config) };
}

/** Steps through the entries until they end or the time for thinking is over; at least one. */
async function think<W>(
  options: SchedulerOptions<W>,
  before: W,
  entries: readonly JournalEntry[],
): Promise<{ world: W; write: Omit<Turn, 'epoch'> }> {
  const { kernel, store } = options;
  const since = performance.now();
  const used: { seq: number; note: string }[] = [];
  const steps: Step<W>[] = [];
  let world = before;
  for (const entry of entries) {
    const { fact } = entry;
    try {
      const config = fact.kind === 'Configured' ? await store.config(fact.digest) : undefined;
      if (fact.kind === 'Configured' && config === undefined) {
        throw new Fault('bug', `configuration ${fact.digest} is not stored`);
      }
      const step = kernel.step(world, fact, config);
      world = step.world;
      steps.push(step);
      used.push({ seq: entry.seq, note: step.note });
    } catch (caught) {
      const error = asFault(caught);
      if (error.retry) throw error;
      options.log?.({ kind: 'aside', seq: entry.seq, key: entry.key, error });
      used.push({ seq: entry.seq, note: `${ASIDE}${error.message}` });
    }
    if (performance.now() - since > THINK) break;
  }
  return {
    world,
    write: {
      used,
      world: joinPatches(steps.map((step) => step.patch)),
      actions: steps.flatMap((step) => step.actions),
      history: steps.flatMap((step) => step.history),
    },
  };
}

function asideTurn(entry: JournalEntry, error: Fault): Omit<Turn, 'epoch'> {
  return {
    used: [{ seq: entry.seq, note: `${ASIDE}${error.message}` }],
    world: { put: [], drop: [] },
    actions: [],
    history: [],
  };
}

/** One patch that does what `patches` do one after the other. */
export function joinPatches(patches: readonly WorldPatch[]): WorldPatch {
  const [only] = patches;
  if (patches.length === 1 && only !== undefined) return only;
  const put = new Map<string, Row>();
  const drop = new Map<string, { readonly table: string; readonly key: string }>();
  for (const patch of patches) {
    for (const row of patch.drop) {
      put.delete(`${row.table}\n${row.key}`);
      drop.set(`${row.table}\n${row.key}`, row);
    }
    for (const row of patch.put) {
      drop.delete(`${row.table}\n${row.key}`);
      put.set(`${row.table}\n${row.key}`, row);
    }
  }
  return { put: [...put.values()], drop: [...drop.values()] };
}
