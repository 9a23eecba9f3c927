import { setTimeout as sleep } from 'node:timers/promises';
import {
  type BackendFactory,
  type IQueueBackend,
  type JobProgress,
  type JobsOptions,
  type Queue,
  type Worker,
  withBackend,
} from 'bullmq';
import {
  type Action,
  type ActionKind,
  type ActionOf,
  CancelAction,
  type Precedence,
  type StopReason,
} from '../../pipelines/action.ts';
import { backoff, Fault, stopped } from '../../pipelines/fault.ts';
import type { WorkQueue } from '../../pipelines/ports.ts';
import { crashpoint } from '../crashpoint.ts';

/**
 * Work queues on BullMQ, one per kind of action. They are wake-ups: a lost job is pushed again by the outbox, a job that comes
 * twice meets `begin` and the effects of its action. So:
 *
 * - Nothing is kept of a job that ended, or its id could not be pushed again.
 * - A job whose worker died is given to another one, as often as that happens: `begin` tells the hand what happened before, and
 *   a claim (handle.ts) keeps it away while the first still has it. Whether a build is run again is the kernel's decision.
 * - A job that lost its lock (a stopped process, a blocked event loop) may come again while its first run still goes on in
 *   this process; the second run finds the first and leaves at once.
 * - A handler that throws is retried by BullMQ, without end: what ends it is the action being done.
 * - The action travels as JSON in a string, since `jsonb` refuses strangers' NULs.
 *
 * The backend, PostgreSQL's or Redis', comes with its connections.
 */
export interface QueueBackend<C> {
  readonly factory: BackendFactory<IQueueBackend, C>;
  /** What queues push with. */
  readonly connection: C;
  /** What workers take with, where that is another one: they may wait, `push` may not. */
  readonly consumer?: C;
  /** What its keys begin with, where sites may share a server. */
  readonly prefix?: string;
  /** Cancel broadcast to every process on this backend, own included. */
  readonly broadcast: Broadcast;
  /**
   * How long a job stays with a worker that says nothing, and how often that is looked at, ms. The longest a job can be stuck
   * is `lock` and two looks: its process died, or a connection was cut just when the job was taken.
   */
  readonly stalled: { readonly lock: number; readonly look: number };
  /** False while it is known to be away: nothing is begun that would wait for it. Left out: never known. */
  isReady?(): boolean;
  /** Calls `listener` whenever wake-ups may have been lost. Left out: they never are. */
  onLost?(listener: () => void): void;
  /** Before a `Queue` exists: migrations, leftovers of a dead process. */
  prepare(): Promise<void>;
  /** After every queue and worker closed. */
  close(): Promise<void>;
}

export interface Broadcast {
  send(message: string): Promise<void>;
  listen(heard: (message: string) => void): Promise<() => Promise<void>>;
}

export interface QueueOptions {
  readonly onError?: ((error: unknown) => void) | undefined;
  /** First and longest wait before a handler that threw runs again, ms. */
  readonly retry?: { readonly first: number; readonly most: number };
  /** How long closing waits for handlers whose signal aborted, ms. */
  readonly grace?: number;
}

interface JobData {
  readonly action: string;
}

type Line<C> = Queue<JobData, void, string, JobData, void, string, IQueueBackend, C>;
type Crew<C> = Worker<JobData, void, string, IQueueBackend, JobProgress, C>;

/** ms that a worker may say nothing, where the site says nothing else. */
export const LOST_AFTER = 15_000;

/** When a job goes to another worker than the one that has it. */
export function stalledAfter(lostAfter: number): QueueBackend<unknown>['stalled'] {
  return { lock: Math.max(1_000, lostAfter), look: Math.max(500, Math.round(lostAfter / 3)) };
}

const PRIORITY: Readonly<Record<Precedence, number>> = { high: 1, normal: 2, low: 3 };
const FOREVER = 1_000_000;

