import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { asFault } from '../../pipelines/fault.ts';
import { type GitBridge, openGitBridge } from '../../workers/gerrit/bridge.ts';
import { handle } from '../../workers/handle.ts';
import { createMerger, type GitMerger } from '../../workers/merger.ts';
import { reportHand } from '../../workers/reporter.ts';
import { lockDirectory } from '../../workers/store/lock.ts';
import { gitUrl } from '../addresses.ts';
import { handOptions } from '../hands.ts';
import { type House, need, type PartOf } from '../house.ts';

/** ms between tries to become the one that merges on this data directory. */
const TRY = 1_000;

/**
 * The hands that need the repositories to be theirs: to merge, and to look at a branch before and after a submit. The
 * repositories of a data directory have one owner: of several workers on it one merges and reports, and when it dies another
 * does. The others read what it merged.
 */
export const merger: PartOf = (house) => ({
  name: 'merger',
  async start(stop) {
    const directory = join(house.data, 'git');
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const opened = await openMerger(house, directory);
    house.made.merger = opened.merger;
    let unlock: () => void = () => undefined;
    const owned = async (): Promise<boolean> => {
      try {
        unlock = await lockDirectory(directory);
      } catch (caught) {
        if (asFault(caught).code !== 'data-locked') throw caught;
        return false;
      }
      await work(house, opened.merger);
      return true;
    };
    const ours = await owned();
    return {
      running: standBy(ours, owned, stop),
      async close() {
        await opened.close();
        unlock();
      },
    };
  },
});

async function work(house: House, hand: GitMerger): Promise<void> {
  const { reviews } = need(house, 'gerrits');
  const options = handOptions(house);
  const alarm = (text: string) => house.log.error({ part: 'gate' }, `ALARM: ${text}`);
  await handle(options, 'merge', (action, signal) => hand.merge(action, signal), { concurrency: 4 });
  await handle(options, 'report', reportHand(reviews, alarm), { concurrency: 4 });
}

async function standBy(ours: boolean, owned: () => Promise<boolean>, stop: AbortSignal): Promise<void> {
  for (let done = ours; !stop.aborted && !done; done = await owned())
    await sleep(TRY, undefined, { signal: stop }).catch(() => undefined);
  await new Promise<void>((resolve) => {
    if (stop.aborted) resolve();
    else stop.addEventListener('abort', () => resolve(), { once: true });
  });
}

async function openMerger(house: House, dir: string): Promise<{ merger: GitMerger; close(): Promise<void> }> {
  const bridges = new Map<string, GitBridge>();
  for (const { settings, commands } of need(house, 'gerrits').connections) {
    bridges.set(settings.connection, await openGitBridge((command, env) => commands.channel(command, env)));
  }
  const sources = [...bridges].map(([name, bridge]) => {
    return [name, { url: (project: string) => bridge.url(project), env: {} }] as const;
  });
  const merger = createMerger({
    dir,
    sources: Object.fromEntries(sources),
    url: () => gitUrl(house),
    warn: (message) => house.log.warn({ part: 'merger' }, message),
  });
  return {
    merger,
    async close() {
      await merger[Symbol.asyncDispose]();
      for (const bridge of bridges.values()) await bridge[Symbol.asyncDispose]();
    },
  };
}
