import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import type { Entry } from './model.ts';

/**
 * The append-only record of everything the server acknowledged, one JSON entry a line. Each entry is handed to the kernel by one
 * write(2) before the acknowledgement goes out, so it survives SIGKILL of the server (not a power cut: there is no fsync).
 * A torn last line was never acknowledged and is cut off when the journal is opened.
 */
export interface Journal {
  readonly entries: readonly Entry[];
  append(entry: Entry): void;
  close(): void;
}

/** The journal is our own writing: its lines are entries. */
function isEntry(value: unknown): value is Entry {
  return typeof value === 'object' && value !== null && 'kind' in value;
}

/** Opens the journal in `path`; without a path nothing is kept. */
export function openJournal(path: string | undefined): Journal {
  if (path === undefined) return { entries: [], append: () => undefined, close: () => undefined };
  const fd = openSync(path, 'a+', 0o600);
  const content = readFileSync(path);
  const end = content.lastIndexOf(0x0a) + 1;
  if (end < content.length) ftruncateSync(fd, end);
  const lines = content.subarray(0, end).toString().split('\n').slice(0, -1);
  return {
    entries: lines.map((line) => JSON.parse(line)).filter(isEntry),
    append: (entry) => {
      const bytes = Buffer.from(`${JSON.stringify(entry)}\n`);
      for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
    },
    close: () => {
      closeSync(fd);
    },
  };
}
