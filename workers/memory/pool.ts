import type { Row } from '../../pipelines/ports.ts';
import type { PoolRows } from '../store/pool.ts';
import { fromJson } from '../store/text.ts';

/** The twin in memory: same answers, no durability. `rows` may be handed on, as a restart would find them. */
export function memoryPool(rows: Map<string, Row> = new Map()): PoolRows {
  const id = ({ table, key }: { table: string; key: string }) => JSON.stringify([table, key]);
  return {
    all: async () => copy([...rows.values()]).sort((a, b) => (id(a) < id(b) ? -1 : 1)),
    get: async (table, key) => copy(rows.get(id({ table, key }))?.value),
    async commit({ put, drop }) {
      const fresh = copy(put);
      for (const row of drop) rows.delete(id(row));
      for (const row of fresh) rows.set(id(row), row);
    },
  };
}

function copy<T>(value: T): T {
  return value === undefined ? value : fromJson<T>(JSON.stringify(value));
}
