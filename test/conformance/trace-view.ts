import type { Action } from '../../pipelines/action.ts';
import { subjectName } from '../../pipelines/item.ts';
import { unreachable } from '../../pipelines/unreachable.ts';
import { resultOf } from '../../pipelines/verdict.ts';
import { changesOf, type Ring } from '../harness/ring.ts';
import type { Out, StateQueue } from './trace-data.ts';

/** What a ring did and how it stands, in the words of a trace. */

/** What left the kernel since, as a trace says it. Launches are numbered as they were made. */
export function outs(ring: Ring, from: { actions: number; merged: number }): Out[] {
  const found = ring.actions.slice(from.actions).flatMap((action) => outOf(ring, action));
  const merged = ring.merged.slice(from.merged).map((change): Out => ({ kind: 'merged', change }));
  return [...found, ...merged];
}

function outOf(ring: Ring, action: Action): Out[] {
  switch (action.kind) {
    case 'build': {
      const build = ring.builds.find((each) => each.action.id === action.id);
      if (build === undefined) return [];
      const { job, pipeline, params } = action;
      return [{ kind: 'launch', build: `b${build.index}`, job, pipeline, changes: changesOf(build), params }];
    }
    case 'cancel': {
      const build = ring.builds.find((each) => each.action.id === action.target);
      if (build === undefined) return [];
      return [{ kind: 'cancel', build: `b${build.index}`, job: build.action.job, changes: changesOf(build) }];
    }
    case 'report': {
      const { number, patchset, labels, submit, message, connection } = action;
      return [
        {
          kind: 'report',
          change: `${number},${patchset}`,
          action: { ...labels, ...(submit ? { submit } : {}) },
          message,
          connection,
        },
      ];
    }
    case 'mail': {
      const { subject, message, to = 'you@example.com', from = 'zuul@example.com' } = action;
      return [{ kind: 'mail', subject, to, sender: from, message }];
    }
    case 'fetch':
    case 'merge':
    case 'acquire':
    case 'release':
      return [];
  }
  return unreachable(action);
}

/** The non-empty queues, in the order of the layout. */
export function state(ring: Ring): StateQueue[] {
  const { tables, config } = ring.world;
  const order = config?.layout.pipelines.map(({ name }) => name) ?? [];
  const name = (id: string | null) => {
    const item = id === null ? undefined : tables.items.get(id);
    return item === undefined ? null : subjectName(item.subject);
  };
  return [...tables.queues.values()]
    .filter(({ items }) => items.length > 0)
    .sort((a, b) => order.indexOf(a.pipeline) - order.indexOf(b.pipeline) || a.order - b.order)
    .map((queue) => ({
      pipeline: queue.pipeline,
      queue: queue.name,
      window: queue.window,
      items: queue.items.flatMap((id) => {
        const item = tables.items.get(id);
        if (item === undefined) return [];
        const builds = Object.values(item.set.builds).map((build) => [build.job, resultOf(build) ?? null]);
        return [
          {
            id: subjectName(item.subject),
            project: item.subject.project,
            live: item.live,
            active: item.active,
            ahead: name(item.ahead),
            failing: [...item.failing],
            builds: Object.fromEntries(builds),
          },
        ];
      }),
    }));
}
