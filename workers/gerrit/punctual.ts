import { Fault } from '../../pipelines/fault.ts';

/** A step that must begin within `ms` from now or not at all. */
export interface Deadline {
  /** Throws Fault `stopped`, to be tried again, when it is too late. */
  readonly check: () => void;
}

/** Two clocks, since one stands still while a machine sleeps and the other may be set back. */
export function deadlineFrom(ms: number): Deadline {
  const wall = Date.now();
  const steady = performance.now();
  return {
    check() {
      const passed = Math.max(Date.now() - wall, performance.now() - steady);
      if (passed <= ms) return;
      throw new Fault('stopped', `${Math.round(passed)} ms passed since this was ours to do`, {
        retry: true,
      });
    },
  };
}
