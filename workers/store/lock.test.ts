import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { lockDirectory } from './lock.ts';

const made: string[] = [];
const children: ChildProcess[] = [];

function directory(): string {
  const path = mkdtempSync(join(tmpdir(), 'stackgate-lock-'));
  made.push(path);
  return path;
}

/** A process that takes the lock, says so, and lives until it is killed. */
function holder(path: string): { child: ChildProcess; said: Promise<string> } {
  const code = `
    import { lockDirectory } from ${JSON.stringify(new URL('./lock.ts', import.meta.url).href)};
    await lockDirectory(${JSON.stringify(path)}).then(() => console.log('held'), (e) => console.log(e.code));
    setInterval(() => undefined, 1000);`;
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', code]);
  children.push(child);
  const said = new Promise<string>((resolve) => {
    child.stdout.once('data', (text: Buffer) => resolve(text.toString().trim()));
  });
  return { child, said };
}

function recordIn(path: string): object {
  const record: unknown = JSON.parse(readFileSync(join(path, 'lock'), 'utf8'));
  return typeof record === 'object' && record !== null ? record : {};
}

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  for (const path of made.splice(0)) rmSync(path, { recursive: true, force: true });
});

test('a lock is held until it is let go', async () => {
  const path = directory();
  const unlock = await lockDirectory(path);
  await expect(lockDirectory(path)).rejects.toMatchObject({ code: 'data-locked' });
  unlock();
  expect(readdirSync(path)).toEqual([]);
  const again = await lockDirectory(path);
  again();
});

test('of many that find a dead holder, one takes over', async () => {
  const path = directory();
  const first = holder(path);
  expect(await first.said).toBe('held');
  await expect(lockDirectory(path)).rejects.toThrow(`process ${first.child.pid}`);
  first.child.kill('SIGKILL');
  await new Promise((resolve) => first.child.once('close', resolve));
  const outcomes = await Promise.all([holder(path), holder(path), holder(path)].map((one) => one.said));
  expect(outcomes.toSorted()).toEqual(['data-locked', 'data-locked', 'held']);
  expect(readdirSync(path)).toEqual(['lock']);
});

test('a pid that came back is another process', async () => {
  const path = directory();
  const unlock = await lockDirectory(path);
  const record = recordIn(path);
  unlock();
  writeFileSync(join(path, 'lock'), JSON.stringify({ ...record, pid: process.pid, started: '1' }));
  (await lockDirectory(path))();
});

test('a holder elsewhere that still touches its lock is alive', { timeout: 40_000 }, async () => {
  const path = directory();
  const unlock = await lockDirectory(path);
  const record = recordIn(path);
  unlock();
  const write = (): void =>
    writeFileSync(join(path, 'lock'), JSON.stringify({ ...record, namespace: 'pid:[1]', host: 'elsewhere' }));
  write();
  const beat = setInterval(write, 2_000);
  await expect(lockDirectory(path)).rejects.toThrow('elsewhere');
  clearInterval(beat);
});

test('half a record, which only a lost disk leaves, is for people to remove', async () => {
  const path = directory();
  writeFileSync(join(path, 'lock'), '{"pid":');
  await expect(lockDirectory(path)).rejects.toMatchObject({ code: 'data-locked' });
});
