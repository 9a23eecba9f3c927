import type { Action } from './action.ts';
import type { Change } from './change.ts';
import type { GerritEvent } from './event.ts';
import type { Item } from './item.ts';
import type { Row, SiteConfig, WorldPatch } from './ports.ts';

/**
 * Everything the kernel knows, as tables of JSON rows, and the draft in which one step changes them.
 *
 * A world is a value: nobody who holds one sees it change. A draft copies a table when it first writes to it and keeps the
 * keys it touched, so the patch of a step is as small as the step. The layout is no row: a row names its digest, the
 * configuration itself stands beside the tables.
 */

export interface SiteRow {
  /** 16 hex, drawn once; part of every id that leaves. */
  readonly site: string;
  readonly digest?: string;
  /** When the configuration came into force, ms. */
  readonly configuredAt?: number;
  /** Newest time any fact brought, ms. */
  readonly now: number;
}

export interface PipelineRow {
  /** Failures reported since the last success. */
  readonly failures: number;
  /** Only the `disabled` reporters speak, until a reconfiguration. */
  readonly disabled: boolean;
}

export interface QueueRow {
  readonly id: string;
  readonly pipeline: string;
  readonly name: string;
  /** Projects of a shared queue; of a dynamic one the project that opened it. */
  readonly projects: readonly string[];
  /** Made for one item and gone with the last one. */
  readonly dynamic: boolean;
  /** Order within the pipeline. */
  readonly order: number;
  /** 0: no limit. */
  readonly window: number;
  /** Front first. */
  readonly items: readonly string[];
}

/** All patchsets of one change that items or their needs speak of. */
export interface ChangeRow {
  readonly patchsets: Readonly<Record<string, Change>>;
}

/** An event that Zuul’s own trigger makes. */
export interface InternalEvent {
  readonly kind: 'InternalEvent';
  readonly type: 'parent-change-enqueued' | 'project-change-merged';
  /** Pipeline that the parent entered. */
  readonly pipeline?: string;
  readonly connection: string;
  readonly project: string;
  readonly branch: string;
  readonly number: string;
  readonly patchset: string;
}

/** What waits for a look at a change. */
export type Errand =
  | GerritEvent
  | InternalEvent
  | {
      readonly kind: 'Enqueue';
      readonly pipeline: string;
      readonly project: string;
      readonly number: string;
      readonly patchset: string;
    }
  | {
      readonly kind: 'Run';
      readonly request: string;
      readonly by: string;
      readonly job: string;
      readonly number: string;
      readonly patchset?: string;
      readonly params: Readonly<Record<string, string>>;
      readonly sealed?: readonly string[];
      readonly upstream?: string;
      readonly vote: boolean;
    }
  /** After a merge: the other open changes of its project are wanted. */
  | { readonly kind: 'Siblings'; readonly number: string; readonly patchset: string };

/** At most one look at a change is on its way; what comes later waits for the next. */
export interface FetchRow {
  readonly action: string;
  readonly connection: string;
  readonly number: string;
  readonly asked: readonly Errand[];
  readonly later: readonly Errand[];
}

/** Who waits for the answer to an action. An answer without a row is stale. */
export type Pending =
  | { readonly kind: 'fetch'; readonly key: string }
  | { readonly kind: 'merge'; readonly item: string }
  | {
      readonly kind: 'acquire';
      readonly item: string;
      readonly job: string;
      /** What the build will be told; settled when it was launched, whatever happens ahead while it waits for nodes. */
      readonly params: Readonly<Record<string, string>>;
    }
  | { readonly kind: 'build'; readonly item: string; readonly job: string }
  | { readonly kind: 'report'; readonly item: string; readonly record: ReportRecord };

/** What the history keeps of a report. */
export interface ReportRecord {
  readonly at: number;
  readonly pipeline: string;
  readonly project: string;
  readonly change: string;
  readonly phase: string;
  readonly message: string;
  readonly labels: Readonly<Record<string, number>>;
  readonly submit: boolean;
}

/** A mutex or semaphore with its holders. */
export interface LockRow {
  readonly holders: readonly { readonly item: string; readonly job: string }[];
  /** Queues with an item that was turned away since it was last free. */
  readonly waiting: readonly string[];
}

export interface TimerRow {
  /** When it was armed or last fired, ms. */
  readonly last: number;
}

export interface Tables {
  site: SiteRow;
  pipelines: PipelineRow;
  queues: QueueRow;
  items: Item;
  changes: ChangeRow;
  fetches: FetchRow;
  pending: Pending;
  locks: LockRow;
  timers: TimerRow;
  counters: { readonly next: number };
  /** Requests of people that were carried out already. */
  requests: { readonly at: number };
}

export type TableName = keyof Tables;
export const tableNames = [
  'site',
  'pipelines',
  'queues',
  'items',
  'changes',
  'fetches',
  'pending',
  'locks',
  'timers',
  'counters',
  'requests',
] as const satisfies readonly TableName[];

export type WorldTables = { readonly [T in TableName]: ReadonlyMap<string, Tables[T]> };

export interface World {
  readonly config: SiteConfig | undefined;
  readonly tables: WorldTables;
}

