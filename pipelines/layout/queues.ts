import type { JobTree, SharedQueue } from '../layout.ts';
import { jobsOf } from './trees.ts';

export interface QueueMember {
  readonly name: string;
  readonly trees: readonly JobTree[];
}

interface Forming {
  readonly projects: string[];
  readonly jobs: Set<string>;
  assignedName: string | undefined;
}

/**
 * Shared change queues of a dependent pipeline: projects with a job in common, directly or through others, share one
 * (zuul-v2.md 2.4). Passes over the queues go on until none joins another, as in Zuul, whose order of queues is seen on
 * status pages. `clash` is told of two names for one queue.
 */
export function sharedQueues(
  members: readonly QueueMember[],
  queueName: (job: string) => string | undefined,
  shares: (job: string) => boolean,
  clash: (job: string, name: string, other: string) => void,
): SharedQueue[] {
  let queues: Forming[] = members
    .toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
    .map(({ name, trees }) => ({ projects: [name], jobs: jobsOf(trees), assignedName: undefined }));
  for (let before = -1; before !== queues.length; ) {
    before = queues.length;
    queues = joinOnce(queues, shares);
  }
  for (const queue of queues) {
    for (const job of queue.jobs) {
      const name = queueName(job);
      if (name === undefined) continue;
      if (queue.assignedName !== undefined && queue.assignedName !== name)
        clash(job, name, queue.assignedName);
      else queue.assignedName = name;
    }
  }
  return queues.map(({ projects, assignedName }) => {
    const sorted = projects.toSorted();
    const generatedName = sorted.join(', ');
    return {
      name: assignedName ?? generatedName,
      ...(assignedName === undefined ? {} : { assignedName }),
      generatedName,
      projects: sorted,
    };
  });
}

/** Each queue goes into the first one before it that has a job in common. */
function joinOnce(queues: readonly Forming[], shares: (job: string) => boolean): Forming[] {
  const joined: Forming[] = [];
  const firstWith = new Map<string, number>();
  for (const queue of queues) {
    let target = joined.length;
    for (const job of queue.jobs) {
      if (shares(job)) target = Math.min(target, firstWith.get(job) ?? target);
    }
    const found = joined[target];
    if (found === undefined) {
      joined.push({ projects: [...queue.projects], jobs: new Set(queue.jobs), assignedName: undefined });
    } else {
      found.projects.push(...queue.projects);
      for (const job of queue.jobs) found.jobs.add(job);
    }
    for (const job of queue.jobs) firstWith.set(job, Math.min(target, firstWith.get(job) ?? target));
  }
  return joined;
}
