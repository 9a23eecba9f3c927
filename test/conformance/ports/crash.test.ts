import { type ChildProcess, spawn } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openQueue } from '../../../workers/queue/bullmq.ts';
import { pgliteQueue } from '../../../workers/queue/postgres.ts';
import { openPglite } from '../../../workers/store/pglite.ts';
import { openStore, type SqlStore } from '../../../workers/store/store.ts';
import { STAGES } from './toykernel.ts';

/**
 * kill -9, for real: a child turns a whole ring on a disk-backed PGlite and dies, by our hand or at a named line. The next one
 * on the same directory must bring everything to its end: each fact used once, each action done, nothing acknowledged lost.
 *
 * STACKGATE_CRASH_ALL=1 dies at every place there is, not only at a choice of them.
 */

const CHILD = new URL('./crashchild.ts', import.meta.url).pathname;
const root = mkdtempSync(join(tmpdir(), 'stackgate-crash-'));
const template = join(root, 'template');

interface Run {
  readonly signal: NodeJS.Signals | null;
  readonly output: string;
}

function run(
  directory: string,
  events: number,
  env: Record<string, string>,
  watch: (child: ChildProcess, output: string) => void = () => undefined,
): Promise<Run> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--import', 'tsx', CHILD, directory, `${events}`], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, ...env },
    });
    const late = setTimeout(() => child.kill('SIGKILL'), 60_000);
    let output = '';
    child.stdout.setEncoding('utf8');
    child.stdout.on('data', (text: string) => {
      output += text;
      watch(child, output);
    });
    child.once('error', reject);
    child.once('close', (_, signal) => {
      clearTimeout(late);
      resolve({ signal, output });
    });
  });
}

async function look<T>(directory: string, work: (store: SqlStore) => Promise<T>): Promise<T> {
  const db = await openPglite({ directory });
  const store = await openStore(db);
  try {
    return await work(store);
  } finally {
    await store[Symbol.asyncDispose]();
    await db[Symbol.asyncDispose]();
  }
}

/** Everything came to its end: facts, actions, hands and history agree. */
async function expectWhole(directory: string, events: number): Promise<void> {
  await look(directory, async (store) => {
    const facts = events * (1 + STAGES.length);
    expect(await store.tally(0)).toEqual({ filed: facts, used: facts, aside: 0, waiting: 0 });
    expect(await store.undone()).toEqual([]);
    expect(await store.world()).toEqual([]);
    expect(await store.items({ limit: events * 2 })).toHaveLength(events);
    const ledger = await store.ledger({ limit: facts });
    expect(ledger.filter((line) => line.note === 'stale answer')).toEqual([]);
  });
  const done = new Set(readFileSync(join(directory, 'hands'), 'utf8').trim().split('\n'));
  expect(done.size).toBe(events * STAGES.length);
}

beforeAll(async () => {
  const db = await openPglite({ directory: template });
  await (await openStore(db))[Symbol.asyncDispose]();
  await (await openQueue(pgliteQueue(db)))[Symbol.asyncDispose]();
  await db[Symbol.asyncDispose]();
}, 120_000);
afterAll(() => rmSync(root, { recursive: true, force: true }));

function copyOf(name: string): string {
  const directory = join(root, name);
  cpSync(template, directory, { recursive: true });
  return directory;
}

describe('a process killed at any line', () => {
  test('amid hundreds of events, again and again, loses and repeats nothing', {
    timeout: 120_000,
  }, async () => {
    const directory = copyOf('storm');
    const events = 200;
    const kills = 4;
    let acknowledged = 0;
    let ended = '';
    for (let round = 0; ended !== 'settled' && round <= kills; round++) {
      const mine = round < kills;
      const { output, signal } = await run(directory, events, {}, (child, text) => {
        if (mine && text.includes(`filed ${Math.min(events, 60 * (round + 1))}\n`)) {
          setTimeout(() => child.kill('SIGKILL'), 61 * round);
        }
      });
      const filed = [...output.matchAll(/^filed (\d+)$/gm)].map((match) => Number(match[1]));
      acknowledged = Math.max(acknowledged, ...filed);
      ended = output.trim().split('\n').at(-1) ?? '';
      if (mine) expect(signal).toBe('SIGKILL');
      if (mine) expect(existsSync(join(directory, 'pg', 'PG_VERSION'))).toBe(true);
      if (!mine) break;
      const { filed: kept } = await look(directory, (store) => store.tally(0));
      expect(kept).toBeGreaterThanOrEqual(acknowledged);
    }
    expect(ended).toBe('settled');
    await expectWhole(directory, events);
  });

  const choice = [
    'store.commit.acted:3',
    'scheduler.dispatch.before:2',
    'hand.merge.begun:1',
    'hand.report.done:2',
  ];
  const all = process.env['STACKGATE_CRASH_ALL'] === '1';

  test('at each named place', { timeout: all ? 900_000 : 120_000 }, async () => {
    const trace = join(root, 'trace');
    const plain = await run(copyOf('plain'), 3, { STACKGATE_CRASH_TRACE: trace });
    expect(plain.output).toContain('settled');
    const passed = readFileSync(trace, 'utf8').trim().split('\n');
    const names = [...new Set(passed)];
    expect(names.length).toBeGreaterThan(30);
    for (const place of choice) expect(names).toContain(place.split(':')[0]);
    const places = all ? names.flatMap((name) => [`${name}:1`, `${name}:2`]) : choice;
    for (const place of places) {
      const directory = copyOf(place.replace(':', '-'));
      const first = await run(directory, 3, { STACKGATE_CRASH_AT: place });
      const reached = passed.filter((name) => name === place.split(':')[0]).length;
      if (reached >= Number(place.split(':')[1])) expect([place, first.signal]).toEqual([place, 'SIGKILL']);
      const second = await run(directory, 3, {});
      expect([place, second.output.trim().split('\n').at(-1)]).toEqual([place, 'settled']);
      await expectWhole(directory, 3);
      rmSync(directory, { recursive: true, force: true });
    }
  });

  test('a second process on the same directory is told who has it', { timeout: 60_000 }, async () => {
    const directory = copyOf('twice');
    await look(directory, async () => {
      const second = openPglite({ directory });
      await expect(second).rejects.toMatchObject({ code: 'data-locked' });
      await expect(second).rejects.toThrow(`process ${process.pid}`);
    });
    await look(directory, async () => undefined);
  });
});
