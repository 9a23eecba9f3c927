import fc from 'fast-check';
import { expect, it } from 'vitest';
import { giveOut, tickClock } from './ticks.ts';

const start = 1_700_000_000_000;

it('gives every byte the time of the first tick beyond it, however the bytes come', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 20 }),
      fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 30 }),
      async (steps, cuts) => {
        const ticks = tickClock();
        const times: number[] = [];
        let upTo = 0;
        for (const [index, step] of steps.entries()) {
          upTo += step;
          ticks.add(`${start + index} ${upTo}\n`);
          for (let byte = 0; byte < step; byte++) times.push(start + index);
        }
        const given: number[] = [];
        let at = 0;
        for (let turn = 0; at < upTo; turn++) {
          const length = Math.min(cuts[turn % cuts.length] ?? 1, upTo - at);
          const chunk = Buffer.alloc(length);
          const sink = {
            output: (part: Uint8Array, offset: number, time: number) => {
              expect(offset).toBe(given.length);
              for (let byte = 0; byte < part.length; byte++) given.push(time);
            },
          };
          at = await giveOut(chunk, at, ticks, undefined, sink);
        }
        expect(given).toEqual(times);
      },
    ),
  );
});

it('reads lines in halves, and passes over what a full disk garbled', () => {
  const ticks = tickClock();
  ticks.add(`${start} 1`);
  expect(ticks.end()).toBe(0);
  ticks.add(`0\n17000000${start} 20\n${start} 5\n`);
  expect(ticks.end()).toBe(10);
  expect(ticks.covering(9)).toEqual({ at: start, upTo: 10 });
  expect(ticks.covering(10)).toBe(undefined);
});
