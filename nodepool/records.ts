import type { Row, WorldPatch } from '../pipelines/ports.ts';

/**
 * Where the pool writes down what it does: rows of JSON by table and key, in the same database as everything else. One process
 * (the launcher) writes; any may read.
 *
 * - `commit` is all or nothing and durable when it resolves. A row put again replaces the one before; dropping what is not
 *   there is no error; a key both put and dropped in one patch is put.
 * - `all` and `get` see every commit that resolved before they were called.
 *
 * Tables: `node`, `request`, `hold`, `offline`, `image`, `preparation`, `config` (what nodepool.yaml said, and what of it is
 * still as it was before), `why` (why requests wait, for other processes), and `counter` (the last node id given).
 */
export interface PoolRecords {
  all(): Promise<Row[]>;
  get(table: string, key: string): Promise<unknown>;
  commit(patch: WorldPatch): Promise<void>;
}
