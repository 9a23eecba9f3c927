import { describe, expect, it } from 'vitest';
import type { PoolRecords } from '../../../nodepool/records.ts';

/** What every place that keeps the pool's records must do. `open` answers an empty one. */
export function poolRecordsConformance(name: string, open: () => Promise<PoolRecords>): void {
  describe(`pool records: ${name}`, () => {
    it('keeps rows by table and key', async () => {
      const records = await open();
      expect(await records.all()).toEqual([]);
      await records.commit({
        put: [
          { table: 'node', key: '0000000002', value: { state: { phase: 'ready' } } },
          { table: 'node', key: '0000000001', value: { state: { phase: 'building' } } },
          { table: 'request', key: '0000000001', value: [1, null, 'x'] },
        ],
        drop: [],
      });
      expect(await records.get('node', '0000000001')).toEqual({ state: { phase: 'building' } });
      expect(await records.get('node', '0000000003')).toBe(undefined);
      expect((await records.all()).map(({ table, key }) => `${table} ${key}`)).toEqual([
        'node 0000000001',
        'node 0000000002',
        'request 0000000001',
      ]);
    });

    it('replaces and drops in one commit; what is put and dropped is put', async () => {
      const records = await open();
      const row = (key: string, value: unknown) => ({ table: 'node', key, value });
      await records.commit({ put: [row('a', 1), row('b', 1), row('c', 1)], drop: [] });
      await records.commit({
        put: [row('a', 2), row('c', 3), row('c', 4)],
        drop: [
          { table: 'node', key: 'b' },
          { table: 'node', key: 'c' },
          { table: 'node', key: 'never' },
        ],
      });
      expect(await records.all()).toEqual([row('a', 2), row('c', 4)]);
      await records.commit({ put: [], drop: [] });
    });

    it('keeps what strangers write', async () => {
      const records = await open();
      const odd = { name: 'a\0b', half: '\ud800', key: "'; DROP TABLE x; --" };
      await records.commit({ put: [{ table: 'request', key: 'a\0b\ud800', value: odd }], drop: [] });
      expect(await records.get('request', 'a\0b\ud800')).toEqual(odd);
      expect(await records.all()).toEqual([{ table: 'request', key: 'a\0b\ud800', value: odd }]);
    });

    it('is no way into the value of who wrote it', async () => {
      const records = await open();
      const value = { list: [1] };
      await records.commit({ put: [{ table: 'node', key: 'a', value }], drop: [] });
      value.list.push(2);
      expect(await records.get('node', 'a')).toEqual({ list: [1] });
    });
  });
}
