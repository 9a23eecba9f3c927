import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { Fault } from '../../pipelines/fault.ts';
import { safeConfig, safeEnv } from './command.ts';
import { isRevision } from './names.ts';

/**
 * `git merge-tree` for one pair of commits after the other. A new process costs the one that forks it: a Node of 300 MB stands
 * still for 14 ms each time, several times what the merge itself takes. So a small shell does the forking, and is told pairs
 * of commit ids, nothing else. (`merge-tree --stdin` is no help: it says nothing before its input ends, and each
 * merge of a stack needs the commit of the one before.)
 */
export interface TreeMerger {
  merge(ours: string, theirs: string): Promise<TreeMerge>;
  close(): void;
}

export interface TreeMerge {
  /** 0: clean, 1: conflict, anything else: git could not do it. */
  readonly code: number;
  /** The tree, then the files in conflict. */
  readonly parts: readonly string[];
}

export const mergeTreeArgs = ['merge-tree', '--write-tree', '-z', '--name-only', '--no-messages'];

/** Answers what git printed, then a NUL, the exit code and a newline: no name is empty, so nothing else has two NULs. */
const script = 'while read -r ours theirs; do "$@" "$ours" "$theirs"; printf "\\0%d\\n" "$?"; done';
const end = /\0(\d+)\n$/;

export function openTreeMerger(dir: string, signal: AbortSignal): TreeMerger {
  let child: ChildProcessWithoutNullStreams | undefined;
  let heard = '';
  let waiting: { resolve(merge: TreeMerge): void; reject(reason: unknown): void } | undefined;

  function gone(cause?: unknown): void {
    const reason: unknown = signal.aborted
      ? signal.reason
      : new Fault('git-failed', 'git merge-tree went away', { retry: true, cause });
    waiting?.reject(reason);
    waiting = undefined;
  }

  function start(): ChildProcessWithoutNullStreams {
    const git = ['git', ...safeConfig.flatMap((setting) => ['-c', setting]), ...mergeTreeArgs];
    const opened = spawn('/bin/sh', ['-c', script, 'sh', ...git], {
      cwd: dir,
      env: { ...safeEnv(), GIT_DIR: dir },
      // A group of its own: what the shell started ends with it.
      detached: true,
    });
    opened.stdout.setEncoding('utf8');
    opened.stdout.on('data', (text: string) => {
      heard += text;
      const code = end.exec(heard)?.[1];
      if (code === undefined || waiting === undefined) return;
      const parts = heard.split('\0').slice(0, -1);
      heard = '';
      waiting.resolve({ code: Number(code), parts: parts.filter((part) => part !== '') });
      waiting = undefined;
    });
    // What git complains about is asked for again, by itself (merge.ts).
    opened.stderr.resume();
    opened.stdin.on('error', gone);
    opened.once('error', gone);
    opened.once('close', () => gone());
    return opened;
  }

  function close(): void {
    signal.removeEventListener('abort', close);
    const pid = child?.pid;
    if (pid === undefined || child?.exitCode !== null || child.signalCode !== null) return;
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      // It ended by itself.
    }
  }

  signal.addEventListener('abort', close, { once: true });
  return {
    close,
    merge(ours, theirs) {
      signal.throwIfAborted();
      if (!isRevision(ours) || !isRevision(theirs)) throw new Fault('bug', 'only commits can be merged');
      child ??= start();
      const { stdin } = child;
      return new Promise<TreeMerge>((resolve, reject) => {
        waiting = { resolve, reject };
        stdin.write(`${ours} ${theirs}\n`);
      });
    },
  };
}
