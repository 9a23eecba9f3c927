import type { CodeReview } from '../../pipelines/ports.ts';
import type { Branches } from '../git/branches.ts';
import type { Commands } from './commands.ts';
import { fetchChange } from './fetch.ts';
import { overRest } from './overrest.ts';
import { overSsh } from './overssh.ts';
import { readSecretFile } from './privatekey.ts';
import { type Effects, postReport } from './report.ts';
import { openRest } from './rest.ts';
import type { GerritSettings } from './settings.ts';
import type { Transport } from './transport.ts';

/** The road of a connection for queries and reviews: REST where the site asks for it, SSH commands otherwise. */
export function transportOf(settings: GerritSettings, commands: Commands, userAgent: string): Transport {
  if (settings.rest === undefined) return overSsh(commands, settings);
  const { url, passwordFile, perSecond } = settings.rest;
  const rest = openRest({
    url,
    user: settings.user,
    password: async () => (await readSecretFile(passwordFile, 'HTTP password')).toString().trim(),
    userAgent,
    deadline: settings.commandDeadline,
    concurrency: settings.commandConcurrency,
    perSecond,
  });
  return overRest(rest, { connection: settings.connection, url });
}

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
