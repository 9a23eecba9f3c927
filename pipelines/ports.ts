/**
 * The ports between the kernel's ring and the world. Each is a promise in time order: who calls, what may overlap, what is
 * idempotent. Every port has a conformance suite in test/conformance that each adapter passes.
 *
 * Every method that waits takes an AbortSignal or states its deadline; what it throws is a Fault.
 */
export type * from './ports/clock.ts';
export type * from './ports/config.ts';
export type * from './ports/history.ts';
export type * from './ports/ledger.ts';
export type * from './ports/logs.ts';
export type * from './ports/merger.ts';
export type * from './ports/nodes.ts';
export type * from './ports/queue.ts';
export type * from './ports/review.ts';
export type * from './ports/secrets.ts';
export type * from './ports/shell.ts';
export type * from './ports/store.ts';
