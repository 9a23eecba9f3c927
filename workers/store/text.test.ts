import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { fromText, toKey, toNote, toText } from './text.ts';

const units = fc
  .array(fc.oneof(fc.constantFrom(0, 0xd83d, 0xde00, 0xdbff, 0xdffd), fc.integer({ min: 0, max: 0xffff })), {
    maxLength: 40,
  })
  .map((codes) => String.fromCharCode(...codes));
const storable = (text: string): boolean => !/\0|\p{Cs}/u.test(text);

test('every string can be stored, and comes back as it was', () => {
  fc.assert(
    fc.property(units, (text) => {
      expect(storable(toText(text))).toBe(true);
      expect(fromText(toText(text))).toBe(text);
      expect(fromText(toText(toText(text)))).toBe(toText(text));
    }),
  );
});

test('different keys stay different, and none is longer than an index takes', () => {
  fc.assert(
    fc.property(units, units, fc.nat(900), (a, b, length) => {
      const [long, other] = [`${a}${'x'.repeat(length)}`, `${b}${'x'.repeat(length)}`];
      expect(toKey(long) === toKey(other)).toBe(long === other);
      expect(storable(toKey(long))).toBe(true);
    }),
  );
  expect(Buffer.byteLength(toKey('\u{1f600}'.repeat(5_000)))).toBeLessThan(2_600);
  expect(Buffer.byteLength(toKey('\u20ac'.repeat(600)))).toBeLessThan(2_600);
});

test('a note is text for people', () => {
  expect(toNote('a\0b\ud800c')).toBe('a\ufffdb\ufffdc');
  expect(toNote('x'.repeat(5_000))).toHaveLength(2_000);
});
