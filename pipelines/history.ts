import { findChange } from './depend.ts';
import type { Item, Launched, Subject } from './item.ts';
import { own } from './own.ts';
import { unreachable } from './unreachable.ts';
import type { Draft, ReportRecord } from './world.ts';
import { nowOf } from './world.ts';

/** What pages show of the past: finished builds, items and reports. Fields that are searched by are strings. */

export function noteBuild(
  draft: Draft,
  item: Item,
  build: Launched & {
    readonly result: string;
    readonly detail?: string;
    readonly url?: string;
    readonly node?: string;
    readonly startedAt?: number;
    readonly finishedAt: number;
  },
): void {
  const { uuid, job, number, logPath, launchedAt, result, detail, url, node, startedAt, finishedAt } = build;
  draft.history.push({
    table: 'build',
    key: uuid,
    value: {
      uuid,
      job,
      number,
      ...about(item),
      result,
      detail,
      url,
      node,
      logPath,
      launchedAt,
      startedAt,
      finishedAt,
      voting: own(draft.config?.layout.jobs, job)?.voting ?? true,
      item: item.id,
      ref: item.set.ref,
    },
  });
}

function about(item: Item): Record<string, unknown> {
  const { subject } = item;
  return {
    pipeline: item.pipeline,
    project: subject.project,
    connection: subject.connection,
    ...place(subject),
  };
}

/** `change` and `branch`, or `gitRef` and `newRev`. */
function place(subject: Subject): Record<string, string> {
  switch (subject.kind) {
    case 'change':
      return { change: `${subject.number},${subject.patchset}`, branch: subject.branch };
    case 'ref':
      return { gitRef: subject.ref, newRev: subject.newRev };
    case 'timer':
    case 'none':
      return {};
  }
  return unreachable(subject);
}

/** What Gerrit said of the change, for whoever looks at it later. */
function known({ tables }: Draft, { subject }: Item): Record<string, string | undefined> {
  const change = subject.kind === 'change' ? findChange(tables, subject) : undefined;
  return change === undefined
    ? {}
    : { subject: change.subject, owner: change.owner.name, changeUrl: change.url };
}

/** The end of an item: its result, and every build in one row (Zuul’s buildset). */
export function noteItem(draft: Draft, item: Item, result: string, detail?: string): void {
  if (!item.live) return;
  const at = nowOf(draft);
  draft.history.push({
    table: 'item',
    key: item.id,
    value: {
      id: item.id,
      ...about(item),
      result,
      detail,
      ...known(draft, item),
      enqueuedAt: item.enqueuedAt,
      at,
      ref: item.set.ref,
      commit: item.set.merge.phase === 'merged' ? item.set.merge.commit : undefined,
      generation: item.set.generation,
      by: item.run?.by,
      request: item.run?.request,
      builds: Object.values(item.set.builds).map((build) => ({
        job: build.job,
        uuid: build.phase === 'done' ? build.launched?.uuid : build.uuid,
        result: build.phase === 'done' ? build.result : 'CANCELED',
        url: build.phase === 'done' || build.phase === 'running' ? build.url : undefined,
        startedAt: build.phase === 'done' || build.phase === 'running' ? build.startedAt : undefined,
        finishedAt: build.phase === 'done' ? build.finishedAt : undefined,
      })),
    },
  });
}

export function noteReport(
  draft: Draft,
  id: string,
  record: ReportRecord,
  result: string,
  detail?: string,
): void {
  draft.history.push({
    table: 'report',
    key: id,
    value: { id, ...record, result, detail, at: nowOf(draft) },
  });
}
