import { describe, expect, test } from 'vitest';
import { nextTime, parseCron } from './cron.ts';

function after(line: string, from: string, apscheduler = false): string | undefined {
  const cron = parseCron(line, { apscheduler });
  const next = cron === undefined ? undefined : nextTime(cron, Date.parse(from));
  return next === undefined ? undefined : new Date(next).toISOString();
}

describe('cron', () => {
  test.each([
    ['0 6 * * *', '2026-11-21T05:59:59Z', '2026-11-21T06:00:00.000Z'],
    ['0 6 * * *', '2026-11-21T06:00:00Z', '2026-11-22T06:00:00.000Z'],
    ['*/15 * * * *', '2026-11-21T23:50:00Z', '2026-11-22T00:00:00.000Z'],
    ['* * * * * */20', '2026-11-21T00:00:01Z', '2026-11-21T00:00:20.000Z'],
    ['0 0 29 2 *', '2026-03-01T00:00:00Z', '2028-02-29T00:00:00.000Z'],
    ['0 0 1 jan,jul *', '2026-02-01T00:00:00Z', '2026-07-01T00:00:00.000Z'],
    ['30 4 * * sun', '2026-11-21T00:00:00Z', '2026-11-22T04:30:00.000Z'],
    ['30 4 * * 7', '2026-11-21T00:00:00Z', '2026-11-22T04:30:00.000Z'],
    ['0 0 13 * 5', '2026-11-07T00:00:00Z', '2026-11-13T00:00:00.000Z'],
    ['0 0 1 * 3', '2026-11-21T00:00:00Z', '2026-11-25T00:00:00.000Z'],
    ['@daily', '2026-12-31T12:00:00Z', '2027-01-01T00:00:00.000Z'],
  ])('%s after %s is %s', (line, from, expected) => {
    expect(after(line, from)).toBe(expected);
  });

  test('a day that never comes is never due', () => {
    expect(after('0 0 30 2 *', '2026-01-01T00:00:00Z')).toBeUndefined();
  });

  test('borrowed from Zuul 2.6: weekdays from Monday, no month', () => {
    expect(after('0 0 * 1 0', '2026-11-21T00:00:00Z', true)).toBe('2026-11-23T00:00:00.000Z');
  });

  test.each(['', '* * * *', '60 * * * *', '* * * * mond', '*/0 * * * *', '5-1 * * * *', '* * * * * * *'])(
    '%j is no cron line',
    (line) => {
      expect(parseCron(line)).toBeUndefined();
    },
  );
});
