import { describe, expect, test } from 'vitest';
import {
  count,
  digestOf,
  draftOf,
  drop,
  emptyWorld,
  patchOf,
  put,
  rowsOf,
  worldFrom,
  worldOf,
} from './world.ts';

describe('world', () => {
  const site = '0123456789abcdef';

  test('a draft changes nothing of the world it began from', () => {
    const world = emptyWorld(site);
    const draft = draftOf(world);
    put(draft, 'timers', 'nightly', { last: 1 });
    expect(world.tables.timers.size).toBe(0);
    expect(worldOf(draft).tables.timers.size).toBe(1);
    expect(worldOf(draft).tables.items).toBe(world.tables.items);
  });

  test('a patch holds what differs, and only that', () => {
    const first = draftOf(emptyWorld(site));
    put(first, 'timers', 'a', { last: 1 });
    put(first, 'timers', 'b', { last: 1 });
    const draft = draftOf(worldOf(first));
    put(draft, 'timers', 'a', { last: 2 });
    drop(draft, 'timers', 'b');
    put(draft, 'timers', 'came-and-went', { last: 3 });
    drop(draft, 'timers', 'came-and-went');
    drop(draft, 'timers', 'never-there');
    expect(count(draft, 'build')).toBe(1);
    expect(count(draft, 'build')).toBe(2);
    expect(patchOf(draft)).toEqual({
      put: [
        { table: 'timers', key: 'a', value: { last: 2 } },
        { table: 'counters', key: 'build', value: { next: 3 } },
      ],
      drop: [{ table: 'timers', key: 'b' }],
    });
  });

  test('comes back from its rows, whatever their order; foreign rows are left alone', () => {
    const draft = draftOf(emptyWorld(site));
    put(draft, 'site', 'site', { site, now: 5, digest: 'd' });
    put(draft, 'timers', 'a', { last: 1 });
    const rows = rowsOf(worldOf(draft));
    const again = worldFrom(
      [{ table: 'of-a-later-version', key: 'x', value: 1 }, ...rows.reverse()],
      undefined,
    );
    expect(rowsOf(again)).toEqual(rowsOf(worldOf(draft)));
    expect(digestOf(rows)).toBe('d');
  });
});
