import type { CodeReview } from '../../pipelines/ports.ts';
import type { Branches } from '../git/branches.ts';
import { fetchChange } from './fetch.ts';
import { type Effects, postReport } from './report.ts';
import type { GerritSettings } from './settings.ts';
import type { Transport } from './transport.ts';

/**
 * Gerrit as the `CodeReview` port. Reports on one change go one after the other, because a report recognises itself
 * among the messages of its change. `branches` are what a submit is checked against.
 */
export function gerritReview(
  settings: GerritSettings,
  transport: Transport,
  effects: Effects,
  { branches, now = Date.now }: { branches?: () => Branches | undefined; now?: () => number } = {},
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
      inLine(action.number, () =>
        postReport(action, { transport, effects, settings, branches: branches?.(), now }, signal),
      ),
    [Symbol.asyncDispose]: () => transport[Symbol.asyncDispose](),
  };
}
