import type { HandKind, HandOptions, Outcomes } from '../../../workers/handle.ts';
import { handle } from '../../../workers/handle.ts';
import { STAGES } from './toykernel.ts';

const OUTCOMES: Outcomes = {
  fetch: { kind: 'absent', reason: 'a toy' },
  merge: { kind: 'failed', reason: 'a toy' },
  acquire: { kind: 'refused', reason: 'a toy' },
  build: { kind: 'lost', reason: 'a toy' },
  report: { kind: 'refused', reason: 'a toy' },
  release: undefined,
  mail: undefined,
};

/** Hands for the toy kernel's five stages: `work` is what they do before they answer. */
export async function toyHands(
  options: HandOptions,
  work: (kind: HandKind, id: string, signal: AbortSignal) => Promise<void> | void,
): Promise<void> {
  for (const kind of STAGES) {
    await handle(
      options,
      kind,
      async (action, signal) => {
        await work(kind, action.id, signal);
        return OUTCOMES[kind];
      },
      { concurrency: 20 },
    );
  }
}
