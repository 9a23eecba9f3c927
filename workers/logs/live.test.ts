import { access, mkdtemp, readdir, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { followConsole } from './live.ts';
import { defaultKeep, keepProblem, sweepLogs } from './retention.ts';
import { directorySite } from './site.ts';

let directory = '';
const path = '34/1234/5/check/job/0abc123';
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'stackgate-live-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const site = () => directorySite({ directory, url: 'http://x' });

/** Collects what a reader gets; `seen` resolves when it has that much. */
function reader(offset = 0, signal = AbortSignal.timeout(20_000)) {
  let text = '';
  let wake = () => {};
  const done = (async () => {
    for await (const chunk of followConsole(join(directory, path), offset, signal)) {
      text += chunk.toString();
      wake();
    }
    return text;
  })();
  const seen = async (wanted: string) => {
    while (!text.includes(wanted)) await new Promise<void>((resolve) => (wake = resolve));
  };
  return { done, seen };
}

test('a reader that came before the build sees it all and ends when the logs are final', async () => {
  const early = reader();
  const folder = await site().open(path);
  const console = await folder.console(0);
  await console.write(Buffer.from('one\n'));
  await early.seen('one');
  const late = reader(2);
  await console.write(Buffer.from('two\n'));
  await Promise.all([early.seen('two'), late.seen('two')]);
  await console.write(Buffer.from('three\n'));
  await console.close();
  await folder.finish({});
  expect(await early.done).toBe('one\ntwo\nthree\n');
  expect(await late.done).toBe('e\ntwo\nthree\n');
  expect(await reader().done).toBe('one\ntwo\nthree\n');
  expect(await reader(9).done).toBe('hree\n');
  expect(await reader(900).done).toBe('');
});

test('a new line is there within moments', async () => {
  const folder = await site().open(path);
  const console = await folder.console(0);
  await console.write(Buffer.from('first'));
  const one = reader();
  await one.seen('first');
  const lags: number[] = [];
  for (let line = 0; line < 20; line++) {
    const before = performance.now();
    await console.write(Buffer.from(`line ${line};`));
    await one.seen(`line ${line};`);
    lags.push(performance.now() - before);
  }
  lags.sort((a, b) => a - b);
  expect(lags[10]).toBeLessThan(150);
  await console.close();
  await folder.finish({});
  await one.done;
});

test('a reader that goes away ends at once', async () => {
  const gone = new AbortController();
  const one = reader(0, gone.signal);
  gone.abort();
  expect(await one.done).toBe('');
});

test('old builds go, with the empty folders above them; young and running ones stay', async () => {
  const month = defaultKeep;
  const now = Date.now();
  for (const [name, age] of [
    ['34/1234/5/check/job/old0000', month + 1000],
    ['34/1234/5/check/job/young00', month - 100_000],
    ['99/9999/1/gate/job/old0000', 2 * month],
  ] as const) {
    const folder = await site().open(name);
    const console = await folder.console(0);
    await console.write(Buffer.from('x'));
    await console.close();
    await folder.finish({});
    const at = new Date(now - age);
    await utimes(join(directory, name, 'manifest.json'), at, at);
  }
  const running = await (await site().open('34/1234/6/check/job/running')).console(0);
  await running.close();
  expect(await sweepLogs(directory, month, now, AbortSignal.timeout(5000))).toBe(2);
  expect((await readdir(directory)).sort()).toEqual(['34']);
  expect(await readdir(join(directory, '34/1234/5/check/job'))).toEqual(['young00']);
  await access(join(directory, '34/1234/6/check/job/running/console.txt'));
  expect(keepProblem(month)).toBe(undefined);
  expect(keepProblem(month / 2)).toMatchObject({ severity: 'warning', code: 'short-retention' });
});
