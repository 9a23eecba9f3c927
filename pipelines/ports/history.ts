import type { Fact } from '../event.ts';
import type { Row } from './store.ts';

/** One line of the ledger: what arrived, and what became of it. */
export interface LedgerEntry {
  readonly seq: number;
  readonly key: string;
  readonly fact: Fact;
  readonly raw?: string;
  /** ms */
  readonly filedAt: number;
  /** Undefined: the kernel has not taken it yet. */
  readonly usedAt?: number;
  /** A fact the kernel could not digest was set aside; its note says so and why. */
  readonly aside: boolean;
  readonly note?: string;
}

/** Reads of the one truth for people: never needed to run, may lag by a turn. All newest first. */
export interface History {
  /** `since` in ms, `before` a seq to page by, `type` the Gerrit event type. */
  ledger(query: {
    readonly since?: number;
    readonly before?: number;
    readonly kind?: string;
    readonly type?: string;
    readonly limit: number;
  }): Promise<LedgerEntry[]>;
  /** Nothing was missed when `filed` = `used` + `aside` + `waiting` and `aside` = 0. */
  tally(since: number): Promise<{ filed: number; used: number; aside: number; waiting: number }>;
  builds(query: HistoryQuery): Promise<HistoryRow[]>;
  /** By uuid, or by the beginning of one that only one build has. */
  build(
    uuid: string,
  ): Promise<
    { kind: 'found'; row: HistoryRow } | { kind: 'absent' } | { kind: 'ambiguous'; uuids: readonly string[] }
  >;
  items(query: HistoryQuery): Promise<HistoryRow[]>;
  reports(query: HistoryQuery): Promise<HistoryRow[]>;
}

export interface HistoryRow extends Row {
  /** When it finished, ms. */
  readonly at: number;
}

export interface HistoryQuery {
  readonly limit: number;
  /** Only rows that finished before this, ms. */
  readonly before?: number;
  readonly job?: string;
  readonly pipeline?: string;
  readonly project?: string;
  /** `1234` or `1234,5`. */
  readonly change?: string;
  readonly result?: string;
}
