import type { Change } from './change.ts';
import { findChange } from './depend.ts';
import { type Build, type Item, type Merge, subjectName } from './item.ts';
import { own } from './own.ts';
import { rulesOf } from './rules.ts';
import { jobsOf, resultOf } from './verdict.ts';
import { type QueueRow, siteRow, type World } from './world.ts';

/**
 * The world as Zuul v2’s status.json shows it (zuul-v2.md 4), with every field its readers look for, and in words what each
 * item and job waits for. Times are ms, `estimated_time` seconds.
 */

/** A type, not an interface, here and below: it passes where a loose object is asked for. */
export type Status = {
  readonly zuul_version: string;
  readonly last_reconfigured: number | null;
  readonly trigger_event_queue: { readonly length: number };
  readonly result_event_queue: { readonly length: number };
  readonly pipelines: readonly StatusPipeline[];
};

export type StatusPipeline = {
  readonly name: string;
  readonly description: string | null;
  /** Too many failures in a row: only its `disabled` reporters speak. */
  readonly disabled: boolean;
  readonly change_queues: readonly StatusQueue[];
};

export type StatusQueue = {
  readonly name: string;
  /** 0: no limit. */
  readonly window: number;
  /** A new head starts at each item with nothing ahead. */
  readonly heads: readonly (readonly StatusItem[])[];
};

export type StatusItem = {
  readonly id: string | null;
  readonly url: string | null;
  readonly project: string;
  readonly branch: string | null;
  readonly subject: string | null;
  readonly owner: { readonly name: string | null };
  readonly live: boolean;
  readonly active: boolean;
  readonly item_ahead: string | null;
  readonly items_behind: readonly (string | null)[];
  readonly failing_reasons: readonly string[];
  /** What it waits for, in words; null while its jobs run. */
  readonly waiting: string | null;
  readonly zuul_ref: string | null;
  readonly enqueue_time: number;
  /** Of the last job to end; null until all jobs started, or nothing is known of one. */
  readonly remaining_time: number | null;
  readonly jobs: readonly StatusJob[];
};

export type StatusJob = {
  readonly name: string;
  readonly voting: boolean;
  readonly result: string | null;
  /** Why, of a job that did not run or was lost. */
  readonly detail: string | null;
  /** What it waits for, in words; null once it runs. */
  readonly waiting: string | null;
  readonly uuid: string | null;
  readonly url: string | null;
  readonly report_url: string | null;
  readonly number: number | null;
  readonly launch_time: number | null;
  readonly start_time: number | null;
  readonly end_time: number | null;
  readonly elapsed_time: number | null;
  readonly remaining_time: number | null;
  readonly estimated_time: number | null;
  readonly retry: number;
  readonly canceled: boolean;
  readonly node_name: string | null;
  readonly node_labels: readonly string[];
  /** Zuul told of its workers here; readers look at the name. */
  readonly worker: {
    readonly name: string;
    readonly hostname: string | null;
    readonly fqdn: null;
    readonly ips: readonly string[];
    readonly program: string;
    readonly version: null;
    readonly extra: Readonly<Record<string, never>>;
  };
  readonly pipeline: string;
};

/** How long a job takes, ms: Zuul’s mean of the last ten successes. */
export type Estimate = (job: string, project: string) => number | undefined;

export function statusOf(
  world: World,
  now: number,
  version: string,
  estimate: Estimate = () => undefined,
): Status {
  const { tables, config } = world;
  const view = { world, now, estimate };
  const queues = [...tables.queues.values()].toSorted((a, b) => a.order - b.order);
  const pipelines = config === undefined ? [] : [...rulesOf(config).pipelines.values()];
  return {
    zuul_version: version,
    last_reconfigured: siteRow(tables).configuredAt ?? null,
    trigger_event_queue: { length: tables.fetches.size },
    result_event_queue: { length: 0 },
    pipelines: pipelines.map(({ pipeline: { name, description } }) => ({
      name,
      description: description ?? null,
      disabled: tables.pipelines.get(name)?.disabled ?? false,
      change_queues: queues.filter((queue) => queue.pipeline === name).map((queue) => queueView(view, queue)),
    })),
  };
}

interface View {
  readonly world: World;
  readonly now: number;
  readonly estimate: Estimate;
}

function queueView(view: View, queue: QueueRow): StatusQueue {
  const items = queue.items.flatMap((id) => view.world.tables.items.get(id) ?? []);
  const names = new Map(items.map((item) => [item.id, subjectName(item.subject)]));
  const behind = new Map<string, (string | null)[]>();
  for (const { ahead, subject } of items) {
    if (ahead !== null) behind.set(ahead, [...(behind.get(ahead) ?? []), subjectName(subject)]);
  }
  const heads: StatusItem[][] = [];
  for (const item of items) {
    const ahead = item.ahead === null ? null : (names.get(item.ahead) ?? null);
    const shown = itemView(view, item, ahead, behind.get(item.id) ?? []);
    const head = heads.at(-1);
    if (item.ahead === null || head === undefined) heads.push([shown]);
    else head.push(shown);
  }
  return { name: queue.name, window: queue.window, heads };
}

