import type { MergeAction } from '../action.ts';
import type { MergeFinished } from '../event.ts';

/** Speculative merges. `merge` is idempotent by the refs it writes: asked again it answers the same commit. */
export interface Merger extends AsyncDisposable {
  merge(action: MergeAction, signal: AbortSignal): Promise<MergeFinished['outcome']>;
}
