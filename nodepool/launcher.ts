import { setMaxListeners } from 'node:events';
import { Fault } from '../pipelines/fault.ts';
import type { NodePool } from '../pipelines/ports.ts';
import { openBook } from './book.ts';
import { change, standingOf } from './changing.ts';
import type { PoolConfig } from './config/config.ts';
import { stand } from './config/standing.ts';
import type { Context } from './context.ts';
import { openDesks } from './desks.ts';
import { type LaunchEnd, lives } from './life.ts';
import type { NodeRecord } from './node.ts';
import { type LauncherOptions } from './options.ts';
import { type Planner, planner } from './planning.ts';
import { poolOver } from './pool.ts';
import { watchProvider } from './watch.ts';

/**
 * The launcher owns the nodes: it plans (planning.ts), writes the plan down, and lets each node live (life.ts). Whatever changes (a
 * request, a boot, a release, a minute) asks for another plan; plans are made one after the other, each from everything that
 * is known, so nothing has to be remembered between them.
 *
 * One process of a site is the launcher. Others need of the pool only what a lease says, and that is in the records.
 */

export interface Launcher extends NodePool {
  /** Another nodepool.yaml is in force: what it no longer has is drained. Resolves when that is written down. */
  reconfigure(config: PoolConfig): Promise<void>;
  /** For people: what is known, and ways to change it (admin.ts). */
  readonly context: Context;
  /** Fails when the records can no longer be written. */
  readonly running: Promise<void>;
}

/** ms between plans that nobody asked for: for what time alone changes. */
const heartbeat = 5000;

/** Reads the records and goes on with every node where the last life left it. */
export async function openLauncher(options: LauncherOptions): Promise<Launcher> {
  const { timer } = options;
  const log = options.log ?? (() => undefined);
  const book = await openBook(options.records, timer, options.passed);
  const ending = new AbortController();
  const stop = ending.signal;
  // Every node and every wait listens to it.
  setMaxListeners(0, stop);
  let isAsked = false;
  let fail: (error: unknown) => void = () => undefined;
  const running = new Promise<void>((resolve, reject) => {
    fail = reject;
    stop.addEventListener('abort', () => resolve(), { once: true });
  });
  running.catch(() => undefined);

  const { site, random, test, events } = options;
  const leaked = (provider: string) => events?.leaked?.(provider);
  const desks = openDesks({
    options,
    log,
    stop,
    watch: (desk, until) =>
      watchProvider({ desk, book, lives: context.lives, timer, stop: until, log, leaked }),
  });
  // As the last life left it; what is wanted now is put in force like any other change.
  const standing = standingOf(book.config) ?? stand(undefined, options.config, []);
  const launched = (node: NodeRecord, end: LaunchEnd, ms: number) => events?.launched?.(node, end, ms);
  const context: Context = {
    options,
    book,
    desks,
    lives: lives({
      site,
      book,
      desks: desks.all,
      timer,
      random,
      test,
      stop,
      log,
      changed,
      broken,
      launched,
      unusable,
    }),
    standing,
    shapes: new WeakMap(),
    waiters: new Map(),
    joining: new Map(),
    openedAt: timer.now(),
    stop,
    log,
    changed,
    broken,
  };
  const plans: Planner = planner(context);
  const pool = poolOver(context, plans);

  // Written before anything that follows from it.
  change(context, options.config).catch(broken);
  for (const id of book.nodes.keys()) context.lives.poke(id);
  const beats = beat();

  return {
    ...pool,
    context,
    running,
    reconfigure: (config) => change(context, config),
    async [Symbol.asyncDispose]() {
      ending.abort(new Fault('stopped', 'the node pool was closed', { retry: true }));
      await pool.close();
      await Promise.allSettled([beats, ...context.joining.values()]);
      await context.lives.settled();
      await book.settled().catch(() => undefined);
      await desks.close();
    },
  };

  function broken(error: unknown): void {
    fail(error);
  }

  /** Nobody is made from that image any more. */
  async function unusable(node: NodeRecord, reason: string): Promise<void> {
    const bad = [...book.images.values()].filter(
      ({ provider, state }) =>
        provider === node.provider && state.phase === 'ready' && state.image === node.image,
    );
    if (bad.length === 0) return;
    log('a prepared image cannot be used', { provider: node.provider, image: node.image, reason });
    const state = { phase: 'unusable', reason } as const;
    await book.write({ put: { images: bad.map((image) => ({ ...image, state })) } });
  }

  /** Whoever says so before the plan is made is part of it. */
  function changed(): void {
    if (isAsked || stop.aborted) return;
    isAsked = true;
    queueMicrotask(() => {
      isAsked = false;
      if (!stop.aborted) planNow();
    });
  }

  function planNow(): void {
    try {
      plans.plan();
    } catch (caught) {
      broken(caught);
    }
  }

  /** What time alone changes: quotas, ages, pauses. */
  async function beat(): Promise<void> {
    while (!stop.aborted) {
      try {
        await Promise.all([...desks.all.values()].map((desk) => desk.probe(stop)));
        changed();
        await timer.sleep(heartbeat, stop);
      } catch (caught) {
        if (!stop.aborted) broken(caught);
        return;
      }
    }
  }
}
