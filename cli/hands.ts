import type { Logger } from 'pino';
import { type Fault, isOutage } from '../pipelines/fault.ts';
import type { HandOptions } from '../workers/handle.ts';
import { type House, need } from './house.ts';

/** What every hand of this process shares. */
export function handOptions(house: House): HandOptions {
  const { store, queue } = need(house, 'core');
  return {
    store,
    queue,
    clock: { now: Date.now },
    log: ({ kind, action, error }) => tell(house.log, { action, kind }, error),
  };
}

/** One line of what went wrong. A server that is away is told by its watch, once, and not by everybody who meets it. */
export function tell(log: Logger, about: Readonly<Record<string, unknown>>, error: Fault): void {
  const { code, hint, message } = error;
  const text = typeof about['kind'] === 'string' ? `${about['kind']}: ${message}` : message;
  log[isOutage(error) ? 'debug' : 'warn']({ ...about, code, hint }, text);
}
