import { setTimeout as sleep } from 'node:timers/promises';
import { Fault } from '../../pipelines/fault.ts';

/** Waits; throws Fault `stopped` when called off. */
export async function pause(ms: number, signal: AbortSignal, what: string): Promise<void> {
  try {
    await sleep(Math.max(1, ms), undefined, { signal });
  } catch (cause) {
    throw new Fault('stopped', `${what} was called off`, { cause });
  }
}
