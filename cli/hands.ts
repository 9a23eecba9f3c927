import type { HandOptions } from '../workers/handle.ts';
import { type House, need } from './house.ts';

/** What every hand of this process shares. */
export function handOptions(house: House): HandOptions {
  const { store, queue } = need(house, 'core');
  return {
    store,
    queue,
    clock: { now: Date.now },
    log: ({ kind, action, error }) =>
      house.log.warn({ action, code: error.code, hint: error.hint }, `${kind}: ${error.message}`),
  };
}
