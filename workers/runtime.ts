import { setTimeout as sleep } from 'node:timers/promises';
import { asFault, Fault, stopped } from '../pipelines/fault.ts';

/**
 * One process of Stackgate: its parts start in order and stop in the opposite order, because later parts stand on earlier ones.
 *
 * The first SIGTERM or SIGINT stops it gently: each part gets `grace` to put its work down (running builds live on under
 * their supervisors). The second one ends it at once; nothing is lost by that, it only takes longer to start again. An error
 * that nobody expected ends the process too, with one clear line: state in doubt is best read again from the store.
 */
export interface Part {
  readonly name: string;
  /**
   * Resolves when the part works. `running` is its life: it ends after `stop` aborted, or fails when the part broke. A part
   * that only has to be closed leaves `running` out.
   */
  start(stop: AbortSignal): Promise<{ readonly running?: Promise<void>; close?(): Promise<void> }>;
}

export interface RuntimeOptions {
  /** ms a part gets to stop. */
  readonly grace?: number;
  /** Stops the process like SIGTERM does. */
  readonly signal?: AbortSignal;
  /** One line of what happens. */
  readonly log?: (line: string) => void;
}

interface Started {
  readonly name: string;
  readonly stop: AbortController;
  readonly running: Promise<void> | undefined;
  readonly close: () => Promise<void>;
}

/** Runs the parts until they are told to stop or one of them fails. Answers the exit code. */
export async function runParts(parts: readonly Part[], options: RuntimeOptions = {}): Promise<number> {
  const log = options.log ?? (() => undefined);
  const grace = options.grace ?? 20_000;
  const ending = new AbortController();
  const end = (): void => ending.abort(stopped());
  let failure: Fault | undefined;
  const fail = (caught: unknown): void => {
    if (ending.signal.aborted) return;
    failure = asFault(caught);
    end();
  };
  options.signal?.addEventListener('abort', end, { once: true });
  if (options.signal?.aborted === true) end();

  const started: Started[] = [];
  try {
    for (const part of parts) {
      if (ending.signal.aborted) break;
      const stop = new AbortController();
      const begun = await part.start(stop.signal);
      const { running } = begun;
      started.push({ name: part.name, stop, running, close: () => begun.close?.() ?? Promise.resolve() });
      running?.then(
        () => fail(stop.signal.aborted ? stopped() : new Fault('bug', `${part.name} ended by itself`)),
        fail,
      );
      log(`${part.name}: started`);
    }
    if (!ending.signal.aborted) {
      await new Promise<void>((resolve) => {
        ending.signal.addEventListener('abort', () => resolve(), { once: true });
      });
    }
  } catch (caught) {
    fail(caught);
  }
  for (const part of started.reverse()) await stopPart(part, grace, log);
  if (failure === undefined) return 0;
  log(describe(failure));
  return 1;
}

async function stopPart(part: Started, grace: number, log: (line: string) => void): Promise<void> {
  part.stop.abort(stopped());
  const patience = new AbortController();
  const down = (async () => {
    await part.running?.catch(() => undefined);
    await part.close();
    return true;
  })().catch((caught: unknown) => {
    log(`${part.name}: ${describe(asFault(caught))}`);
    return true;
  });
  const late = sleep(grace, false, { signal: patience.signal, ref: true }).catch(() => false);
  const inTime = await Promise.race([down, late]);
  patience.abort();
  log(inTime ? `${part.name}: stopped` : `${part.name}: did not stop within ${grace} ms`);
}

/** Signals and unexpected errors, for the process that is all ours. Call once, before anything starts. */
export function ownProcess(write: (line: string) => void, exit: (code: number) => void): AbortSignal {
  const ending = new AbortController();
  const onSignal = (name: NodeJS.Signals): void => {
    if (ending.signal.aborted) {
      write(`${name} again: ending at once`);
      exit(130);
    }
    write(`${name}: stopping; the same signal again ends at once`);
    ending.abort(stopped());
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  const onError = (caught: unknown): void => {
    write(`fatal: ${describe(asFault(caught))}`);
    exit(1);
  };
  process.on('uncaughtException', onError);
  process.on('unhandledRejection', onError);
  return ending.signal;
}

/** One line; control characters of whatever the error quotes do not reach the terminal. */
export function describe(fault: Fault): string {
  const hint = fault.hint === undefined ? '' : ` - ${fault.hint}`;
  return `${fault.code}: ${fault.message}${hint}`.replace(/\p{Cc}+/gu, ' ');
}
