import { JobDefinition } from '../../jobs/definition.ts';
import type { Fault } from '../../pipelines/fault.ts';
import { runTimers } from '../../workers/timers.ts';
import { tell } from '../hands.ts';
import { need, type PartOf } from '../house.ts';

const every = 15_000;

/** Asks for builds of jobs with timed triggers, while this process leads. */
export const timers: PartOf = (house) => ({
  name: 'timers',
  async start(stop) {
    const { store } = need(house, 'core');
    const { made } = house;
    const timed = () =>
      Object.values(made.world?.config?.jobs ?? {}).flatMap((job) => {
        const read = JobDefinition.pick({ name: true, timed: true }).safeParse(job).data;
        return read?.timed === undefined ? [] : [read];
      });
    const leads = () => made.reign?.aborted === false && made.world?.config !== undefined;
    const told = (fault: Fault) => tell(house.log, { part: 'timers' }, fault);
    return { running: runTimers({ store, jobs: timed, leads, now: Date.now, every, told }, stop) };
  },
});
