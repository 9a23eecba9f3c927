import { setTimeout as sleep } from 'node:timers/promises';
import { asFault, type Fault } from '../pipelines/fault.ts';

/**
 * Does `work` again and again, `pause` ms apart, until told to stop. What fails is told and done again next time: a database that is
 * away for an hour must not end a process that has nothing to do in that hour but wait.
 */
export async function everySo(
  pause: number,
  work: () => Promise<unknown>,
  told: (fault: Fault) => void,
  stop: AbortSignal,
): Promise<void> {
  while (!stop.aborted) {
    await work().catch((caught: unknown) => {
      if (!stop.aborted) told(asFault(caught));
    });
    await sleep(pause, undefined, { signal: stop }).catch(() => undefined);
  }
}
