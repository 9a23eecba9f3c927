import { Fault } from '../pipelines/fault.ts';
import type { WorldPatch } from '../pipelines/ports.ts';
import {
  ConfigRecord,
  HoldRecord,
  NodeRecord,
  nodeId,
  OfflineRecord,
  offlineKey,
  RequestRecord,
} from './node.ts';
import { ImageRecord, PreparationRecord } from './prepare/record.ts';
import type { PoolRecords } from './records.ts';
import type { Timer } from './timer.ts';

/**
 * The launcher's own copy of the records. A change is made here and in the database in the order it was asked for: `write`
 * resolves when it is durable. Changes that come while a commit is under way go together into the next one, so a burst of
 * boots costs few transactions.
 */
export interface Book {
  readonly nodes: ReadonlyMap<string, NodeRecord>;
  readonly requests: ReadonlyMap<string, RequestRecord>;
  readonly holds: ReadonlyMap<string, HoldRecord>;
  readonly offline: ReadonlyMap<string, OfflineRecord>;
  /** Undefined: this is the first life. */
  readonly config: ConfigRecord | undefined;
  readonly images: ReadonlyMap<string, ImageRecord>;
  readonly preparations: ReadonlyMap<string, PreparationRecord>;
  /** A number nobody had before; durable with the next write. */
  next(): string;
  /** The copy changes at once, so that whoever plans next sees it; act outside only after it resolved. */
  write(change: Change): Promise<void>;
  /** Resolves when everything written so far is durable. */
  settled(): Promise<void>;
  /** Resolves with the next commit, or when `signal` aborts. */
  written(signal: AbortSignal): Promise<void>;
}

export interface Change {
  readonly put?: {
    readonly nodes?: readonly NodeRecord[];
    readonly requests?: readonly RequestRecord[];
    readonly holds?: readonly HoldRecord[];
    readonly offline?: readonly OfflineRecord[];
    readonly config?: ConfigRecord;
    readonly images?: readonly ImageRecord[];
    readonly preparations?: readonly PreparationRecord[];
  };
  readonly drop?: {
    readonly nodes?: readonly string[];
    readonly requests?: readonly string[];
    readonly holds?: readonly string[];
    readonly offline?: readonly string[];
    readonly images?: readonly string[];
    readonly preparations?: readonly string[];
  };
}

/** `passed` is told `node.<phase>.before` and `.after` around each commit, `node.gone`, `request.<phase>` likewise. */
export async function openBook(
  records: PoolRecords,
  timer: Timer,
  passed: (name: string) => void = () => undefined,
): Promise<Book> {
  const nodes = new Map<string, NodeRecord>();
  const requests = new Map<string, RequestRecord>();
  const holds = new Map<string, HoldRecord>();
  const offline = new Map<string, OfflineRecord>();
  let config: ConfigRecord | undefined;
  const images = new Map<string, ImageRecord>();
  const preparations = new Map<string, PreparationRecord>();
  let last = 0;
  for (const { table, key, value } of await records.all()) {
    if (table === 'node') nodes.set(key, NodeRecord.parse(value));
    if (table === 'request') requests.set(key, RequestRecord.parse(value));
    if (table === 'hold') holds.set(key, HoldRecord.parse(value));
    if (table === 'offline') offline.set(key, OfflineRecord.parse(value));
    if (table === 'config') config = ConfigRecord.parse(value);
    if (table === 'image') images.set(key, ImageRecord.parse(value));
    if (table === 'preparation') preparations.set(key, PreparationRecord.parse(value));
    if (table === 'counter') last = Number(value);
  }
  let counted = last;

  const listeners: (() => void)[] = [];
  let waiting: { change: Change; names: string[] }[] = [];
  let next: Promise<void> | undefined;
  let running: Promise<void> = Promise.resolve();

  async function flush(): Promise<void> {
    const batch = waiting;
    waiting = [];
    next = undefined;
    const names = [...new Set(batch.flatMap((each) => each.names))];
    for (const name of names) passed(`${name}.before`);
    const patch = patchOf(batch.map((each) => each.change));
    if (last > counted) {
      counted = last;
      patch.put.push({ table: 'counter', key: 'node', value: last });
    }
    await committed(patch);
    for (const name of names) passed(`${name}.after`);
    for (const listener of listeners.splice(0)) listener();
  }

  /** The copy is ahead of a database that is away: it waits, and whoever acts on the change waits with it. */
  async function committed(patch: WorldPatch): Promise<void> {
    for (;;) {
      try {
        await records.commit(patch);
        return;
      } catch (caught) {
        if (!(caught instanceof Fault && caught.retry)) throw caught;
        await timer.sleep(awayPause, never);
      }
    }
  }

  return {
    nodes,
    requests,
    holds,
    offline,
    get config() {
      return config;
    },
    images,
    preparations,
    next: () => nodeId(++last),
    write(change) {
      apply(change);
      waiting.push({ change, names: namesOf(change) });
      if (next === undefined) {
        next = running.then(flush);
        // A failed commit fails its writers; the ones after it try for themselves.
        running = next.catch(() => undefined);
      }
      return next;
    },
    settled: async () => {
      await (next ?? running);
    },
    written: (signal) =>
      new Promise((resolve) => {
        const done = () => {
          signal.removeEventListener('abort', done);
          resolve();
        };
        listeners.push(done);
        signal.addEventListener('abort', done, { once: true });
        if (signal.aborted) done();
      }),
  };

  function apply({ put, drop }: Change): void {
    for (const id of drop?.nodes ?? []) nodes.delete(id);
    for (const id of drop?.requests ?? []) requests.delete(id);
    for (const id of drop?.holds ?? []) holds.delete(id);
    for (const key of drop?.offline ?? []) offline.delete(key);
    for (const id of drop?.images ?? []) images.delete(id);
    for (const id of drop?.preparations ?? []) preparations.delete(id);
    for (const node of put?.nodes ?? []) nodes.set(node.id, node);
    for (const request of put?.requests ?? []) requests.set(request.id, request);
    for (const hold of put?.holds ?? []) holds.set(hold.id, hold);
    for (const record of put?.offline ?? []) offline.set(offlineKey(record), record);
    config = put?.config ?? config;
    for (const image of put?.images ?? []) images.set(image.id, image);
    for (const record of put?.preparations ?? []) preparations.set(record.id, record);
  }
}

