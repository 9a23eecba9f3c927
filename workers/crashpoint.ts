import { appendFileSync, readFileSync, rmSync } from 'node:fs';

/**
 * A place where the process may die, named, so that a test can make it die exactly there. Nothing happens unless one of
 * these variables is set:
 *
 * - `STACKGATE_CRASH_AT=store.commit.after:3` kills this process with SIGKILL when it passes that place the third time
 *   (`:1` when no number is given). SIGKILL, because a crash runs no handlers, flushes nothing and closes nothing.
 * - `STACKGATE_CRASH_AT=@/tmp/order` reads the place from a file, which may come and change while the process lives. It is
 *   counted from then on, and the file is removed before the process dies: the next life is not meant.
 * - `STACKGATE_CRASH_WITH=SIGSTOP` stops it there instead, for a test that continues it when others have taken over.
 * - `STACKGATE_CRASH_TRACE=/tmp/places` appends each name as it is passed, one a line: which places a story reaches.
 *
 * A durable step has two of them, before and after: between the two lies exactly what must be whole or absent.
 */

const order = process.env['STACKGATE_CRASH_AT'] ?? '';
const file = order.startsWith('@') ? order.slice(1) : undefined;
const signal = process.env['STACKGATE_CRASH_WITH'] === 'SIGSTOP' ? 'SIGSTOP' : 'SIGKILL';
const trace = process.env['STACKGATE_CRASH_TRACE'];
let text = file === undefined ? order : '';
let target = parseTarget(text);
let passed = 0;

export function crashpoint(name: string): void {
  if (trace !== undefined && trace !== '') appendFileSync(trace, `${name}\n`);
  if (file !== undefined) readOrder(file);
  if (target === undefined || target.name !== name) return;
  passed += 1;
  if (passed !== target.passing) return;
  if (file !== undefined) rmSync(file, { force: true });
  process.kill(process.pid, signal);
}

function readOrder(path: string): void {
  const now = readIfThere(path);
  if (now === text) return;
  text = now;
  target = parseTarget(now);
  passed = 0;
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}

/** `name:n` with n from 1; a bare `name` is its first passing. */
export function parseTarget(text: string | undefined): { name: string; passing: number } | undefined {
  if (text === undefined || text === '') return undefined;
  const match = /^(.+?)(?::(\d+))?$/.exec(text);
  const name = match?.[1];
  if (name === undefined) return undefined;
  return { name, passing: Math.max(1, Number(match?.[2] ?? '1')) };
}
