import type { BuildFinished, BuildStarted, MergeFinished, NodesAnswered } from '../event.ts';
import { noteBuild } from '../history.ts';
import type { Build, Item, Launched } from '../item.ts';
import { forget, retry, setBuild, settle, skipAll } from '../launch.ts';
import { own } from '../own.ts';
import { change, mustItem } from '../queue.ts';
import type { Rules } from '../rules.ts';
import { unreachable } from '../unreachable.ts';
import { type Draft, nowOf, type Pending, put } from '../world.ts';

/** What work reports back. An answer nobody waits for is stale: it is noted and changes nothing. */

const stale = 'stale answer';

/** The item that waits for an answer, unless it is stale. */
function awaited(
  draft: Draft,
  action: string,
  kind: Pending['kind'],
): { pending: Pending; item: Item } | undefined {
  const pending = draft.tables.pending.get(action);
  if (pending === undefined || pending.kind !== kind || !('item' in pending)) return undefined;
  const item = draft.tables.items.get(pending.item);
  return item === undefined ? undefined : { pending, item };
}

/** The build that waits for an answer. */
function awaitedBuild(
  draft: Draft,
  action: string,
): { pending: Pending; item: Item; build: Exclude<Build, { phase: 'done' }> } | undefined {
  const found = awaited(draft, action, 'build') ?? awaited(draft, action, 'acquire');
  if (found === undefined || !('job' in found.pending)) return undefined;
  const build = own(found.item.set.builds, found.pending.job);
  if (build === undefined || build.phase === 'done') return undefined;
  const waitsFor = build.phase === 'waiting' ? build.acquire : `build-${build.uuid}`;
  return waitsFor === action ? { ...found, build } : undefined;
}

export function onMergeFinished(draft: Draft, rules: Rules, fact: MergeFinished): string {
  const found = awaited(draft, fact.action, 'merge');
  if (found === undefined) return stale;
  const { item } = found;
  forget(draft, fact.action);
  const { outcome } = fact;
  change(draft, item.id, { set: { ...item.set, merge: mergeOf(outcome) } });
  draft.dirty.add(item.queue);
  if (outcome.kind === 'merged') return 'merged';
  const why = outcome.kind === 'conflict' ? 'it has a merge conflict' : outcome.reason;
  skipAll(draft, rules, item.id, why);
  return outcome.kind === 'conflict' ? 'merge conflict' : `not merged: ${outcome.reason}`;
}

function mergeOf(outcome: MergeFinished['outcome']): Item['set']['merge'] {
  switch (outcome.kind) {
    case 'merged': {
      const { kind: _, ...state } = outcome;
      return { phase: 'merged', ...state };
    }
    case 'conflict':
      return { phase: 'conflict', change: `${outcome.number},${outcome.patchset}`, files: outcome.files };
    case 'failed':
      return { phase: 'failed', reason: outcome.reason };
  }
  return unreachable(outcome);
}

export function onNodesAnswered(draft: Draft, rules: Rules, fact: NodesAnswered): string {
  const found = awaitedBuild(draft, fact.action);
  const { outcome } = fact;
  if (found === undefined || found.build.phase !== 'waiting' || found.pending.kind !== 'acquire') {
    if (outcome.kind === 'granted' && !isHeld(draft, outcome.lease)) {
      const id = `release-${fact.action}`;
      draft.actions.push({ kind: 'release', id, lease: outcome.lease, acquire: fact.action });
      return `${stale}: nodes go back`;
    }
    return stale;
  }
  forget(draft, fact.action);
  const { item, pending, build } = found;
  if (outcome.kind === 'refused') {
    end(draft, rules, item, build, {
      result: 'NODE_FAILURE',
      detail: outcome.reason,
      finishedAt: nowOf(draft),
    });
    return `no nodes: ${outcome.reason}`;
  }
  const { phase: _phase, acquire, ...launched } = build;
  const id = `build-${build.uuid}`;
  draft.actions.push({
    kind: 'build',
    id,
    uuid: build.uuid,
    number: build.number,
    job: build.job,
    pipeline: item.pipeline,
    project: item.subject.project,
    config: rules.config.digest,
    lease: outcome.lease,
    params: { ...pending.params },
    ...(item.run?.sealed === undefined
      ? {}
      : { sealed: { request: item.run.request, names: [...item.run.sealed] } }),
    logPath: build.logPath,
  });
  put(draft, 'pending', id, { kind: 'build', item: item.id, job: build.job });
  setBuild(draft, item.id, { ...launched, phase: 'sent', acquire, lease: outcome.lease });
  return 'nodes granted';
}

/** The same grant told twice must not give away the nodes of a build that runs on them. */
function isHeld(draft: Draft, lease: string): boolean {
  for (const item of draft.tables.items.values()) {
    for (const build of Object.values(item.set.builds)) {
      if ((build.phase === 'sent' || build.phase === 'running') && build.lease === lease) return true;
    }
  }
  return false;
}

export function onBuildStarted(draft: Draft, fact: BuildStarted): string {
  const found = awaitedBuild(draft, fact.action);
  if (found?.build.phase !== 'sent') return stale;
  const { build } = found;
  const { url, node, at } = fact;
  setBuild(draft, found.item.id, { ...build, phase: 'running', startedAt: at, url, node });
  return `${build.job} runs on ${node}`;
}

export function onBuildFinished(draft: Draft, rules: Rules, fact: BuildFinished): string {
  const found = awaitedBuild(draft, fact.action);
  if (found === undefined || found.build.phase === 'waiting') return stale;
  const { build } = found;
  forget(draft, fact.action);
  const { lease, acquire } = build;
  draft.actions.push({ kind: 'release', id: `release-${build.uuid}`, lease, acquire });
  const { outcome } = fact;
  if (outcome.kind === 'lost') return retry(draft, rules, found.item, build, outcome.reason);
  const { result, url, startedAt, finishedAt, detail } = outcome;
  const node = build.phase === 'running' ? { node: build.node } : {};
  const why = detail === undefined ? {} : { detail };
  end(draft, rules, found.item, build, { result, url, startedAt, finishedAt, ...why, ...node });
  return `${build.job}: ${result}`;
}

function end(
  draft: Draft,
  rules: Rules,
  item: Item,
  build: Build & Launched,
  fields: {
    result: string;
    url?: string;
    startedAt?: number;
    finishedAt: number;
    detail?: string;
    node?: string;
  },
): void {
  const { uuid, number, job, launchedAt, logPath } = build;
  const launched = { uuid, number, job, launchedAt, logPath };
  noteBuild(draft, item, { ...launched, ...fields });
  settle(draft, rules, mustItem(draft, item.id), { phase: 'done', job, launched, ...fields });
}
