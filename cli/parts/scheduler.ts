import { createHash } from 'node:crypto';
import type { Logger } from 'pino';
import { asFault } from '../../pipelines/fault.ts';
import type { SiteConfig } from '../../pipelines/ports.ts';
import { nextAlarm, step } from '../../pipelines/step.ts';
import { digestOf, emptyWorld, worldFrom } from '../../pipelines/world.ts';
import { dispatcher } from '../../workers/dispatch.ts';
import { runScheduler, type SchedulerLine } from '../../workers/scheduler.ts';
import { gitUrl, publicUrl } from '../addresses.ts';
import { gerritSettings } from '../gerrits.ts';
import { tell } from '../hands.ts';
import { type House, need, type PartOf } from '../house.ts';
import { sealDefaults } from '../secrets.ts';
import { knownAccounts } from '../sitekeys.ts';

/** The kernel, when its turn to lead comes; and the configuration it plans by. */
export const scheduler =
  (wanted: () => SiteConfig): PartOf =>
  (house) => ({
    name: 'scheduler',
    async start(stop) {
      const { log, made } = house;
      const { store, queue, site } = need(house, 'core');
      const dispatch = dispatcher(store, queue, ({ action, error }) => tell(log, { action }, error));
      queue.onLost(() => {
        if (made.reign?.aborted === false)
          void dispatch.sweep().catch((caught) => tell(log, {}, asFault(caught)));
      });
      const running = runScheduler(
        {
          store,
          dispatch,
          kernel: { emptyWorld, worldFrom, digestOf, step, nextAlarm },
          clock: { now: Date.now },
          site,
          onWorld: (world) => {
            made.world = world;
          },
          onReign: (reign) => {
            made.reign = reign;
          },
          sweepEvery: SWEEP_EVERY,
          log: (line) => say(log, line),
        },
        stop,
      );
      await configure(house, wanted());
      return { running };
    },
  });

/** How often everything undone is pushed again, ms: a wake-up that was lost without a word costs so much. */
const SWEEP_EVERY = 20_000;

function say(log: Logger, line: SchedulerLine): void {
  const { kind, ...rest } = line;
  if (kind === 'leading') log.info(rest, 'scheduler: leading');
  else if ('error' in line) tell(log, { ...rest, scheduler: kind }, line.error);
  else log.warn(rest, `scheduler: ${kind}`);
}

/** Puts a validated configuration in force. False: it is in force already. */
export async function configure(house: House, config: SiteConfig): Promise<boolean> {
  const { store } = need(house, 'core');
  const full = placed(house, config);
  if (digestOf(await store.world()) === full.digest) return false;
  await store.saveConfig(await sealDefaults(house, full));
  const at = Date.now();
  await store.file([
    { key: `configured/${full.digest}/${at}`, fact: { kind: 'Configured', at, digest: full.digest } },
  ]);
  return true;
}

/** What the kernel must know of this site: settings are part of the configuration it plans by. */
function placed(house: House, config: SiteConfig): SiteConfig {
  const accounts = Object.fromEntries(
    gerritSettings(house.site, String).map(({ connection, user }) => [connection, [user]]),
  );
  const settings = {
    accounts,
    known: knownAccounts(house.site),
    gitUrl: gitUrl(house),
    statusUrl: publicUrl(house),
    jobNameInReport: true,
    reportTimes: true,
    parameterRules: house.site['parameter-functions'],
  };
  const digest = createHash('sha256')
    .update(JSON.stringify([config.digest, settings]))
    .digest('hex');
  return { ...config, digest, settings };
}
