import { asFault } from '../pipelines/fault.ts';
import type { ShellExit } from '../pipelines/ports.ts';
import type { BuildConsole } from './console.ts';
import type { WaitsFor } from './held.ts';
import { answerWaits } from './waits.ts';

/** Follows a supervised build to its end into the console, and answers the steps of it that wait meanwhile. */
export async function followSteps(
  waits: WaitsFor,
  console: BuildConsole,
  signal: AbortSignal,
): Promise<ShellExit> {
  const over = new AbortController();
  const broken = new AbortController();
  const answering = answerWaits(waits, AbortSignal.any([signal, over.signal])).catch((caught: unknown) => {
    if (!over.signal.aborted && !signal.aborted) broken.abort(asFault(caught));
  });
  const sink = { output: (chunk: Uint8Array, _: number, at: number) => console.output(chunk, at) };
  try {
    return await waits.shell.attach(waits.build, 0, sink, AbortSignal.any([signal, broken.signal]));
  } catch (caught) {
    if (broken.signal.aborted && !signal.aborted) throw broken.signal.reason;
    throw caught;
  } finally {
    over.abort();
    await answering;
  }
}
