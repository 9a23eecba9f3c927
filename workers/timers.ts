import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { JobDefinition } from '../jobs/definition.ts';
import { jenkinsCron } from '../jobs/jenkinscron.ts';
import { nextTime, parseCron } from '../pipelines/cron.ts';
import type { Fault } from '../pipelines/fault.ts';
import type { Store } from '../pipelines/ports.ts';
import { everySo } from './everyso.ts';

/**
 * Jobs with a timed trigger, run for no change. A time is a request under a name of its own (job and minute), so that however
 * many processes ask, and however often, it is one build. Times that were missed come once, as with the timers of pipelines.
 */

export interface DueRun {
  readonly id: string;
  readonly job: string;
}

/** Jobs of which a time lies after `last` and not after `now` (both ms): one run each, for the latest such time. */
export function dueRuns(
  jobs: Iterable<Pick<JobDefinition, 'name' | 'timed'>>,
  last: number,
  now: number,
): DueRun[] {
  const runs: DueRun[] = [];
  for (const { name, timed } of jobs) {
    const cron = timed === undefined ? undefined : jenkinsCron(timed, name);
    if (cron?.kind !== 'times') continue;
    const times = cron.lines.flatMap((line) => latest(line, last, now) ?? []);
    if (times.length === 0) continue;
    const hash = createHash('sha256').update(name).digest('hex').slice(0, 16);
    runs.push({ id: `timed-${hash}-${Math.max(...times)}`, job: name });
  }
  return runs;
}

function latest(line: string, last: number, now: number): number | undefined {
  const cron = parseCron(line);
  let found: number | undefined;
  if (cron === undefined) return undefined;
  for (let at = last; ; ) {
    const next = nextTime(cron, at);
    if (next === undefined || next > now) break;
    found = next;
    at = next;
  }
  return found;
}

export interface TimerOptions {
  readonly store: Pick<Store, 'file' | 'effect' | 'saveEffect'>;
  readonly jobs: () => Iterable<Pick<JobDefinition, 'name' | 'timed'>>;
  /** Whether it is our turn to ask. */
  readonly leads: () => boolean;
  readonly now: () => number;
  /** ms between looks. */
  readonly every: number;
  /** A look that failed; the next one looks back to the last that did not. */
  readonly told: (fault: Fault) => void;
}

const Seen = z.object({ at: z.number() });
const mark = 'timed-triggers';
/** ms; of what was missed for longer nobody waits for an answer any more. */
const farthest = 24 * 60 * 60 * 1000;

export async function runTimers(options: TimerOptions, stop: AbortSignal): Promise<void> {
  await everySo(options.every, () => look(options), options.told, stop);
}

async function look({ store, jobs, leads, now }: TimerOptions): Promise<void> {
  if (!leads()) return;
  const at = now();
  const seen = Seen.safeParse(await store.effect(mark)).data;
  const last = Math.max(seen?.at ?? at, at - farthest);
  const runs = dueRuns(jobs(), last, at);
  await store.file(
    runs.map(({ id, job }) => ({
      key: `request/${id}`,
      fact: {
        kind: 'RunRequested',
        at,
        id,
        by: 'timer',
        job,
        params: { STACKGATE_TIMED: `${at}` },
        vote: false,
      },
    })),
  );
  await store.saveEffect(mark, { at });
}
