import { removeItem, stopBuild, takeOut } from '../cancel.ts';
import { findChange } from '../depend.ts';
import { add } from '../enqueue.ts';
import type { Fact } from '../event.ts';
import { noteBuild } from '../history.ts';
import type { Item } from '../item.ts';
import { settle } from '../launch.ts';
import type { Pipeline } from '../layout.ts';
import { own } from '../own.ts';
import { itemsOf, mustItem, queuesOf } from '../queue.ts';
import type { Rules } from '../rules.ts';
import { unreachable } from '../unreachable.ts';
import { type Draft, drop, nowOf, put } from '../world.ts';
import { askFetch } from './fetch.ts';
import { addRef } from './ref.ts';
import { addRun } from './run.ts';
import { fireTimer } from './timers.ts';

/** What people ask for. Every request has an id: asked twice is done once. Refusals change nothing and say why. */

type FactOf<K extends Fact['kind']> = Extract<Fact, { kind: K }>;
export type Request = FactOf<
  | 'RunRequested'
  | 'EnqueueRequested'
  | 'EnqueueRefRequested'
  | 'DequeueRequested'
  | 'PromoteRequested'
  | 'TimerRequested'
  | 'CancelRequested'
>;

const DAY = 86_400_000;

export function onRequest(draft: Draft, rules: Rules, request: Request): string {
  if (draft.tables.requests.has(request.id)) return 'asked before';
  for (const [id, { at }] of draft.tables.requests) if (at < nowOf(draft) - DAY) drop(draft, 'requests', id);
  put(draft, 'requests', request.id, { at: nowOf(draft) });
  switch (request.kind) {
    case 'RunRequested':
      return onRun(draft, rules, request);
    case 'EnqueueRequested':
      return onEnqueue(draft, rules, request);
    case 'EnqueueRefRequested':
      return withPipeline(rules, request.pipeline, request.project, (pipeline) => {
        const { project, ref, oldRev, newRev } = request;
        return addRef(draft, rules, pipeline, { connection: pipeline.source, project, ref, oldRev, newRev })
          .note;
      });
    case 'DequeueRequested':
      return onDequeue(draft, rules, request);
    case 'PromoteRequested':
      return onPromote(draft, rules, request);
    case 'TimerRequested':
      return withPipeline(rules, request.pipeline, undefined, (pipeline) =>
        fireTimer(draft, rules, pipeline, pipeline.source),
      );
    case 'CancelRequested':
      return onCancel(draft, rules, request);
  }
  return unreachable(request);
}

function withPipeline(
  rules: Rules,
  name: string,
  project: string | undefined,
  go: (pipeline: Pipeline) => string,
): string {
  const pipeline = rules.pipelines.get(name)?.pipeline;
  if (pipeline === undefined) return `refused: no pipeline ${name}`;
  if (project !== undefined && own(rules.layout.projects, project) === undefined) {
    return `refused: no project ${project}`;
  }
  return go(pipeline);
}

function onRun(draft: Draft, rules: Rules, request: FactOf<'RunRequested'>): string {
  const { id, by, job, change, params, sealed, upstream, vote } = request;
  if (own(rules.config.jobs, job) === undefined) return `refused: no job ${job}`;
  if (upstream !== undefined && !isUnderWay(draft, upstream))
    return 'refused: the build that asked for it was stopped';
  const run = {
    request: id,
    by,
    job,
    params,
    vote,
    ...(sealed === undefined ? {} : { sealed }),
    ...(upstream === undefined ? {} : { upstream }),
  };
  if (change === undefined) return addRun(draft, rules, run, undefined);
  const connection = request.connection ?? rules.layout.pipelines[0]?.source;
  if (connection === undefined) return 'refused: which Gerrit?';
  const { number, patchset } = change;
  const errand = { kind: 'Run' as const, number, ...(patchset === undefined ? {} : { patchset }), ...run };
  askFetch(draft, rules, { connection, number }, errand);
  return `asked about change ${number}`;
}

/** A build asks before it ends, and what it asked is written down before its end is: later it can only have been stopped. */
function isUnderWay(draft: Draft, uuid: string): boolean {
  for (const { set } of draft.tables.items.values())
    for (const build of Object.values(set.builds))
      if (build.phase !== 'done' && build.uuid === uuid) return true;
  return false;
}

