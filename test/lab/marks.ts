import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Processes of labs, found by the mark in their environment: it is there from their first moment on, whoever started them, and
 * whether he lives. Only root can read it of everybody, and the lab needs root anyway.
 */
export interface Marked {
  readonly pid: number;
  readonly lab: string;
  /** Place of the node in its lab; the switch has none. */
  readonly node: string | undefined;
  /** It is the first process of its namespace: the node's init. */
  readonly first: boolean;
}

export const labMark = 'STACKGATE_LAB';
export const nodeMark = 'STACKGATE_LAB_NODE';

export async function marked(): Promise<Marked[]> {
  const pids = (await readdir('/proc')).map(Number).filter(Number.isInteger);
  const found = await Promise.all(pids.map(ofProcess));
  return found.filter((each) => each !== undefined);
}

async function ofProcess(pid: number): Promise<Marked | undefined> {
  const environ = await textOf(`/proc/${pid}/environ`);
  const value = (name: string) =>
    environ
      .split('\0')
      .find((each) => each.startsWith(`${name}=`))
      ?.slice(name.length + 1);
  const lab = value(labMark);
  if (lab === undefined || lab === '') return undefined;
  const inside = /^NSpid:\s*(.*)$/m.exec(await textOf(`/proc/${pid}/status`))?.[1]?.split('\t') ?? [];
  return { pid, lab, node: value(nodeMark), first: inside.length > 1 && inside.at(-1) === '1' };
}

/** Kills processes by their ids and waits until they are gone. */
export async function killAll(processes: readonly Marked[]): Promise<void> {
  // The first process of a namespace takes all others of it along.
  const ordered = [...processes].sort((a, b) => Number(b.first) - Number(a.first));
  for (const { pid } of ordered) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // Gone by itself.
    }
  }
  const until = Date.now() + 10_000;
  for (const { pid } of ordered) {
    while ((await lives(pid)) && Date.now() < until) await sleep(10);
  }
}

async function lives(pid: number): Promise<boolean> {
  const state = /^State:\s*(\S)/m.exec(await textOf(`/proc/${pid}/status`))?.[1];
  return state !== undefined && state !== 'Z' && state !== 'X';
}

/** Start time in clock ticks since boot: tells a process from a later one with its number. */
export async function startedAt(pid: number): Promise<string | undefined> {
  const stat = await textOf(`/proc/${pid}/stat`);
  return stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .at(19);
}

async function textOf(path: string): Promise<string> {
  return await readFile(path, 'utf8').catch(() => '');
}
