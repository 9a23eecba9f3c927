import type { CollectedFile } from './shell.ts';

/** Where people read logs. `running` files grow; `finish` makes them final (gzip, index). All idempotent by path. */
export interface LogSite {
  /** URL of a log path such as `34/1234/5/check/job/0abc123`, with a trailing slash. */
  url(logPath: string): string;
  open(logPath: string): Promise<LogFolder>;
}

export interface LogFolder {
  /** Writes (from `offset` on) the console as people see it. */
  console(offset: number): Promise<{ write(chunk: Uint8Array): Promise<void>; close(): Promise<void> }>;
  /** What was written of the console until now, or all of it once the folder is final. */
  consoleText(): AsyncIterable<Uint8Array>;
  add(file: CollectedFile): Promise<void>;
  /** Everything is there: compress, index, fsync. Idempotent. */
  finish(manifest: Readonly<Record<string, unknown>>): Promise<void>;
}
