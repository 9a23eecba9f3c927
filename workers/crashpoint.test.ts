import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseTarget } from './crashpoint.ts';

function run(env: Record<string, string>): { signal: string | null; output: string } {
  const code = `
    import { crashpoint } from ${JSON.stringify(new URL('./crashpoint.ts', import.meta.url).href)};
    for (const n of [1, 2, 3]) { crashpoint('a.b'); crashpoint('c'); console.log(n); }`;
  const words = ['--import', 'tsx', '--input-type=module', '-e', code];
  const { signal, stdout } = spawnSync(process.execPath, words, { env: { ...process.env, ...env } });
  return { signal, output: stdout.toString().replaceAll('\n', '') };
}

test('kills the process at the passing that was asked for, and only there', () => {
  expect(run({ STACKGATE_CRASH_AT: 'a.b:3' })).toEqual({ signal: 'SIGKILL', output: '12' });
  expect(run({ STACKGATE_CRASH_AT: 'a.b:4' })).toEqual({ signal: null, output: '123' });
});

test('takes its order from a file, and takes the file away before it dies', () => {
  const directory = mkdtempSync(join(tmpdir(), 'stackgate-order-'));
  const file = join(directory, 'order');
  expect(run({ STACKGATE_CRASH_AT: `@${file}` })).toEqual({ signal: null, output: '123' });
  writeFileSync(file, 'c:2\n');
  expect(run({ STACKGATE_CRASH_AT: `@${file}` })).toEqual({ signal: 'SIGKILL', output: '1' });
  expect(existsSync(file)).toBe(false);
  rmSync(directory, { recursive: true });
});

test('traces what is passed', () => {
  const directory = mkdtempSync(join(tmpdir(), 'stackgate-trace-'));
  const file = join(directory, 'trace');
  run({ STACKGATE_CRASH_TRACE: file });
  expect(readFileSync(file, 'utf8')).toBe('a.b\nc\n'.repeat(3));
  rmSync(directory, { recursive: true });
});

test('reads its target', () => {
  expect(parseTarget('store.commit.after:12')).toEqual({ name: 'store.commit.after', passing: 12 });
  expect(parseTarget('x')).toEqual({ name: 'x', passing: 1 });
  expect(parseTarget('x:0')).toEqual({ name: 'x', passing: 1 });
  expect(parseTarget('')).toBeUndefined();
  expect(parseTarget(undefined)).toBeUndefined();
});
