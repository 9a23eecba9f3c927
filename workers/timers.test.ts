import { expect, test } from 'vitest';
import { Fault } from '../pipelines/fault.ts';
import type { Filed } from '../pipelines/ports.ts';
import { dueRuns, runTimers } from './timers.ts';

const noon = Date.UTC(2026, 10, 28, 12);
const minute = 60_000;

test('a time is due once, missed ones come as one', () => {
  const jobs = [
    { name: 'a', timed: '0 * * * *' },
    { name: 'b', timed: '*/5 * * * *\n7 12 * * *' },
    { name: 'c' },
  ];
  const due = (last: number, now: number) =>
    dueRuns(jobs, last, now).map(({ id, job }) => `${job} ${id.split('-').at(-1)}`);
  expect(due(noon - minute, noon)).toEqual([`a ${noon}`, `b ${noon}`]);
  expect(due(noon, noon + minute)).toEqual([]);
  expect(due(noon - 180 * minute, noon + 8 * minute)).toEqual([`a ${noon}`, `b ${noon + 7 * minute}`]);
});

test('the loop asks for what came due since it last looked, in this life or before, whatever was away meanwhile', async () => {
  const filed: Filed[] = [];
  const effects = new Map<string, unknown>();
  let now = noon - 1;
  const stop = new AbortController();
  let away = 2;
  const told: string[] = [];
  const options = {
    store: {
      file: async (facts: readonly Filed[]) => {
        if (facts.length > 0 && away-- > 0) throw new Fault('database-away', 'no answer', { retry: true });
        return filed.push(...facts);
      },
      effect: async (id: string) => effects.get(id),
      saveEffect: async (id: string, value: unknown) => void effects.set(id, value),
    },
    jobs: () => [{ name: 'nightly', timed: '0 12 * * *' }],
    leads: () => true,
    now: () => now,
    every: 1,
    told: (fault: Fault) => told.push(fault.code),
  };
  const first = runTimers(options, stop.signal);
  while (effects.size === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  expect(filed).toEqual([]);
  stop.abort();
  await first;
  // It was away at noon.
  now = noon + 90 * minute;
  const again = new AbortController();
  const second = runTimers(options, again.signal);
  while (filed.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  again.abort();
  await second;
  expect(told).toEqual(['database-away', 'database-away']);
  expect(new Set(filed.map(({ key }) => key)).size).toBe(1);
  expect(filed[0]?.fact).toMatchObject({ kind: 'RunRequested', job: 'nightly', by: 'timer', vote: false });
});
