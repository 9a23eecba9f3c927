import type { Action, StopReason } from '../../pipelines/action.ts';
import { Fault } from '../../pipelines/fault.ts';
import type { Filed, HistoryQuery, HistoryRow, LedgerEntry, Row, SiteConfig } from '../../pipelines/ports.ts';
import { Mutex, ownClaims, unlessAborted } from '../store/database.ts';
import { finishedAt, shortField } from '../store/history.ts';
import { UNFILED } from '../store/sealed.ts';
import type { SqlStore } from '../store/store.ts';
import { fromJson } from '../store/text.ts';
import { ASIDE } from '../store/turn.ts';
import { wakeup } from '../store/wakeup.ts';

/**
 * The store's twin in memory: same answers, no durability. For tests and for trying things out; it passes the same
 * conformance suite as the databases.
 */

interface Entry {
  readonly action: Action;
  begun: boolean;
  done: boolean;
  answered: boolean;
  reason?: StopReason;
  doneAt: number;
}

type Line = { -readonly [K in keyof LedgerEntry]: LedgerEntry[K] };

export function memoryStore(now: () => number = Date.now): SqlStore {
  const facts = new Map<string, Line>();
  const lines: Line[] = [];
  const world = new Map<string, Row>();
  const actions = new Map<string, Entry>();
  const effects = new Map<string, string>();
  const configs = new Map<string, string>();
  const sealed = new Map<string, { readonly text: string; readonly at: number }>();
  const history = new Map<string, HistoryRow>();
  const leadership = new Mutex();
  const claims = ownClaims();
  const wake = wakeup();
  let epoch = 0;
  let seq = 0;

  function file(filed: Filed): boolean {
    if (facts.has(filed.key)) return false;
    seq += 1;
    const line: Line = { ...copy(filed), seq, filedAt: now(), aside: false };
    facts.set(filed.key, line);
    lines.push(line);
    return true;
  }

  function want(action: Action): void {
    if (actions.has(action.id)) return;
    const isCancel = action.kind === 'cancel';
    const entry = { action: copy(action), begun: false, answered: false, doneAt: now() };
    actions.set(action.id, { ...entry, done: isCancel });
  }

  function cancel(target: string, reason: StopReason): void {
    const entry = actions.get(target);
    if (entry === undefined || entry.done || entry.reason !== undefined) return;
    entry.reason = reason;
    entry.done = !entry.begun;
    entry.doneAt = now();
  }

  function find(table: string, query: HistoryQuery): HistoryRow[] {
    const wanted = (row: HistoryRow): boolean =>
      row.table === table &&
      row.at < (query.before ?? Number.MAX_SAFE_INTEGER) &&
      (['job', 'pipeline', 'project', 'result'] as const).every(
        (name) => query[name] === undefined || shortField(row.value, name) === query[name],
      ) &&
      isChange(shortField(row.value, 'change'), query.change);
    return [...history.values()]
      .filter(wanted)
      .sort((a, b) => b.at - a.at || (a.key < b.key ? 1 : -1))
      .slice(0, query.limit);
  }

  return {
    file: async (filed) => {
      const fresh = filed.filter((one) => file(one)).length;
      if (fresh > 0) wake.ring();
      return fresh;
    },
    claim: async (action) => claims(action),
    begin: async (id) => {
      const entry = actions.get(id);
      if (entry === undefined || entry.done) return { kind: 'done' };
      entry.begun = true;
      return entry.reason === undefined ? { kind: 'go' } : { kind: 'stop', reason: entry.reason };
    },
    answer: async (id, filed) => {
      const entry = actions.get(id);
      if (entry?.answered === true) return false;
      if (entry !== undefined) {
        if (!entry.done) entry.doneAt = now();
        entry.done = true;
        entry.answered = true;
      }
      if (filed !== undefined && file(filed)) wake.ring();
      return true;
    },
    unused: async (limit) => {
      const waiting = lines.filter((line) => line.usedAt === undefined).slice(0, limit);
      return waiting.map(({ seq: at, key, fact, raw }) =>
        copy({ seq: at, key, fact, ...(raw === undefined ? {} : { raw }) }),
      );
    },
    filed: (deadline, signal) => wake.wait(deadline - now(), signal),
    world: async () => copy([...world.values()]),
    commit: async (turn) => {
      if (turn.epoch !== epoch) {
        throw new Fault('leader-lost', `a turn of epoch ${turn.epoch} came when epoch ${epoch} leads`);
      }
      const used = turn.used.map((entry) => {
        const line = lines.find((candidate) => candidate.seq === entry.seq && candidate.usedAt === undefined);
        if (line === undefined) throw new Fault('leader-lost', `fact ${entry.seq} was used before`);
        return { line, note: entry.note };
      });
      const rows = copy({ put: turn.world.put, history: turn.history });
      for (const { line, note } of used) {
        line.usedAt = now();
        line.note = note.slice(0, 2000);
        line.aside = note.startsWith(ASIDE);
      }
      for (const row of turn.world.drop) world.delete(id(row));
      for (const row of rows.put) world.set(id(row), row);
      for (const action of turn.actions) want(action);
      for (const action of turn.actions) if (action.kind === 'cancel') cancel(action.target, action.reason);
      for (const row of rows.history) history.set(id(row), { ...row, at: finishedAt(row.value, now()) });
    },
    undone: async (kinds) => {
      const undone = [...actions.values()].filter(
        (entry) => !entry.done && (kinds === undefined || kinds.includes(entry.action.kind)),
      );
      return copy(undone.map((entry) => entry.action));
    },
    cancelled: async () =>
      [...actions.values()].flatMap((entry) =>
        entry.done || entry.reason === undefined ? [] : [{ target: entry.action.id, reason: entry.reason }],
      ),
    isDone: async (action) => actions.get(action)?.done === true,
    lead: async (signal) => {
      const unlock = await unlessAborted(leadership.lock(), signal, (late) => late());
      epoch += 1;
      const lost = new AbortController();
      return {
        epoch,
        lost: lost.signal,
        resign: async () => {
          lost.abort(new Fault('leader-lost', 'leadership was given up'));
          unlock();
        },
      };
    },
    effect: async (action) => {
      const text = effects.get(action);
      return text === undefined ? undefined : fromJson<unknown>(text);
    },
    saveEffect: async (action, value) => {
      effects.set(action, JSON.stringify(value ?? null));
    },
    keepSealed: async (request, text) => {
      if (!sealed.has(request)) sealed.set(request, { text, at: now() });
    },
    sealed: async (request) => sealed.get(request)?.text,
    forgetSealed: async () => {
      const before = sealed.size;
      for (const [request, { at }] of sealed) {
        const filed = facts.get(`request/${request}`);
        const waits = filed === undefined ? at >= now() - UNFILED : filed.usedAt === undefined;
        const spoken = (value: unknown) =>
          JSON.stringify(value).includes(`"request":${JSON.stringify(request)}`);
        const lives = [...world.values()].some(
          (row) => (row.table === 'items' || row.table === 'fetches') && spoken(row.value),
        );
        const builds = [...actions.values()].some(
          ({ action, done }) => !done && action.kind === 'build' && spoken(action),
        );
        if (!waits && !lives && !builds) sealed.delete(request);
      }
      return before - sealed.size;
    },
    inForce: async () => {
      const value = [...world.values()].find(({ table }) => table === 'site')?.value;
      const { digest } = fromJson<{ digest?: string }>(JSON.stringify(value ?? {}));
      return digest;
    },
    config: async (digest) => {
      const text = configs.get(digest);
      return text === undefined ? undefined : fromJson<SiteConfig>(text);
    },
    saveConfig: async (config) => {
      configs.set(config.digest, JSON.stringify(config));
    },
    ledger: async (query) =>
      lines
        .filter(
          (line) =>
            line.filedAt >= (query.since ?? 0) &&
            line.seq < (query.before ?? Number.MAX_SAFE_INTEGER) &&
            (query.kind === undefined || line.fact.kind === query.kind) &&
            (query.type === undefined || ('type' in line.fact && line.fact.type === query.type)),
        )
        .reverse()
        .slice(0, query.limit)
        .map((line) => copy(line)),
    tally: async (since) => {
      const filed = lines.filter((line) => line.filedAt >= since);
      const aside = filed.filter((line) => line.aside).length;
      const waiting = filed.filter((line) => line.usedAt === undefined).length;
      return { filed: filed.length, used: filed.length - aside - waiting, aside, waiting };
    },
    builds: async (query) => find('build', query),
    build: async (uuid) => {
      const rows = /^[0-9a-f]{1,32}$/.test(uuid)
        ? find('build', { limit: Number.MAX_SAFE_INTEGER }).filter(
            (row) => shortField(row.value, 'uuid')?.startsWith(uuid) === true,
          )
        : [];
      const uuids = [...new Set(rows.map((row) => shortField(row.value, 'uuid') ?? ''))].sort();
      const [row] = rows;
      if (row === undefined) return { kind: 'absent' };
      return uuids.length > 1 ? { kind: 'ambiguous', uuids: uuids.slice(0, 10) } : { kind: 'found', row };
    },
    items: async (query) => find('item', query),
    reports: async (query) => find('report', query),
    site: async () => '0123456789abcdef',
    prune: async (retention) => {
      const before = now() - retention.facts;
      const olds = lines.filter((line) => (line.usedAt ?? Number.MAX_SAFE_INTEGER) < before);
      const last = lines.findLast((line) => line.fact.kind === 'Configured');
      const gone = olds.filter((line) => line !== last);
      for (const line of gone) {
        facts.delete(line.key);
        lines.splice(lines.indexOf(line), 1);
      }
      let rows = gone.length;
      for (const [key, entry] of actions) {
        if (entry.done && entry.doneAt < before && actions.delete(key)) rows += 1;
      }
      for (const [key, row] of history) {
        if (row.at < now() - retention.history && history.delete(key)) rows += 1;
      }
      return rows;
    },
    [Symbol.asyncDispose]: async () => wake.ring(),
  };
}

/** As a database gives it back: what JSON does not hold is gone, what it cannot hold throws. */
function copy<T>(value: T): T {
  return fromJson<T>(JSON.stringify(value));
}

function id(row: { readonly table: string; readonly key: string }): string {
  return JSON.stringify([row.table, row.key]);
}

function isChange(change: string | null, wanted: string | undefined): boolean {
  return wanted === undefined || change === wanted || change?.startsWith(`${wanted},`) === true;
}
