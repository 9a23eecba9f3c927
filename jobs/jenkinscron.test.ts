import fc from 'fast-check';
import { expect, test } from 'vitest';
import { nextTime, parseCron } from '../pipelines/cron.ts';
import { jenkinsCron } from './jenkinscron.ts';

const lines = (text: string, job = 'a') => {
  const read = jenkinsCron(text, job);
  return read.kind === 'times' ? read.lines : read.message;
};

test('reads what cron reads', () => {
  expect(lines('# nightly\n30 3 * * 1-5\n\nTZ=UTC\n*/20 0 1 jan,Dec sun')).toEqual([
    '30 3 * * 1,2,3,4,5',
    '0,20,40 0 1 1,12 0',
  ]);
});

test('H is one value per job and field, the same for ever', () => {
  expect(lines('H 3 * * *')).toEqual(lines('H 3 * * *'));
  const minutes = new Set(
    Array.from({ length: 200 }, (_, index) => String(lines('H 3 * * *', `job-${index}`))),
  );
  expect(minutes.size).toBeGreaterThan(40);
});

test('H within a range, and H every so often', () => {
  for (let index = 0; index < 100; index++) {
    const [line = ''] = lines('H(10-20) H/6 H * *', `job-${index}`);
    const [minute = '', hour = '', day = ''] = line.split(' ');
    expect(Number(minute)).toBeGreaterThanOrEqual(10);
    expect(Number(minute)).toBeLessThanOrEqual(20);
    const hours = hour.split(',').map(Number);
    expect(hours).toHaveLength(4);
    expect((hours[1] ?? 0) - (hours[0] ?? 0)).toBe(6);
    expect(Number(day)).toBeLessThanOrEqual(28);
  }
  expect(lines('@hourly')).toEqual([expect.stringMatching(/^\d+ \* \* \* \*$/)]);
});

test.each([
  ['* * * *', /4 fields/],
  ['60 * * * *', /"60" is no minute/],
  ['5-1 * * * *', /no minute/],
  ['H(5-1) * * * *', /no minute/],
  ['5/2 * * * *', /no minute/],
  ['*/0 * * * *', /no minute/],
  ['TZ=Europe/Paris\n0 0 * * *', /UTC/],
])('%j is refused with a sentence', (text, message) => {
  expect(lines(text)).toMatch(message);
});

test('whatever it makes is cron with a next time', () => {
  const part = fc.constantFrom('*', 'H', 'H/3', '1-5', '2', 'H(1-4)', '*/2', '1,3');
  const text = fc.tuple(part, part, part, part, part).map((parts) => parts.join(' '));
  fc.assert(
    fc.property(fc.oneof(text, fc.string()), fc.string(), (given, job) => {
      const read = jenkinsCron(given, job);
      if (read.kind === 'wrong') return;
      for (const line of read.lines) {
        const cron = parseCron(line);
        if (cron === undefined) throw new Error(line);
        expect(nextTime(cron, 1_700_000_000_000)).toBeGreaterThan(1_700_000_000_000);
      }
    }),
  );
});
