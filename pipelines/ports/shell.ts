/**
 * One node of a lease, for a build. A build runs under a supervisor that outlives us: `start` is idempotent by build id
 * (a supervisor that runs or ran already is found again), `attach` follows it to its end.
 *
 * order: start → attach (again after every restart), meanwhile held → resume → stop? → collect* → forget.
 */
export interface Shell extends AsyncDisposable {
  /** Starts the supervisor for `build`, or finds the one that was started before. */
  start(build: ShellBuild, signal: AbortSignal): Promise<void>;
  /**
   * Follows the build from byte `offset` of its output. Resolves when the supervisor recorded an end; throws Fault
   * `node-lost` when node or supervisor vanished without one. Aborting only detaches.
   */
  attach(build: string, offset: number, sink: ShellSink, signal: AbortSignal): Promise<ShellExit>;
  /** Ends the whole process group: SIGTERM, grace, SIGKILL. Idempotent; true when nothing of it runs any more. */
  stop(build: string, reason: 'timeout' | 'cancel', signal: AbortSignal): Promise<boolean>;
  /** The step (from 0) that waits for `resume`; undefined when none does. */
  held(build: string, signal: AbortSignal): Promise<number | undefined>;
  /**
   * Lets a waiting step run, with files for it in `$STACKGATE_GIVEN/<step>/`. Idempotent: files replace themselves, and once it
   * went on nothing happens.
   */
  resume(
    build: string,
    step: number,
    files: AsyncIterable<CollectedFile>,
    signal: AbortSignal,
  ): Promise<void>;
  /** Files of the workspace that match ANT-style globs, as (path, stream). */
  collect(
    build: string,
    include: readonly string[],
    exclude: readonly string[],
    signal: AbortSignal,
  ): AsyncIterable<CollectedFile>;
  /** Removes what the build left on the node. Idempotent. */
  forget(build: string, signal: AbortSignal): Promise<void>;
}

/** A repository laid beside a build, so that from its first step on the build needs nobody but its node. */
export interface StagedRepository {
  /** Found there as `$ZUUL_URL/<project>`. */
  readonly project: string;
  /** Bare repository on our machine. */
  readonly path: string;
  /** What it shows: full ref name → commit. */
  readonly refs: Readonly<Record<string, string>>;
  /** The branch HEAD points at. */
  readonly head: string;
}

/** A file laid beside a build for its steps: a command, a script, a secret. It belongs to the job's user. */
export interface StagedFile {
  /** Below the folder of such files; those below `bin/` are found by their name (PATH). */
  readonly path: string;
  readonly content: string | Uint8Array;
  /** May be run, and read by everybody who may read the build; otherwise by the job's user alone. */
  readonly executable: boolean;
  /** Variable that gets its absolute path. */
  readonly variable?: string;
}

export interface ShellStep {
  readonly name: string;
  readonly script: string;
  /** A line that is written into the output before the step begins, so that a reader finds it. */
  readonly title?: string;
  /** This step decides: when it ends with 1, the next so many steps are left out and the build goes on. */
  readonly guards?: number;
  /** Before it runs, the build waits until we `resume` it. */
  readonly hold?: boolean;
}

export interface ShellBuild {
  readonly build: string;
  /**
   * The build this one follows, which has ended: it runs in that one's workspace, with what its steps injected, and goes away
   * with it. `repositories` and `files` are those of that build.
   */
  readonly within?: string;
  /** Asked for only when the build must still be prepared. With at least one, ZUUL_URL names the place they were laid. */
  readonly repositories?: (signal: AbortSignal) => Promise<readonly StagedRepository[]>;
  readonly files?: readonly StagedFile[];
  /**
   * Absolute paths that stand for `files`, or for a folder of them, in the text of steps and files: what jobs expect at a fixed
   * place of the node (`/usr/zuul-env/bin/zuul-cloner`) lies beside the build instead.
   */
  readonly aliases?: Readonly<Record<string, string>>;
  /**
   * Run in order in one empty workspace until one fails. A step with a `#!` line runs under it, others under `/bin/sh -xe`.
   * A step that appends `NAME=value` and a NUL to the file $STACKGATE_INJECT sets a variable for the steps after it.
   */
  readonly steps: readonly ShellStep[];
  readonly env: Readonly<Record<string, string>>;
  /** ms; the supervisor itself ends the build when it passes. */
  readonly timeout: number;
  /** ms without output after which the supervisor ends a step. */
  readonly quiet?: number;
}

export interface ShellSink {
  /** Output in order. `at` is when the supervisor saw it, ms. May apply back-pressure. */
  output(chunk: Uint8Array, offset: number, at: number): void | Promise<void>;
}

export interface ShellExit {
  readonly code: number | null;
  /** The step that ended it, from 0. */
  readonly step: number;
  readonly signal: string | null;
  /** Why the supervisor ended it, when it did; `quiet`: a step said nothing for too long; `output`: it wrote more than it may. */
  readonly stopped: 'timeout' | 'quiet' | 'cancel' | 'output' | null;
  readonly startedAt: number;
  readonly finishedAt: number;
  /** The disk of the workspace or of the output was full when the build ended. */
  readonly diskFull?: boolean;
  /** Bytes of output (at least) that came after the limit and are nowhere. */
  readonly dropped?: number;
}

export interface CollectedFile {
  /** Relative, `/`-separated, never with `..`. */
  readonly path: string;
  readonly size: number;
  readonly content: AsyncIterable<Uint8Array>;
}