function emptyTables(): { [T in TableName]: Map<string, Tables[T]> } {
  return {
    site: new Map(),
    pipelines: new Map(),
    queues: new Map(),
    items: new Map(),
    changes: new Map(),
    fetches: new Map(),
    pending: new Map(),
    locks: new Map(),
    timers: new Map(),
    counters: new Map(),
    requests: new Map(),
  };
}

/** The world of a new site. `site`: 16 hex digits, random, kept for ever. */
export function emptyWorld(site: string): World {
  const tables = emptyTables();
  tables.site.set('site', { site, now: 0 });
  return { config: undefined, tables };
}

/** The world as a store kept it. `config` is the configuration whose digest the world names (`digestOf`). */
export function worldFrom(rows: readonly Row[], config: SiteConfig | undefined): World {
  const tables = emptyTables();
  for (const row of rows) {
    const table = tableNames.find((name) => name === row.table);
    if (table === undefined) continue;
    // The store gives back what a step put there; shapes are versioned by the table's name.
    (tables[table] as Map<string, unknown>).set(row.key, row.value);
  }
  return { config, tables };
}

/** Every row, in a stable order. */
export function rowsOf(world: World): Row[] {
  const rows: Row[] = [];
  for (const table of tableNames) {
    const keys = [...world.tables[table].keys()].sort();
    for (const key of keys) rows.push({ table, key, value: world.tables[table].get(key) });
  }
  return rows;
}

/** Digest of the configuration in force, to load it before `worldFrom`. */
export function digestOf(rows: readonly Row[]): string | undefined {
  const row = rows.find((candidate) => candidate.table === 'site');
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a row is what a step put there
  return (row?.value as SiteRow | undefined)?.digest;
}

/** A world being changed by one step, with all that the step sends out. */
export interface Draft {
  readonly base: World;
  config: SiteConfig | undefined;
  readonly tables: { [T in TableName]: ReadonlyMap<string, Tables[T]> };
  readonly touched: Map<TableName, Set<string>>;
  readonly actions: Action[];
  readonly history: Row[];
  /** Queues the plan must walk. */
  readonly dirty: Set<string>;
  /** Queue → item → those that build directly on it; made when first asked for, kept up to date by queue.ts. */
  readonly followers: Map<string, Map<string, Set<string>>>;
  /** Subject → items about it; made when it was asked for more than a few times, kept up to date by queue.ts. */
  readonly about: { asked: number; index: Map<string, Set<string>> | undefined };
  /** Events of Zuul’s own trigger, made and used within the step. */
  readonly internal: InternalEvent[];
  /** True when changes may be there that nobody speaks of any more. */
  prune: boolean;
}

export function draftOf(world: World): Draft {
  return {
    base: world,
    config: world.config,
    tables: { ...world.tables },
    touched: new Map(),
    actions: [],
    history: [],
    dirty: new Set(),
    followers: new Map(),
    about: { asked: 0, index: undefined },
    internal: [],
    prune: false,
  };
}

function writable<T extends TableName>(draft: Draft, table: T, key: string): Map<string, Tables[T]> {
  let keys = draft.touched.get(table);
  if (keys === undefined) {
    keys = new Set();
    draft.touched.set(table, keys);
    const copy = new Map<string, Tables[T]>(draft.tables[table] as ReadonlyMap<string, Tables[T]>);
    (draft.tables as Record<T, ReadonlyMap<string, Tables[T]>>)[table] = copy;
  }
  keys.add(key);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the copy made above
  return draft.tables[table] as Map<string, Tables[T]>;
}

export function put<T extends TableName>(draft: Draft, table: T, key: string, value: Tables[T]): void {
  writable(draft, table, key).set(key, value);
}

export function drop(draft: Draft, table: TableName, key: string): void {
  if (draft.tables[table].has(key)) writable(draft, table, key).delete(key);
}

export function siteRow(tables: WorldTables): SiteRow {
  return tables.site.get('site') ?? { site: '0000000000000000', now: 0 };
}

/** The next number of a counter, from 1. */
export function count(draft: Draft, counter: string): number {
  const next = draft.tables.counters.get(counter)?.next ?? 1;
  put(draft, 'counters', counter, { next: next + 1 });
  return next;
}

export function nowOf(draft: Draft): number {
  return siteRow(draft.tables).now;
}

/** The world after the step. */
export function worldOf(draft: Draft): World {
  return { config: draft.config, tables: { ...draft.tables } };
}

/** The rows that differ from the base. */
export function patchOf(draft: Draft): WorldPatch {
  const puts: Row[] = [];
  const drops: { table: string; key: string }[] = [];
  for (const [table, keys] of draft.touched) {
    const before: ReadonlyMap<string, unknown> = draft.base.tables[table];
    const after: ReadonlyMap<string, unknown> = draft.tables[table];
    for (const key of keys) {
      const value = after.get(key);
      if (value === undefined) {
        if (before.has(key)) drops.push({ table, key });
      } else if (value !== before.get(key)) puts.push({ table, key, value });
    }
  }
  return { put: puts, drop: drops };
}
