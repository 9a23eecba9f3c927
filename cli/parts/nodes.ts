import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { noPool } from '../../nodepool/config/config.ts';
import { type Launcher, openLauncher } from '../../nodepool/launcher.ts';
import { NodeRecord } from '../../nodepool/node.ts';
import {
  type LocalOptions,
  localConfig,
  openLocalProvider,
  openLocalShells,
} from '../../nodepool/providers/local.ts';
import type { PoolRecords } from '../../nodepool/records.ts';
import { openShell, type ShellOf, shellsOver } from '../../nodepool/shells.ts';
import { wallClock } from '../../nodepool/timer.ts';
import { Fault } from '../../pipelines/fault.ts';
import type { Claim } from '../../pipelines/ports.ts';
import { crashpoint } from '../../workers/crashpoint.ts';
import { handle } from '../../workers/handle.ts';
import { acquirer, releaser } from '../../workers/nodes.ts';
import { handOptions } from '../hands.ts';
import { type House, need, type PartOf } from '../house.ts';

/**
 * The machines, and the hands that lend them and take them back. One process of a site does that; others stand by, and one of
 * them goes on when it dies.
 */
export const nodes: PartOf = (house) => ({
  name: 'nodes',
  async start(stop) {
    const opened = await openAlone(house);
    let pool = opened?.pool;
    const live = async (): Promise<void> => {
      let mine = opened;
      while (mine === undefined) {
        await sleep(TRY, undefined, { signal: stop }).catch(() => undefined);
        if (stop.aborted) return;
        mine = await openAlone(house);
      }
      pool = mine.pool;
      await Promise.race([pool.running, mine.lost, aborted(stop)]);
    };
    return {
      running: live(),
      async close() {
        await pool?.[Symbol.asyncDispose]();
      },
    };
  },
});

/** ms between tries to become the launcher. */
const TRY = 1_000;

/** Undefined: another process is the launcher. `lost` rejects when another has become it. */
async function openAlone(house: House): Promise<{ pool: Launcher; lost: Promise<never> } | undefined> {
  const core = need(house, 'core');
  const claim = await core.alone('launcher');
  if (claim === undefined) return undefined;
  const pool = await openNodes(house, alone(core.records, claim));
  house.made.nodes = pool;
  const options = handOptions(house);
  await handle(options, 'acquire', acquirer(pool), { concurrency: 1000 });
  await handle(options, 'release', releaser(pool, core.store), { concurrency: 64 });
  return {
    pool,
    lost: new Promise((_, reject) => {
      claim.lost.addEventListener('abort', () => reject(takenOver()), { once: true });
    }),
  };
}

/** Records that are written only while nobody else is the launcher. */
function alone(records: PoolRecords, claim: Claim): PoolRecords {
  return {
    all: () => records.all(),
    get: (table, key) => records.get(table, key),
    async commit(patch) {
      await claim.sure().catch((caught: unknown) => {
        throw claim.lost.aborted ? takenOver() : caught;
      });
      await records.commit(patch);
    },
  };
}

function takenOver(): Fault {
  return new Fault('leader-lost', 'another process is the launcher now', {
    hint: 'This one ends; started again it stands by.',
  });
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

async function openNodes(house: House, records: PoolRecords): Promise<Launcher> {
  const { site } = need(house, 'core');
  const local = localOptions(house);
  const shells = await openLocalShells(local);
  if (shells.sameUser) house.log.warn('jobs run as our own user: a patch could read the keys of this CI');
  const provider = await openLocalProvider(local, shells, await buildsOf(records));
  return await openLauncher({
    site,
    config: noPool,
    providers: [{ provider, config: localConfig() }],
    records,
    timer: wallClock,
    random: Math.random,
    test: () => Promise.resolve({ kind: 'fit' }),
    passed: crashpoint,
    log: (line, values) => house.log.info({ part: 'nodes', ...values }, line),
  });
}

/** Builds whose workspaces some node still has. */
async function buildsOf(records: PoolRecords): Promise<Set<string>> {
  const rows = await records.all();
  return new Set(
    rows.flatMap(({ table, value }) => (table === 'node' ? (NodeRecord.parse(value).build ?? []) : [])),
  );
}

/** How this process reaches the nodes of a lease. */
export async function shellsOf(house: House): Promise<ShellOf> {
  const shells = await openLocalShells(localOptions(house));
  const remote = () => {
    throw new Fault('bug', 'a node that is not local');
  };
  return shellsOver(need(house, 'core').records, openShell(shells, remote));
}

function localOptions({ site, data }: House): LocalOptions {
  const { local } = site.nodes;
  return {
    root: join(data, 'builds'),
    maxParallelJobs: local['max-parallel-jobs'],
    labels: local.labels,
    users: local.user === undefined ? undefined : [local.user].flat(),
    allowSameUser: local['allow-same-user'],
    noNewPrivileges: !local.sudo,
    // What a patch must never read: the keys, the tokens, everybody's repositories.
    secret: ['database', 'git', 'fetched', 'token'].map((name) => join(data, name)),
    limits: { output: site.logs['max-console'] * 1024 * 1024 },
  };
}
