import { asFault, Fault, stopReason } from '../pipelines/fault.ts';
import type { Shell } from '../pipelines/ports.ts';
import { crashpoint } from './crashpoint.ts';

/** ms for SIGTERM, grace and SIGKILL of a build that is cancelled. */
const stopDeadline = 5 * 60 * 1000;

export interface Life {
  /** Aborts when the build is to be let go of. */
  readonly signal: AbortSignal;
  /** From now on there is something to stop. */
  started(): void;
  /** Resolves when a stop that was asked for is through. */
  stopped(): Promise<void>;
  /** Why the stop failed, when it did. */
  failure(): Fault | undefined;
  end(): void;
}

/**
 * Ties a build's end to the hand's signal: the end of our process lets go of it (`signal` aborts), a cancel stops the build and
 * lets the hand follow it to its end. Stopping has its own deadline.
 */
export function lifeOf(shell: Shell, build: string, signal: AbortSignal): Life {
  const letGo = new AbortController();
  let stopping: Promise<void> | undefined;
  let failure: Fault | undefined;

  async function stop(): Promise<void> {
    try {
      crashpoint('build.stop.before');
      const gone = await shell.stop(build, 'cancel', AbortSignal.timeout(stopDeadline));
      crashpoint('build.stop.after');
      if (!gone) failure = new Fault('node-lost', 'the cancelled build does not die');
    } catch (caught) {
      failure = asFault(caught);
    }
    if (failure !== undefined) letGo.abort(failure);
  }
  let started = false;
  const aborted = () => {
    if (stopReason(signal) === undefined) letGo.abort(signal.reason);
    // A stop before the start would find nothing to stop, and the build would run.
    else if (started) stopping ??= stop();
  };
  if (signal.aborted) aborted();
  else signal.addEventListener('abort', aborted, { once: true });
  return {
    signal: letGo.signal,
    started: () => {
      started = true;
      if (signal.aborted) aborted();
    },
    stopped: async () => await stopping,
    failure: () => failure,
    end: () => signal.removeEventListener('abort', aborted),
  };
}