function itemView(
  view: View,
  item: Item,
  ahead: string | null,
  behind: readonly (string | null)[],
): StatusItem {
  const { subject } = item;
  const change = changeOf(view.world, item);
  const jobs = jobsOf(item).map((job) => jobView(view, item, job));
  const left = jobs.map(({ result, remaining_time }) => (result === null ? remaining_time : 0));
  return {
    id: subjectName(subject),
    url: change?.url ?? null,
    project: subject.project,
    branch: subject.kind === 'change' ? subject.branch : null,
    subject: change?.subject ?? null,
    owner: { name: change?.owner.name ?? null },
    live: item.live,
    active: item.active,
    item_ahead: ahead,
    items_behind: behind,
    failing_reasons: item.failing,
    waiting: waitingItem(view.world, item),
    zuul_ref: item.set.ref ?? null,
    enqueue_time: item.enqueuedAt,
    remaining_time: left.reduce<number | null>(
      (most, each) => (most === null || each === null ? null : Math.max(most, each)),
      0,
    ),
    jobs,
  };
}

function changeOf(world: World, item: Item): Change | undefined {
  return item.subject.kind === 'change' ? findChange(world.tables, item.subject) : undefined;
}

/** Why nothing of an item runs yet. */
export function waitingItem(world: World, item: Item): string | null {
  if (item.phase.kind === 'submitting') return 'waits for Gerrit to merge it';
  if (!item.live) return null;
  if (!item.active) return 'waits for its turn: it is outside the window';
  const started = Object.values(item.set.builds).some((build) => build.phase !== 'done');
  if (started) return null;
  const merge = waitingMerge(item.set.merge);
  if (merge !== null) return merge;
  const held = holder(world, item);
  if (held !== undefined) return `waits for ${held} of a change ahead`;
  const settled = jobsOf(item).every((job) => resultOf(own(item.set.builds, job)) !== undefined);
  return settled && item.ahead !== null ? 'waits for the changes ahead' : null;
}

function waitingMerge(merge: Merge): string | null {
  switch (merge.phase) {
    case 'not-asked':
    case 'asked':
      return 'waits to be merged with what is ahead';
    default:
      return null;
  }
}

/** The job ahead that holds the following changes. */
function holder(world: World, item: Item): string | undefined {
  for (let id = item.ahead; id !== null; ) {
    const ahead = world.tables.items.get(id);
    if (ahead === undefined || !ahead.live) return undefined;
    const job = jobsOf(ahead).find(
      (name) =>
        own(world.config?.layout.jobs, name)?.holdFollowingChanges === true &&
        resultOf(own(ahead.set.builds, name)) !== 'SUCCESS',
    );
    if (job !== undefined) return job;
    id = ahead.ahead;
  }
  return undefined;
}

function jobView(view: View, item: Item, name: string): StatusJob {
  const { world, now } = view;
  const build = own(item.set.builds, name);
  const launched = build?.phase === 'done' ? build.launched : build;
  const ran = build?.phase === 'running' || build?.phase === 'done' ? build : undefined;
  const done = build?.phase === 'done' ? build : undefined;
  const started = ran?.startedAt ?? null;
  const ended = done?.finishedAt ?? null;
  const elapsed = started === null ? null : Math.max(0, (ended ?? now) - started);
  const estimated = view.estimate(name, item.subject.project);
  const left = elapsed === null || estimated === undefined ? null : Math.max(0, estimated - elapsed);
  return {
    name,
    voting: own(world.config?.layout.jobs, name)?.voting ?? true,
    result: done?.result ?? null,
    detail: done?.detail ?? null,
    waiting: waitingJob(world, item, name, build),
    uuid: launched?.uuid ?? null,
    url: ran?.url ?? null,
    report_url: done?.url ?? null,
    number: launched?.number ?? null,
    launch_time: launched?.launchedAt ?? null,
    start_time: started,
    end_time: ended,
    elapsed_time: elapsed,
    remaining_time: done === undefined ? left : 0,
    estimated_time: estimated === undefined ? null : Math.round(estimated / 1000),
    retry: own(item.set.tries, name) ?? 0,
    canceled: done?.result === 'CANCELED',
    node_name: ran?.node ?? null,
    node_labels: labelsOf(world, name),
    worker: {
      name: ran?.node ?? 'Unknown',
      hostname: ran?.node ?? null,
      fqdn: null,
      ips: [],
      program: 'Stackgate',
      version: null,
      extra: {},
    },
    pipeline: item.pipeline,
  };
}

function labelsOf({ config }: World, job: string): readonly string[] {
  const label = own(config?.needs, job)?.label;
  return label === undefined || label === '' ? [] : [label];
}

function waitingJob(world: World, item: Item, name: string, build: Build | undefined): string | null {
  if (build !== undefined) {
    if (build.phase === 'waiting') return 'waits for nodes';
    return build.phase === 'sent' ? 'waits for its node to start it' : null;
  }
  const rule = own(world.config?.layout.jobs, name);
  const lock = rule?.mutex ?? rule?.semaphore?.name;
  const row = lock === undefined ? undefined : world.tables.locks.get(lock);
  return row?.waiting.includes(item.queue) === true
    ? `waits for ${lock ?? ''}, which another build holds`
    : null;
}