export async function openQueue<C>(backend: QueueBackend<C>, options: QueueOptions = {}): Promise<WorkQueue> {
  const onError = (error: Error): void => {
    if (!isLostLock(error)) options.onError?.(error);
  };
  const retry = options.retry ?? { first: 250, most: 60_000 };
  const grace = options.grace ?? 20_000;
  await backend.prepare();
  const bull = withBackend(backend.factory);
  const { connection } = backend;
  const prefix = backend.prefix === undefined ? {} : { prefix: backend.prefix };
  const queues = new Map<ActionKind, Line<C>>();
  const workers = new Map<ActionKind, Crew<C>>();
  const running = new Map<string, AbortController>();
  const listeners = new Set<(target: string, reason: StopReason) => void>();
  let closed = false;

  function queueOf(kind: ActionKind): Line<C> {
    const known = queues.get(kind);
    if (known !== undefined) return known;
    const made = new bull.Queue<JobData, void>(`stackgate-${kind}`, {
      connection,
      ...prefix,
      streams: { events: { maxLen: 100 } },
    });
    made.on('error', onError);
    queues.set(kind, made);
    return made;
  }

  /** One that was made while its server was away never becomes ready: the next push makes another. */
  async function dropIfDead(kind: ActionKind): Promise<void> {
    const queue = queues.get(kind);
    await queue?.waitUntilReady().catch(() => {
      if (queues.get(kind) === queue) queues.delete(kind);
      void queue.close().catch(() => undefined);
    });
  }

  function hear(message: string): void {
    const cancel = CancelMessage.safeParse(parseJson(message));
    if (!cancel.success) return;
    const { target, reason } = cancel.data;
    running.get(target)?.abort(stopped(reason));
    for (const listener of listeners) listener(target, reason);
  }

  const unlisten = await backend.broadcast.listen(hear);

  async function run<K extends ActionKind>(
    text: string,
    handler: (action: ActionOf<K>, signal: AbortSignal) => Promise<void>,
  ): Promise<void> {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- pushed by `push`, which takes actions only
    const action = JSON.parse(text) as ActionOf<K>;
    if (closed) throw stopped();
    if (running.has(action.id)) return;
    const abort = new AbortController();
    running.set(action.id, abort);
    try {
      crashpoint(`queue.${action.kind}.start`);
      await handler(action, abort.signal);
      crashpoint(`queue.${action.kind}.end`);
    } finally {
      running.delete(action.id);
    }
  }

  return {
    push: async (action: Action) => {
      if (closed) return;
      if (backend.isReady?.() === false) {
        throw new Fault('queue-away', `cannot push ${action.id}: the server is away`, { retry: true });
      }
      await queueOf(action.kind)
        .add(action.kind, { action: JSON.stringify(action) }, jobOptions(action))
        .catch(async (caught: unknown) => {
          await dropIfDead(action.kind);
          throw new Fault('queue-away', `cannot push ${action.id}: ${messageOf(caught)}`, {
            retry: true,
            cause: caught,
          });
        });
    },
    consume: async (kind, handler, { concurrency }) => {
      if (workers.has(kind)) throw new Fault('bug', `${kind} is consumed twice in one process`);
      const worker = new bull.Worker<JobData, void>(
        `stackgate-${kind}`,
        async (job) => {
          await run(job.data.action, handler);
        },
        {
          connection: backend.consumer ?? connection,
          ...prefix,
          concurrency,
          maxStalledCount: FOREVER,
          lockDuration: backend.stalled.lock,
          stalledInterval: backend.stalled.look,
          drainDelay: 30,
          runRetryDelay: 1_000,
          removeOnComplete: { count: 0 },
          removeOnFail: { count: 0 },
          settings: {
            backoffStrategy: (made) => backoff(made, retry.first, retry.most, Math.random()),
          },
        },
      );
      worker.on('error', onError);
      workers.set(kind, worker);
      await worker.waitUntilReady();
    },
    cancel: (target, reason) => backend.broadcast.send(JSON.stringify({ target, reason })),
    onCancel: (listener) => {
      listeners.add(listener);
    },
    onLost: (listener) => backend.onLost?.(listener),
    counts: async () => {
      const kinds = new Set([...queues.keys(), ...workers.keys()]);
      const counted = [...kinds].map(async (kind) => {
        const counts = await queueOf(kind).getJobCounts('waiting', 'prioritized', 'delayed', 'active');
        const of = (state: string): number => counts[state] ?? 0;
        return [
          kind,
          { waiting: of('waiting') + of('prioritized') + of('delayed'), running: of('active') },
        ] as const;
      });
      return Object.fromEntries(await Promise.all(counted));
    },
    [Symbol.asyncDispose]: async () => {
      if (closed) return;
      closed = true;
      for (const abort of running.values()) abort.abort(stopped());
      await unlisten();
      const ended = Promise.all([...workers.values()].map((worker) => worker.close()));
      const patience = new AbortController();
      await Promise.race([ended, sleep(grace, undefined, { signal: patience.signal, ref: false })]);
      patience.abort();
      await Promise.all([...queues.values()].map((queue) => queue.close()));
      await backend.close();
    },
  };
}

/**
 * The end of a job whose lock was lost while the server was away, or the disk full. It came again meanwhile and found itself running,
 * so there is nothing to do and nothing to tell.
 */
function isLostLock({ message }: Error): boolean {
  return /^(Missing (lock|key) for job|could not renew lock for job) /.test(message);
}

const CancelMessage = CancelAction.pick({ target: true, reason: true });

function jobOptions(action: Action): JobsOptions {
  const priority = 'precedence' in action ? { priority: PRIORITY[action.precedence] } : {};
  return {
    jobId: action.id,
    attempts: FOREVER,
    backoff: { type: 'custom' },
    removeOnComplete: true,
    removeOnFail: true,
    stackTraceLimit: 1,
    ...priority,
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function messageOf(caught: unknown): string {
  return caught instanceof Error ? caught.message : String(caught);
}
