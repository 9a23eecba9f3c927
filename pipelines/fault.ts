import { StopReason } from './action.ts';

/**
 * A broken world: Gerrit is away, the disk is full, a host key is wrong. Mistakes of users are `Problem`s and
 * expected outcomes are named values; only what nobody could foresee at this place is thrown, and always as a Fault.
 */

/** Every code is explained in docs/faults.md; a test keeps page and list equal. */
export type FaultCode =
  | 'bug'
  | 'config-invalid'
  | 'data-locked'
  | 'database-away'
  | 'database-full'
  | 'deadline'
  | 'disk-full'
  | 'gerrit-away'
  | 'gerrit-host-key'
  | 'gerrit-login'
  | 'gerrit-permission'
  | 'gerrit-protocol'
  | 'gerrit-refused'
  | 'git-failed'
  | 'job-user'
  | 'leader-lost'
  | 'mail-away'
  | 'node-away'
  | 'node-host-key'
  | 'node-login'
  | 'node-lost'
  | 'queue-away'
  | 'scp-away'
  | 'secret-unreadable'
  | 'stopped';

export class Fault extends Error {
  override readonly name = 'Fault';
  readonly code: FaultCode;
  /** True when the same call may succeed later without anybody changing anything. */
  readonly retry: boolean;
  /** One sentence for the person at 3 a.m.: what to do next. */
  readonly hint: string | undefined;

  constructor(
    code: FaultCode,
    message: string,
    options: { retry?: boolean; hint?: string | undefined; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retry = options.retry ?? false;
    this.hint = options.hint;
  }
}

/** What was caught, as a Fault: unknown errors are bugs of ours and say so. */
export function asFault(caught: unknown): Fault {
  if (caught instanceof Fault) return caught;
  const message = caught instanceof Error ? caught.message : String(caught);
  return new Fault('bug', message, { cause: caught });
}

/** A server that we need, or its disk, for all who stand on it: its watch says so once, and not everybody who meets it. */
export function isOutage({ code }: Fault): boolean {
  return code === 'database-away' || code === 'database-full' || code === 'queue-away';
}

/** Why a signal aborts: the action is cancelled for `reason`, or (without one) the process ends. */
export function stopped(reason?: StopReason): Fault {
  return reason === undefined
    ? new Fault('stopped', 'the process ends', { retry: true })
    : new Fault('stopped', `cancelled: ${reason}`, { cause: { stop: reason } });
}

/** Why the action behind `signal` is cancelled. Undefined: it is not, whether the signal aborted or not. */
export function stopReason(signal: AbortSignal): StopReason | undefined {
  const why: unknown = signal.reason;
  if (!(why instanceof Fault) || why.code !== 'stopped') return undefined;
  const { cause } = why;
  if (typeof cause !== 'object' || cause === null || !('stop' in cause)) return undefined;
  return StopReason.safeParse(cause.stop).data;
}

/** Wait before attempt `n` (1-based), in ms: exponential from `first` to `most`, spread by `jitter` in [0, 1). */
export function backoff(n: number, first: number, most: number, jitter: number): number {
  const full = Math.min(most, first * 2 ** Math.min(n - 1, 30));
  return Math.round(full / 2 + (full / 2) * jitter);
}
