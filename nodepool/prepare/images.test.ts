import { expect, test } from 'vitest';
import { currentImage, superfluous, whyNotNewest } from './images.ts';
import type { ImageRecord } from './record.ts';

const image = (id: number, more: Partial<ImageRecord> = {}): ImageRecord => ({
  id: `${id}`.padStart(10, '0'),
  label: 'jammy',
  provider: 'cloud',
  name: `image-${id}`,
  base: 'ubuntu',
  digest: 'd',
  at: id,
  state: { phase: 'ready', image: `image-${id}` },
  ...more,
});
const of = { label: 'jammy', provider: 'cloud', base: 'ubuntu' };
const unusable = { phase: 'unusable', reason: 'gone' } as const;

test('the newest that is ready and has the same base is used', () => {
  const saving = image(4, { state: { phase: 'saving' } });
  expect(currentImage([image(1), image(3), image(2), saving], of)?.name).toBe('image-3');
  expect(currentImage([image(1), image(2, { label: 'other' }), image(3, { provider: 'b' })], of)?.name).toBe(
    'image-1',
  );
  expect(whyNotNewest([image(1), saving], of)).toBe(undefined);
});

test('another base, or one that cannot be used, is said', () => {
  const old = [image(1), image(2, { base: 'older' })];
  expect(currentImage(old, of)?.name).toBe('image-1');
  expect(whyNotNewest(old, of)).toBe(
    'the prepared image image-2 was made from older, and the label now has ubuntu: prepare it again',
  );
  const bad = [image(1), image(2, { state: unusable })];
  expect(currentImage(bad, of)?.name).toBe('image-1');
  expect(whyNotNewest(bad, of)).toBe('the prepared image image-2 cannot be used: gone');
  expect(currentImage([image(2, { base: 'older' })], of)).toBe(undefined);
});

test('the newest stay; what is old, of no use, or was never finished goes', () => {
  const all = [
    image(1),
    image(2),
    image(3),
    image(4, { state: unusable }),
    image(5, { state: { phase: 'saving' } }),
    image(6, { state: { phase: 'saving' } }),
  ];
  const gone = superfluous(all, { label: 'jammy', provider: 'cloud', keep: 2 }, new Set(['0000000006']));
  expect(gone.map(({ image: { name }, reason }) => `${name}: ${reason}`)).toEqual([
    'image-1: 2 newer ones are there',
    'image-4: it cannot be used',
    'image-5: it was never finished',
  ]);
});
