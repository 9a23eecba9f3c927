import { restart, stop, stopBuild } from '../cancel.ts';
import { add, jobsFor } from '../enqueue.ts';
import { noteItem } from '../history.ts';
import type { Build, Item } from '../item.ts';
import { settle, skipAll } from '../launch.ts';
import { managerOf, queueName, sharedQueue } from '../managers.ts';
import { changeOf } from '../params.ts';
import type { SiteConfig } from '../ports.ts';
import { append, change, changeQueue, dropItem, itemsOf, mustItem, queuesOf } from '../queue.ts';
import { type Rules, rulesOf } from '../rules.ts';
import { jobsOf } from '../verdict.ts';
import { type Draft, drop, put, siteRow } from '../world.ts';
import { armTimers } from './timers.ts';

/**
 * A new configuration takes over while builds run (zuul-v2.md 2.12): items keep their place and every build whose job still
 * applies; new jobs start, others are cancelled. Windows and failure counts begin anew.
 */
export function onConfigured(draft: Draft, config: SiteConfig, at: number): string {
  const old = draft.config === undefined ? undefined : rulesOf(draft.config);
  const rules = rulesOf(config);
  draft.config = config;
  put(draft, 'site', 'site', { ...siteRow(draft.tables), digest: config.digest, configuredAt: at });
  for (const name of draft.tables.pipelines.keys()) drop(draft, 'pipelines', name);
  armTimers(draft, rules, at);
  const names = new Set([...draft.tables.queues.values()].map((queue) => queue.pipeline));
  let gone = 0;
  for (const name of names) gone += moveOver(draft, old, rules, name);
  for (const queue of draft.tables.queues.keys()) draft.dirty.add(queue);
  return gone === 0 ? 'in force' : `in force; ${gone} items left`;
}

/** Brings the items of one pipeline over; answers how many had to go. */
function moveOver(draft: Draft, old: Rules | undefined, rules: Rules, name: string): number {
  const pipeline = rules.pipelines.get(name)?.pipeline;
  const items = itemsOf(draft, name);
  if (pipeline === undefined) {
    for (const item of items) leaveBehind(draft, item);
    for (const queue of queuesOf(draft, name)) drop(draft, 'queues', queue.id);
    return items.length;
  }
  const before = old?.pipelines.get(name)?.pipeline.manager;
  if (before !== undefined && before !== pipeline.manager) return enterAgain(draft, rules, name, items);
  if (!managerOf(pipeline).merges) {
    for (const item of items) keepBuilds(draft, rules, item);
    for (const queue of queuesOf(draft, name)) {
      const { project } = mustItem(draft, queue.items[0] ?? '').subject;
      if (pipeline.manager === 'independent') {
        changeQueue(draft, queue.id, { name: queueName(rules, pipeline, project) });
      }
    }
    return 0;
  }
  const queues = queuesOf(draft, name);
  for (const queue of queues) drop(draft, 'queues', queue.id);
  let gone = 0;
  for (const item of items) {
    const queue = sharedQueue(draft, rules, pipeline, item.subject.project);
    if (queue === undefined) {
      leaveBehind(draft, item);
      gone += 1;
      continue;
    }
    append(draft, item, queue.id, false);
    if (!rules.quirk('relink-on-reconfigure')) keepPlace(draft, item, queue.id);
    keepBuilds(draft, rules, mustItem(draft, item.id));
  }
  return gone;
}

/** Builds on whom it built before, if that one is still in its queue; or starts over. */
function keepPlace(draft: Draft, item: Item, queue: string): void {
  const ahead = item.ahead === null ? undefined : draft.tables.items.get(item.ahead);
  if (item.ahead === null) {
    change(draft, item.id, { ahead: null });
    return;
  }
  if (ahead !== undefined && ahead.queue === queue) {
    change(draft, item.id, { ahead: ahead.id });
    return;
  }
  change(draft, item.id, { ahead: null });
  restart(draft, mustItem(draft, item.id), 'reconfigured');
}

/** It has no queue any more. */
function leaveBehind(draft: Draft, item: Item): void {
  noteItem(draft, item, 'DEQUEUED', 'reconfigured');
  stop(draft, item, 'reconfigured');
  dropItem(draft, item);
}

/** The manager is another one: nothing of the old order means anything in the new. */
function enterAgain(draft: Draft, rules: Rules, name: string, items: readonly Item[]): number {
  const pipeline = rules.pipelines.get(name)?.pipeline;
  const live = items.filter((item) => item.live);
  for (const item of items) leaveBehind(draft, item);
  for (const queue of queuesOf(draft, name)) drop(draft, 'queues', queue.id);
  if (pipeline === undefined) return live.length;
  const options = { quiet: true, ignoreRequirements: true };
  const added = live.filter(
    (item) => add(draft, rules, pipeline, item.subject, { ...options, enqueuedAt: item.enqueuedAt }).ok,
  );
  return live.length - added.length;
}

/** Keeps the builds of jobs that still apply, and lets the results say again what cannot run. */
function keepBuilds(draft: Draft, rules: Rules, item: Item): void {
  const pipeline = rules.pipelines.get(item.pipeline)?.pipeline;
  if (pipeline === undefined) return;
  const jobs =
    item.live && item.run === undefined
      ? jobsFor(rules, pipeline, item.subject, changeOf(draft, item))
      : item.jobs;
  const apply = new Set(jobsOf({ jobs, live: item.live }));
  const builds: Record<string, Build> = {};
  for (const build of Object.values(item.set.builds)) {
    if (apply.has(build.job)) builds[build.job] = build;
    else stopBuild(draft, item, build, 'reconfigured');
  }
  change(draft, item.id, { jobs, set: { ...item.set, builds } });
  for (const build of Object.values(builds)) {
    if (build.phase === 'done' && build.result !== 'SUCCESS')
      settle(draft, rules, mustItem(draft, item.id), build);
  }
  const { phase } = item.set.merge;
  if (phase === 'conflict' || phase === 'failed') skipAll(draft, rules, item.id, 'it could not be merged');
}
