import type { HoldRecord, NodeState } from './node.ts';

/** Which hold catches the nodes of a build that failed (Zuul's autohold): pure. */

export interface Ended {
  readonly job: string;
  readonly project: string;
  /** `1234,5` */
  readonly change?: string | undefined;
  readonly ref?: string | undefined;
  readonly result: string;
}

const caught = new Set(['FAILURE', 'RETRY_LIMIT', 'POST_FAILURE', 'TIMED_OUT']);

export function heldBy(
  holds: readonly HoldRecord[],
  ended: Ended,
  now: number,
): { record: HoldRecord; state: Omit<NodeState & { phase: 'held' }, 'phase'> } | undefined {
  if (!caught.has(ended.result)) return undefined;
  const open = holds.filter((hold) => hold.caught < hold.count && matches(hold, ended));
  // The one that says most, then the oldest.
  const hold = open.sort((a, b) => weight(b) - weight(a) || (a.id < b.id ? -1 : 1))[0];
  if (hold === undefined) return undefined;
  const until = hold.nodeExpiration === undefined ? undefined : now + hold.nodeExpiration;
  const state = {
    reason: hold.reason,
    by: hold.by,
    hold: hold.id,
    ...(until === undefined ? {} : { until }),
  };
  return { record: { ...hold, caught: hold.caught + 1 }, state };
}

function matches(hold: HoldRecord, { job, project, change, ref }: Ended): boolean {
  if (hold.job !== job || hold.project !== project) return false;
  if (hold.ref !== undefined) return hold.ref === ref;
  if (hold.change === undefined) return true;
  return hold.change === change || hold.change === change?.split(',')[0];
}

/** Exact ref or patchset, change, any. */
function weight({ change, ref }: HoldRecord): number {
  if (ref !== undefined || change?.includes(',') === true) return 2;
  return change === undefined ? 0 : 1;
}
