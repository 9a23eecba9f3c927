import { describe, expect, test } from 'vitest';
import { realms, uuid } from './ids.ts';

describe('uuid', () => {
  const site = '0123456789abcdef';

  test('is 32 hex, the same for the same site and counter', () => {
    expect(uuid(site, realms.build, 1)).toMatch(/^[0-9a-f]{32}$/);
    expect(uuid(site, realms.build, 7)).toBe(uuid(site, realms.build, 7));
  });

  test('gives every build a short name of its own', () => {
    const short = new Set(Array.from({ length: 200_000 }, (_, n) => uuid(site, realms.build, n).slice(0, 7)));
    expect(short.size).toBe(200_000);
  });

  test('keeps sites, realms and times apart', () => {
    const all = [site, 'fedcba9876543210', '0123456789abcdee'].flatMap((each) =>
      [realms.build, realms.ref].flatMap((realm) =>
        [0, 1, 2, 2 ** 28, 2 ** 28 + 1].map((n) => uuid(each, realm, n)),
      ),
    );
    expect(new Set(all).size).toBe(all.length);
  });

  test('does not count in a way that people can see', () => {
    expect(uuid(site, realms.build, 1).slice(0, 4)).not.toBe(uuid(site, realms.build, 2).slice(0, 4));
  });
});
