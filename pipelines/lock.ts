import { type Draft, drop, put } from './world.ts';

/** Mutexes (Zuul 2) and semaphores: at most `count` builds of the jobs that name one, in all pipelines together. */

export function takeLock(
  draft: Draft,
  lock: { name: string; count: number },
  holder: { item: string; job: string; queue: string },
): boolean {
  const row = draft.tables.locks.get(lock.name) ?? { holders: [], waiting: [] };
  const { item, job, queue } = holder;
  if (row.holders.some((other) => other.item === item && other.job === job)) return true;
  if (row.holders.length < lock.count) {
    put(draft, 'locks', lock.name, { ...row, holders: [...row.holders, { item, job }] });
    return true;
  }
  if (!row.waiting.includes(queue)) {
    put(draft, 'locks', lock.name, { ...row, waiting: [...row.waiting, queue] });
  }
  return false;
}

/** Gives back whatever (item, job) holds, and has those walked again who were turned away. */
export function giveLocks(draft: Draft, item: string, job: string): void {
  for (const [name, row] of draft.tables.locks) {
    const holders = row.holders.filter((holder) => holder.item !== item || holder.job !== job);
    if (holders.length === row.holders.length) continue;
    for (const queue of row.waiting) if (draft.tables.queues.has(queue)) draft.dirty.add(queue);
    if (holders.length === 0) drop(draft, 'locks', name);
    else put(draft, 'locks', name, { holders, waiting: [] });
  }
}
