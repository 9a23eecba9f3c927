import { expect, it } from 'vitest';
import { named } from './named.ts';

it('finds only what was put in', () => {
  const record = named(JSON.parse('{"a": 1, "__proto__": 2}'));
  expect(record['a']).toBe(1);
  expect(record['constructor']).toBeUndefined();
  expect(record['__proto__']).toBe(2);
  expect(JSON.stringify(record)).toBe('{"a":1,"__proto__":2}');
});
