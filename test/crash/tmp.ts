import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const MEMORY = '/dev/shm';
const ROOM = 3 * 1024 ** 3;

/**
 * A folder in memory where there is one with room: what SIGKILL leaves behind is the same there, and nobody waits for a disk. One
 * that runs no programs is of no use to builds.
 */
export function quickFolder(): string {
  try {
    const { bavail, bsize } = statfsSync(MEMORY);
    return bavail * bsize > ROOM && runsPrograms(MEMORY) ? MEMORY : tmpdir();
  } catch {
    return tmpdir();
  }
}

function runsPrograms(folder: string): boolean {
  const dir = mkdtempSync(join(folder, 'stackgate-exec-'));
  try {
    const file = join(dir, 'true');
    writeFileSync(file, '#!/bin/sh\nexit 0\n', { mode: 0o755 });
    return spawnSync(file).status === 0;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Removes a folder in which children of a process that was killed may still write for a moment. */
export async function removed(dir: string): Promise<void> {
  await rm(dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
}
