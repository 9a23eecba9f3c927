import type { Action, ActionKind, ActionOf, StopReason } from '../action.ts';

/**
 * Wake-ups, never the truth: an action that is pushed is handled at least once by a live consumer, and the outbox pushes it
 * again until it is answered.
 *
 * `push` with an id that waits or runs is no second run. A handler that throws is run again after a backoff; one that is
 * killed with its process is pushed again by the outbox after a restart.
 */
export interface WorkQueue extends AsyncDisposable {
  push(action: Action): Promise<void>;
  /**
   * Starts consuming one kind. `signal` of the handler aborts when the consumer closes or the action is cancelled here; its
   * reason is a Fault `stopped`, and `stopReason` (fault.ts) tells the two apart: a cancelled action is undone and answered,
   * one whose process ends is only let go.
   */
  consume<K extends ActionKind>(
    kind: K,
    handler: (action: ActionOf<K>, signal: AbortSignal) => Promise<void>,
    options: { concurrency: number },
  ): Promise<void>;
  /** Cancel broadcast: reaches the consumer that runs `target`, in whatever process. Lost when nobody runs it. */
  cancel(target: string, reason: StopReason): Promise<void>;
  onCancel(listener: (target: string, reason: StopReason) => void): void;
  /** Wake-ups may be gone (a server that forgot, or was away): whoever knows what is undone pushes it again. */
  onLost(listener: () => void): void;
  /** Waiting and running per kind, for pages and metrics. */
  counts(): Promise<Readonly<Record<string, { waiting: number; running: number }>>>;
}
