import { afterEach, expect, test } from 'vitest';
import { Fault } from '../pipelines/fault.ts';
import { eventually } from '../test/harness/servers.ts';
import { type Watch, watchOver } from './watch.ts';

const watches: Watch[] = [];
afterEach(async () => {
  for (const watch of watches.splice(0)) await watch.close();
});

function watched(ask: (signal: AbortSignal) => Promise<string>) {
  const said: string[] = [];
  const log = { info: (line: string) => said.push(line), warn: (line: string) => said.push(line) };
  const watch = watchOver({ name: 'It', meanwhile: 'Wait.', ask, log, every: 10, deadline: 50 });
  watches.push(watch);
  return { watch, said };
}

test('says one sentence when it goes and one when it is back, whatever others say meanwhile', async () => {
  let away = false;
  let asked = 0;
  const { watch, said } = watched(async () => {
    asked += 1;
    if (away) throw new Fault('queue-away', `no answer ${asked}`, { hint: 'Look.' });
    return 'answers';
  });
  await eventually(() => expect(asked).toBeGreaterThan(1));
  away = true;
  await eventually(() => expect(watch.state().ok).toBe(false));
  for (let i = 0; i < 50; i++) watch.trouble(new Error(`cut ${i}`));
  const until = asked + 5;
  await eventually(() => expect(asked).toBeGreaterThan(until));
  expect(watch.state().detail).toMatch(/^no answer \d+\. Look\. Wait\.$/);
  away = false;
  await eventually(() => expect(watch.state()).toEqual({ ok: true, detail: 'answers' }));
  watch.trouble(new Error('an echo'));
  const later = asked + 5;
  await eventually(() => expect(asked).toBeGreaterThan(later));
  expect(said).toEqual([
    expect.stringMatching(/^It: no answer \d+\. Look\. Wait\.$/),
    expect.stringMatching(/^It is in order again after \d+ s$/),
  ]);
});

test('tells an error of one that answers, once', async () => {
  const { watch, said } = watched(async () => 'answers');
  for (let i = 0; i < 5; i++) watch.trouble(new Error('odd'));
  await eventually(() => expect(said).toEqual(['It: odd']));
});

test('says it once, whether it is cut off, late or does not let us in', async () => {
  const codes = ['database-away', 'deadline', 'bug'] as const;
  let asked = 0;
  const { watch, said } = watched(async () => {
    asked += 1;
    throw new Fault(codes[asked % codes.length] ?? 'bug', 'no');
  });
  await eventually(() => expect(asked).toBeGreaterThan(3 * codes.length));
  expect(watch.state().ok).toBe(false);
  expect(said).toEqual(['It: no Wait.']);
});

test('says nothing of what a server that ends did to its connections', async () => {
  let asked = 0;
  const { watch, said } = watched(async () => {
    asked += 1;
    if (asked > 3) throw new Fault('database-away', 'no answer');
    return 'answers';
  });
  await eventually(() => expect(asked).toBeGreaterThan(1));
  watch.trouble(new Error('terminating connection'));
  await eventually(() => expect(asked).toBeGreaterThan(8));
  expect(said).toEqual(['It: no answer Wait.']);
});

test('says nothing of one late answer', async () => {
  let asked = 0;
  const { watch, said } = watched(() => {
    asked += 1;
    return asked === 3 ? new Promise<string>(() => undefined) : Promise.resolve('answers');
  });
  await eventually(() => expect(asked).toBeGreaterThan(6));
  expect(watch.state().ok).toBe(true);
  expect(said).toEqual([]);
});

test('takes no answer for one that is away', async () => {
  const { watch } = watched(() => new Promise<string>(() => undefined));
  await eventually(() => expect(watch.state()).toMatchObject({ ok: false }));
});