function onEnqueue(draft: Draft, rules: Rules, request: FactOf<'EnqueueRequested'>): string {
  const { pipeline: name, project, number, patchset } = request;
  return withPipeline(rules, name, project, (pipeline) => {
    const errand = { kind: 'Enqueue' as const, pipeline: name, project, number, patchset };
    askFetch(draft, rules, { connection: pipeline.source, number }, errand);
    return `asked about change ${number}`;
  });
}

function onDequeue(draft: Draft, rules: Rules, request: FactOf<'DequeueRequested'>): string {
  const { project, number, patchset, ref } = request;
  return withPipeline(rules, request.pipeline, undefined, (pipeline) => {
    const items = itemsOf(draft, pipeline.name).filter(({ live, subject }) => {
      if (!live || subject.project !== project) return false;
      if (subject.kind === 'change') {
        return subject.number === number && (patchset === undefined || subject.patchset === patchset);
      }
      return number === undefined && (subject.kind === 'ref' ? subject.ref === ref : ref === undefined);
    });
    const gone = items.filter((item) => removeItem(draft, item.id, 'dequeued'));
    if (items.length === 0) return `refused: no such item in ${pipeline.name}`;
    return gone.length === 0 ? 'refused: Gerrit is being asked to merge it' : `${gone.length} dequeued`;
  });
}

/** The named ones first, the rest after them in their old order; what they need comes along. */
function onPromote(draft: Draft, rules: Rules, request: FactOf<'PromoteRequested'>): string {
  return withPipeline(rules, request.pipeline, undefined, (pipeline) => {
    const [first] = request.changes;
    const queue = queuesOf(draft, pipeline.name).find(({ items }) =>
      items.some((id) => named(mustItem(draft, id)) === first),
    );
    if (first === undefined || queue === undefined) return `refused: ${first ?? 'nothing'} is in no queue`;
    const items = queue.items.map((id) => mustItem(draft, id));
    const chosen: Item[] = [];
    for (const name of request.changes) {
      const item = items.find((each) => named(each) === name);
      if (item === undefined) return `refused: ${name} is not in the queue of ${first}`;
      if (!chosen.includes(item)) chosen.push(item);
    }
    const order = [...chosen, ...items.filter((item) => !chosen.includes(item))].filter(
      (item) => item.phase.kind !== 'submitting',
    );
    const changes = order.map((item) =>
      item.subject.kind === 'change' ? findChange(draft.tables, item.subject) : undefined,
    );
    // From the end, so that nobody who goes is restarted first because of whom they stood on.
    for (const item of items.toReversed()) {
      if (item.phase.kind !== 'submitting') takeOut(draft, item.id, 'dequeued');
    }
    const lost: string[] = [];
    order.forEach((item, at) => {
      if (!item.live && !rules.quirk('revive-on-promote')) return;
      const change = changes[at];
      if (change === undefined && item.subject.kind === 'change') return;
      const { enqueuedAt, jobs, run } = item;
      const added = add(draft, rules, pipeline, item.subject, {
        enqueuedAt,
        quiet: true,
        ignoreRequirements: true,
        ...(run === undefined ? {} : { run, jobs }),
      });
      if (!added.ok) lost.push(`${named(item) ?? ''} ${added.note}`);
    });
    return lost.length === 0 ? 'promoted' : `promoted; ${lost.join('; ')}`;
  });
}

function named(item: Item): string | undefined {
  const { subject } = item;
  return subject.kind === 'change' ? `${subject.number},${subject.patchset}` : undefined;
}

/** `build`: a uuid or the beginning of one. */
function onCancel(draft: Draft, rules: Rules, request: FactOf<'CancelRequested'>): string {
  const wanted = request.build.replace(/^build-/, '');
  for (const item of draft.tables.items.values()) {
    for (const build of Object.values(item.set.builds)) {
      if (build.phase === 'done' || wanted === '' || !build.uuid.startsWith(wanted)) continue;
      stopBuild(draft, item, build, 'requested');
      const { uuid, number, job, launchedAt, logPath } = build;
      const launched = { uuid, number, job, launchedAt, logPath };
      const running = build.phase === 'running' ? { url: build.url, startedAt: build.startedAt } : {};
      const end = {
        result: 'ABORTED',
        detail: `cancelled by ${request.by}`,
        finishedAt: nowOf(draft),
        ...running,
      };
      noteBuild(draft, item, { ...launched, ...end });
      settle(draft, rules, item, { phase: 'done', job, launched, ...end });
      return `${job} cancelled`;
    }
  }
  return `refused: no running build ${request.build}`;
}
