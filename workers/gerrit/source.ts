import type { CodeReview } from '../../pipelines/ports.ts';
import { fetchChange } from './fetch.ts';
import { type Effects, postReport } from './report.ts';
import type { GerritSettings } from './settings.ts';
import type { Transport } from './transport.ts';

/**
 * Gerrit as the `CodeReview` port. Reports on one change go one after the other, because a report recognises itself
 * among the messages of its change.
 */
export function gerritReview(
  settings: GerritSettings,
  transport: Transport,
  effects: Effects,
  now: () => number = Date.now,
): CodeReview {
  const tails = new Map<string, Promise<unknown>>();

  async function inLine<T>(number: string, work: () => Promise<T>): Promise<T> {
    const mine = (tails.get(number) ?? Promise.resolve()).then(work, work);
    tails.set(number, mine);
    try {
      return await mine;
    } finally {
      if (tails.get(number) === mine) tails.delete(number);
    }
  }

  return {
    connection: settings.connection,
    fetch: (action, signal) => fetchChange(action, transport, settings, signal, now),
    report: (action, signal) =>
      inLine(action.number, () => postReport(action, { transport, effects, settings, now }, signal)),
    [Symbol.asyncDispose]: () => transport[Symbol.asyncDispose](),
  };
}
