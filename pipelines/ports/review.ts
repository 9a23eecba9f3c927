import type { ActionOf, ReportAction } from '../action.ts';
import type { ChangeFetched, Reported } from '../event.ts';

/**
 * A code review system, seen from the hands. One object per connection.
 *
 * `fetch` and `report` may overlap. `report` is idempotent by `action.id`: it records before it posts (through `effects`),
 * and after an unknown end reads back before it posts again.
 */
export interface CodeReview extends AsyncDisposable {
  readonly connection: string;
  fetch(action: ActionOf<'fetch'>, signal: AbortSignal): Promise<ChangeFetched['outcome']>;
  report(action: ReportAction, signal: AbortSignal): Promise<Reported['outcome']>;
}
