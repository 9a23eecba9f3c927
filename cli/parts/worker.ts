import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { JobDefinition } from '../../jobs/definition.ts';
import { own } from '../../pipelines/own.ts';
import type { LogSite, SiteConfig } from '../../pipelines/ports.ts';
import { type ExecutorOptions, executor } from '../../workers/executor.ts';
import { repositoriesOf } from '../../workers/git/elsewhere.ts';
import { handle } from '../../workers/handle.ts';
import { directorySite } from '../../workers/logs/site.ts';
import { streamedSite } from '../../workers/logs/stream.ts';
import { neighboursOf } from '../../workers/past.ts';
import { smtpMailer } from '../../workers/publishers/mailer.ts';
import { fetchHand, mailHand } from '../../workers/reporter.ts';
import { siteSecrets } from '../../workers/secrets/secrets.ts';
import { publicUrl } from '../addresses.ts';
import type { Core } from '../core.ts';
import { scpHosts, smtpSettings } from '../gerrits.ts';
import { handOptions } from '../hands.ts';
import { type House, logsOf, need, type PartOf } from '../house.ts';
import { localNodes } from '../nodepool.ts';
import { readPlugins } from '../plugins.ts';
import { jobsWithDefaults, secretSettings, siteParams } from '../secrets.ts';
import { sitePath } from '../site.ts';
import { readSlaveScripts } from '../slavescripts.ts';
import { entersNodes, shellsOf } from './machines.ts';

/** The hands that ask, build and mail. */
export const worker: PartOf = (house) => ({
  name: 'worker',
  async start(stop) {
    const core = need(house, 'core');
    const { store, site } = core;
    const { reviews } = need(house, 'gerrits');
    const shellOf = await shellsOf(house);
    const { locate } = need(house, 'merger');
    const repositories = repositoriesOf({ dir: join(house.data, 'fetched'), locate });
    const build = executor({
      store,
      clock: { now: Date.now },
      site: logSite(house),
      definition: definitions(core, house),
      shellOf,
      secrets: siteSecrets(secretSettings(house.site, house.base)),
      sealed: siteParams(house, store),
      neighbours: neighboursOf(store, logsOf(house)),
      publishers: publishersOf(house, site),
      tools: () => ({ slaveScripts: readSlaveScripts(house.site, house.base).files ?? new Map() }),
      repositories: (action, signal) => repositories(action.params, signal),
      consoleLimit: house.site.logs['max-console'] * 1024 * 1024,
    });
    const options = handOptions(house);
    // As many as the pool lends: over ssh a build costs this process little.
    const places =
      house.site.nodes.nodepool === undefined ? (localNodes(house.site)?.['max-parallel-jobs'] ?? 1) : 500;
    await handle(options, 'fetch', fetchHand(reviews), { concurrency: 8 });
    const takeBuilds = () => handle(options, 'build', build, { concurrency: places });
    const takes = entersNodes(house);
    if (takes) await takeBuilds();
    await handle(options, 'mail', mailHand(smtpSettings(house.site), store, site), { concurrency: 2 });
    return takes ? {} : { running: whenNodesAreHere(house, takeBuilds, stop) };
  },
});

/** ms between looks whether the launcher's machine is this one. */
const LOOK = 1_000;

/** Leaves builds to workers that can enter their nodes, for as long as this one cannot. */
async function whenNodesAreHere(house: House, take: () => Promise<void>, stop: AbortSignal): Promise<void> {
  while (!stop.aborted && !entersNodes(house))
    await sleep(LOOK, undefined, { signal: stop }).catch(() => undefined);
  if (!stop.aborted) await take();
  await new Promise<void>((resolve) => {
    if (stop.aborted) resolve();
    else stop.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** A folder; a server that cannot see it reads what grows there over Redis. */
function logSite(house: House): LogSite {
  const { redis } = need(house, 'core');
  const folder = directorySite({ directory: logsOf(house), url: `${publicUrl(house)}logs/` });
  return redis === undefined ? folder : streamedSite(folder, redis);
}

function publishersOf(house: House, id: string): NonNullable<ExecutorOptions['publishers']> {
  const [smtp] = smtpSettings(house.site).values();
  return {
    scpHosts: scpHosts(house.site, (path) => sitePath(house.base, path)),
    own: readPlugins(house.site, house.base).publishers,
    ...(smtp === undefined ? {} : { mailer: smtpMailer(smtp, id) }),
  };
}

/** Job definitions by configuration; builds of one item ask for the same one. */
function definitions(
  { store }: Core,
  house: House,
): (digest: string, job: string) => Promise<JobDefinition | undefined> {
  let known: { readonly digest: string; readonly jobs: SiteConfig['jobs'] } | undefined;
  return async (digest, job) => {
    if (known?.digest !== digest) {
      const config = await store.config(digest);
      known = { digest, jobs: config === undefined ? {} : await jobsWithDefaults(house, config) };
    }
    return JobDefinition.safeParse(own(known.jobs, job)).data;
  };
}
