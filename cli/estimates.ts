import type { History, HistoryRow } from '../pipelines/ports.ts';
import type { Estimate } from '../pipelines/status.ts';

/** Zuul's: the mean of the last ten successes. */
const successes = 10;
/** ms that an answer is good for. */
const fresh = 60_000;
/** Jobs and projects that are remembered. */
const most = 5_000;

interface Known {
  readonly at: number;
  readonly mean: number | undefined;
}

/**
 * What jobs usually take, from the history. The status asks while it is made and cannot wait, so the first question about a
 * job has no answer yet: it is looked up, one job at a time, and there for the next.
 */
export function estimates(history: Pick<History, 'builds'>, now: () => number): Estimate {
  const known = new Map<string, Known>();
  const wanted = new Map<string, { job: string; project: string }>();
  let looking = false;

  async function look(): Promise<void> {
    for (let next = wanted.entries().next(); next.done !== true; next = wanted.entries().next()) {
      const [key, { job, project }] = next.value;
      wanted.delete(key);
      const rows = await history.builds({ job, project, result: 'SUCCESS', limit: successes });
      known.set(key, { at: now(), mean: meanOf(rows) });
      const [oldest] = known.keys();
      if (known.size > most && oldest !== undefined) known.delete(oldest);
    }
  }

  return (job, project) => {
    const key = JSON.stringify([job, project]);
    const found = known.get(key);
    if (found === undefined || now() - found.at > fresh) {
      wanted.set(key, { job, project });
      if (!looking) {
        looking = true;
        // A database that is away is asked again with the next question.
        void look()
          .catch(() => undefined)
          .finally(() => {
            looking = false;
          });
      }
    }
    return found?.mean;
  };
}

function meanOf(rows: readonly HistoryRow[]): number | undefined {
  const took = rows.flatMap(({ value }) => {
    const from = field(value, 'startedAt');
    const to = field(value, 'finishedAt');
    return from === undefined || to === undefined ? [] : [to - from];
  });
  return took.length === 0 ? undefined : took.reduce((sum, each) => sum + each, 0) / took.length;
}

function field(value: unknown, name: string): number | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const found: unknown = Reflect.get(value, name);
  return typeof found === 'number' ? found : undefined;
}
