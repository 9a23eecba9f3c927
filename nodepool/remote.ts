import { Fault } from '../pipelines/fault.ts';

/**
 * A place where a bash script can be run: a node over ssh. What joins nodes (networks, node sets, preflight) needs no more
 * of a node than this, and runs in tests wherever a script can run.
 */
export interface RemoteRun {
  /**
   * Runs a bash script to its end. The script never stands on a command line, so it may be long and hold secrets. A code
   * other than 0 is an answer, not an error. Throws Faults: `node-away` (the connection was cut: whether the script ran is
   * unknown), `deadline`, `stopped` (the signal), and those of connecting.
   */
  run(script: string, options: RunOptions): Promise<RunResult>;
}

export interface RunOptions {
  readonly signal: AbortSignal;
  /** ms; the script is told to end (SIGTERM, end of its input) when it takes longer. */
  readonly deadline: number;
  /** What the script reads on its standard input. */
  readonly input?: Uint8Array | string;
}

export interface RunResult {
  readonly code: number | null;
  /** `SIGKILL` and its like, when one ended the script. */
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A word as a POSIX shell reads it back, whatever a stranger put into it. */
export function quoted(word: string): string {
  if (word.includes('\0')) throw new Fault('bug', 'a word of a shell command cannot hold NUL');
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}
