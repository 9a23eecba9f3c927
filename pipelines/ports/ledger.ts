import type { GerritEvent } from '../event.ts';

/**
 * What the reconciliation of missed events asks the store: which events of a change are in the ledger, and what was proven
 * so far. Beside `Store`, over the same tables.
 */
export interface Ledger {
  /** The GerritEvents about these changes that were filed at or after `since` (ms), in the order they were filed. */
  events(connection: string, numbers: readonly string[], since: number): Promise<LedgerEvent[]>;
  /** Appends the record of one sweep. */
  swept(sweep: Sweep): Promise<void>;
  /** The newest sweeps first. */
  sweeps(connection: string, limit: number): Promise<Sweep[]>;
}

export interface LedgerEvent {
  readonly key: string;
  readonly fact: GerritEvent;
}

/** One comparison of the ledger with Gerrit: the proof behind "0 missed". Times are ms. */
export interface Sweep {
  readonly connection: string;
  /** `start`, `reconnect`, `dropped-output`, `timer` or `requested`. */
  readonly reason: string;
  /** When we began to listen at all; nothing before it is looked at. */
  readonly origin: number;
  /** What happened in [from, to] is in the ledger now, unless `failed` says why that is not proven. */
  readonly from: number;
  readonly to: number;
  /** Changes Gerrit named, and the events they prove. */
  readonly asked: number;
  readonly found: number;
  /** Events the stream never delivered, and how many of them were new to the ledger. */
  readonly missed: number;
  readonly filed: number;
  readonly failed?: string;
}
