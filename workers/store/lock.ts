import { randomUUID } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  readlinkSync,
  statSync,
  unlinkSync,
  utimesSync,
  writeSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { Fault } from '../../pipelines/fault.ts';

/**
 * One process owns a data directory: PGlite has no server that would keep a second one out, and two would destroy it.
 *
 * The lock is a file that names its holder. It is made by `link`, which is atomic and exclusive on every file system. A holder
 * that died leaves it behind, so the next one must be able to take it over, and of two that try at once only one may: the
 * right to remove the lock with nonce N is itself a lock, named after N, taken the same way. Whoever has it looks again
 * before removing, so a lock made meanwhile (with another nonce) is never touched.
 *
 * Whether a holder lives is answered by /proc where we share its pid namespace (pid and start time, since pids return).
 * Where we do not (containers over one volume, network file systems), a live holder touches its lock every few seconds.
 */

const Holder = z.object({
  pid: z.number(),
  started: z.string(),
  boot: z.string(),
  namespace: z.string(),
  host: z.string(),
  nonce: z.string(),
});
type Holder = z.infer<typeof Holder>;

const BEAT = 4_000;
/** A lock of another pid namespace that was not touched for so long belongs to nobody. */
const SILENCE = 15_000;

export async function lockDirectory(directory: string): Promise<() => void> {
  const path = join(directory, 'lock');
  const me = self();
  await take(path, me, 0);
  const beat = setInterval(() => touch(path), BEAT);
  beat.unref();
  return () => {
    clearInterval(beat);
    if (read(path)?.nonce === me.nonce) remove(path);
  };
}

async function take(path: string, me: Holder, depth: number): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt++) {
    if (make(path, me)) return;
    const holder = read(path);
    if (holder === undefined) continue;
    if (await lives(path, holder)) throw locked(path, holder);
    if (depth > 3) break;
    const right = `${path}.${holder.nonce}`;
    await take(right, me, depth + 1);
    if (read(path)?.nonce === holder.nonce) remove(path);
    remove(right);
  }
  throw new Fault('data-locked', `${path} cannot be taken over`, {
    hint: `When you are sure that no Stackgate runs on this directory, remove ${path}*.`,
  });
}

/** Writes the holder's record aside and links it into place, so that nobody ever reads half of it. */
function make(path: string, me: Holder): boolean {
  const aside = `${path}.new-${me.nonce}`;
  const file = openSync(aside, 'w', 0o600);
  try {
    writeSync(file, JSON.stringify(me));
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  try {
    linkSync(aside, path);
    return true;
  } catch (caught) {
    if (isCode(caught, 'EEXIST')) return false;
    throw caught;
  } finally {
    remove(aside);
  }
}

async function lives(path: string, holder: Holder): Promise<boolean> {
  const me = self();
  if (holder.boot === me.boot && holder.namespace === me.namespace && me.namespace !== '') {
    return started(holder.pid) === holder.started;
  }
  const first = touchedAt(path);
  const until = Date.now() + SILENCE + BEAT;
  for (let touched = first; touched !== undefined && Date.now() < until; touched = touchedAt(path)) {
    if (touched !== first) return true;
    if (Date.now() - touched > SILENCE) return false;
    await sleep(500);
  }
  return touchedAt(path) !== undefined;
}

function self(): Holder {
  return {
    pid: process.pid,
    started: started(process.pid) ?? '',
    boot: quietly(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()) ?? '',
    namespace: quietly(() => readlinkSync('/proc/self/ns/pid')) ?? '',
    host: hostname(),
    nonce: randomUUID(),
  };
}

/** Field 22 of /proc/<pid>/stat, ticks since boot; the fields start behind the command's last parenthesis. */
function started(pid: number): string | undefined {
  const stat = quietly(() => readFileSync(`/proc/${pid}/stat`, 'utf8'));
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  // A zombie no longer writes anything.
  return fields?.[0] === 'Z' ? undefined : fields?.[19];
}

function read(path: string): Holder | undefined {
  const text = quietly(() => readFileSync(path, 'utf8'));
  if (text === undefined) return undefined;
  return Holder.safeParse(quietly(() => JSON.parse(text) as unknown)).data;
}

function locked(path: string, holder: Holder): Fault {
  const where = holder.host === hostname() ? '' : ` on ${holder.host}`;
  return new Fault('data-locked', `${path} is held by process ${holder.pid}${where}`, {
    hint: `Stop process ${holder.pid}${where} first, or give this one another data directory.`,
  });
}

function touch(path: string): void {
  const now = new Date();
  quietly(() => utimesSync(path, now, now));
}

function touchedAt(path: string): number | undefined {
  return quietly(() => statSync(path).mtimeMs);
}

function remove(path: string): void {
  quietly(() => unlinkSync(path));
}

function quietly<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}

function isCode(caught: unknown, code: string): boolean {
  return caught instanceof Error && 'code' in caught && caught.code === code;
}