const awayPause = 1000;
const never = new AbortController().signal;

function namesOf({ put, drop }: Change): string[] {
  return [
    ...(put?.nodes ?? []).map((node) => `node.${node.state.phase}`),
    ...(put?.requests ?? []).map((request) => `request.${request.state.phase}`),
    ...(put?.config === undefined ? [] : ['config']),
    ...(put?.images ?? []).map((image) => `image.${image.state.phase}`),
    ...((drop?.nodes ?? []).length > 0 ? ['node.gone'] : []),
    ...((drop?.requests ?? []).length > 0 ? ['request.gone'] : []),
  ];
}

/** Several changes as one: of each key the last word counts. */
function patchOf(changes: readonly Change[]): { put: Mutable<WorldPatch['put']>; drop: WorldPatch['drop'] } {
  const rows = new Map<string, { table: string; key: string; value?: unknown }>();
  const say = (table: string, key: string, value?: unknown) =>
    rows.set(JSON.stringify([table, key]), value === undefined ? { table, key } : { table, key, value });
  for (const { put, drop } of changes) {
    for (const key of drop?.nodes ?? []) say('node', key);
    for (const key of drop?.requests ?? []) say('request', key);
    for (const key of drop?.holds ?? []) say('hold', key);
    for (const key of drop?.offline ?? []) say('offline', key);
    for (const key of drop?.images ?? []) say('image', key);
    for (const key of drop?.preparations ?? []) say('preparation', key);
    for (const node of put?.nodes ?? []) say('node', node.id, node);
    for (const request of put?.requests ?? []) say('request', request.id, request);
    for (const hold of put?.holds ?? []) say('hold', hold.id, hold);
    for (const record of put?.offline ?? []) say('offline', offlineKey(record), record);
    if (put?.config !== undefined) say('config', 'pool', put.config);
    for (const image of put?.images ?? []) say('image', image.id, image);
    for (const record of put?.preparations ?? []) say('preparation', record.id, record);
  }
  const all = [...rows.values()];
  return {
    put: all.flatMap(({ table, key, value }) => (value === undefined ? [] : [{ table, key, value }])),
    drop: all.flatMap(({ table, key, value }) => (value === undefined ? [{ table, key }] : [])),
  };
}

type Mutable<T> = T extends readonly (infer E)[] ? E[] : never;
