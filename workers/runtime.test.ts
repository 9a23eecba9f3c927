import { expect, test } from 'vitest';
import { Fault } from '../pipelines/fault.ts';
import { describe as describeFault, type Part, runParts } from './runtime.ts';

function part(name: string, seen: string[], work?: (stop: AbortSignal) => Promise<void>): Part {
  return {
    name,
    start: async (stop) => {
      seen.push(`start ${name}`);
      const close = async (): Promise<void> => void seen.push(`close ${name}`);
      return work === undefined ? { close } : { running: work(stop), close };
    },
  };
}

const untilStopped = (stop: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    stop.addEventListener('abort', () => resolve(), { once: true });
  });

test('starts in order and stops in the opposite order', async () => {
  const seen: string[] = [];
  const stop = new AbortController();
  const parts = [
    part('store', seen),
    part('scheduler', seen, async (signal) => {
      await untilStopped(signal);
      seen.push('scheduler ended');
    }),
    { name: 'last', start: async () => (stop.abort(), {}) },
  ];
  expect(await runParts(parts, { signal: stop.signal })).toBe(0);
  expect(seen).toEqual([
    'start store',
    'start scheduler',
    'scheduler ended',
    'close scheduler',
    'close store',
  ]);
});

test('a part that breaks, ends by itself or does not start ends the process with one line', async () => {
  const breaks: ((stop: AbortSignal) => Promise<void>)[] = [
    async () => {
      throw new Fault('database-away', 'no\nserver', { hint: 'start it' });
    },
    async () => undefined,
  ];
  for (const work of breaks) {
    const seen: string[] = [];
    const lines: string[] = [];
    const parts = [part('store', seen), part('bad', seen, work), part('late', seen, untilStopped)];
    expect(await runParts(parts, { log: (line) => lines.push(line) })).toBe(1);
    expect(seen).toContain('close store');
    expect(lines.at(-1)).toMatch(/^(database-away: no server - start it|bug: bad ended by itself)$/);
  }
  const seen: string[] = [];
  const broken: Part = { name: 'broken', start: () => Promise.reject(new Error('boom')) };
  expect(await runParts([part('store', seen), broken, part('never', seen)])).toBe(1);
  expect(seen).toEqual(['start store', 'close store']);
});

test('does not wait for ever for a part that does not stop', async () => {
  const lines: string[] = [];
  const stuck: Part = { name: 'stuck', start: async () => ({ running: new Promise<void>(() => undefined) }) };
  const stop = AbortSignal.timeout(20);
  expect(await runParts([stuck], { grace: 20, signal: stop, log: (line) => lines.push(line) })).toBe(0);
  expect(lines).toContain('stuck: did not stop within 20 ms');
});

test('what an error quotes does not reach the terminal', () => {
  expect(describeFault(new Fault('bug', 'a\u001b[31mred\nb'))).toBe('bug: a [31mred b');
});
