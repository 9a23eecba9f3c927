import { expect, test } from 'vitest';
import { wakeup } from './wakeup.ts';

const never = new AbortController().signal;

test('a ring that nobody heard is heard by the next who waits, once', async () => {
  const bell = wakeup();
  bell.ring();
  bell.ring();
  await bell.wait(60_000, never);
  const since = performance.now();
  await bell.wait(20, never);
  expect(performance.now() - since).toBeGreaterThan(15);
});

test('a ring wakes everybody who waits', async () => {
  const bell = wakeup();
  const waiting = Promise.all([bell.wait(60_000, never), bell.wait(Number.MAX_SAFE_INTEGER, never)]);
  bell.ring();
  await waiting;
});

test('an aborted wait ends', async () => {
  const bell = wakeup();
  await bell.wait(60_000, AbortSignal.abort());
  await bell.wait(-5, never);
});
