import { join } from 'node:path';
import { JobDefinition } from '../../jobs/definition.ts';
import { own } from '../../pipelines/own.ts';
import type { SiteConfig } from '../../pipelines/ports.ts';
import { executor } from '../../workers/executor.ts';
import { type GitBridge, openGitBridge } from '../../workers/gerrit/bridge.ts';
import { stagedFor } from '../../workers/git/staged.ts';
import { handle } from '../../workers/handle.ts';
import { directorySite } from '../../workers/logs/site.ts';
import { createMerger, type GitMerger } from '../../workers/merger.ts';
import { fetchHand, mailHand, reportHand } from '../../workers/reporter.ts';
import { gitUrl, publicUrl } from '../addresses.ts';
import type { Core } from '../core.ts';
import { handOptions } from '../hands.ts';
import { type House, logsOf, need, type PartOf } from '../house.ts';
import { smtpSettings } from './gerrits.ts';
import { shellsOf } from './nodes.ts';

export interface Worker {
  readonly merger: GitMerger;
}

/** The hands that ask, merge, build, report and mail. */
export const worker: PartOf = (house) => ({
  name: 'worker',
  async start() {
    const core = need(house, 'core');
    const { store, site } = core;
    const { reviews } = need(house, 'gerrits');
    const shellOf = await shellsOf(house);
    const opened = await openMerger(house);
    const { merger } = opened;
    house.made.worker = { merger };
    const build = executor({
      store,
      clock: { now: Date.now },
      site: directorySite({ directory: logsOf(house), url: `${publicUrl(house)}logs/` }),
      definition: definitions(core),
      shellOf,
      repositories: (action, signal) => stagedFor(action.params, merger.locate, signal),
      consoleLimit: house.site.logs['max-console'] * 1024 * 1024,
    });
    const options = handOptions(house);
    const places = house.site.nodes.local['max-parallel-jobs'];
    await handle(options, 'fetch', fetchHand(reviews), { concurrency: 8 });
    await handle(options, 'merge', (action, signal) => merger.merge(action, signal), { concurrency: 4 });
    await handle(options, 'build', build, { concurrency: places });
    const alarm = (text: string) => house.log.error({ part: 'gate' }, `ALARM: ${text}`);
    await handle(options, 'report', reportHand(reviews, alarm), { concurrency: 4 });
    await handle(options, 'mail', mailHand(smtpSettings(house.site), store, site), { concurrency: 2 });
    return { close: () => opened.close() };
  },
});

async function openMerger(house: House): Promise<{ merger: GitMerger; close(): Promise<void> }> {
  const bridges = new Map<string, GitBridge>();
  for (const { settings, commands } of need(house, 'gerrits').connections) {
    bridges.set(settings.connection, await openGitBridge((command, env) => commands.channel(command, env)));
  }
  const sources = [...bridges].map(([name, bridge]) => {
    return [name, { url: (project: string) => bridge.url(project), env: {} }] as const;
  });
  const merger = createMerger({
    dir: join(house.data, 'git'),
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

/** Job definitions by configuration; builds of one item ask for the same one. */
function definitions(core: Core): (digest: string, job: string) => Promise<JobDefinition | undefined> {
  let known: { readonly digest: string; readonly config: Promise<SiteConfig | undefined> } | undefined;
  return async (digest, job) => {
    if (known?.digest !== digest) known = { digest, config: core.store.config(digest) };
    return JobDefinition.safeParse(own((await known.config)?.jobs, job)).data;
  };
}
