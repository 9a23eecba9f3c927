import { setTimeout as sleep } from 'node:timers/promises';
import type { Launcher } from '../../nodepool/launcher.ts';
import type { PoolRecords } from '../../nodepool/records.ts';
import { whyRow } from '../../nodepool/views.ts';
import { asFault, Fault } from '../../pipelines/fault.ts';
import type { Claim } from '../../pipelines/ports.ts';
import { handle } from '../../workers/handle.ts';
import { acquirer, releaser } from '../../workers/nodes.ts';
import { handOptions, tell } from '../hands.ts';
import { type House, need, type PartOf } from '../house.ts';
import { openNodes, reachOf } from './machines.ts';
import { poolInForce } from './poolconfig.ts';
import { openPreparing } from './preparing.ts';

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
        // A database that is away now is asked again; whoever stands by has time.
        mine = await openAlone(house).catch((caught: unknown) => passing(house, caught));
      }
      pool = mine.pool;
      await Promise.race([pool.running, mine.lost, follow(mine, stop), aborted(stop)]);
    };
    return {
      running: live(),
      async close() {
        await pool?.[Symbol.asyncDispose]();
        await house.made.preparations?.[Symbol.asyncDispose]();
      },
    };
  },
});

function passing(house: House, caught: unknown): undefined {
  const fault = asFault(caught);
  if (!fault.retry) throw fault;
  tell(house.log, { part: 'nodes' }, fault);
}

/** ms between tries to become the launcher. */
const TRY = 1_000;
/** ms between looks whether another nodepool.yaml is in force. */
const LOOK = 1_000;

/** Puts in force in the pool what is in force in the kernel, and tells other processes why requests wait. */
async function follow({ current, tell }: Mine, stop: AbortSignal): Promise<void> {
  while (!stop.aborted) {
    await sleep(LOOK, undefined, { signal: stop }).catch(() => undefined);
    if (stop.aborted) return;
    // A database that is away is told of by its watch.
    await current().catch(() => undefined);
    await tell().catch(() => undefined);
  }
}

interface Mine {
  readonly pool: Launcher;
  /** Takes the nodepool.yaml that is in force, if it is another one. */
  readonly current: () => Promise<void>;
  /** Writes down why requests wait, where that is another reason than before. */
  readonly tell: () => Promise<void>;
  readonly lost: Promise<never>;
}

/** Undefined: another process is the launcher. `lost` rejects when another has become it. */
async function openAlone(house: House): Promise<Mine | undefined> {
  const core = need(house, 'core');
  const claim = await core.alone('launcher');
  if (claim === undefined) return undefined;
  const inForce = poolInForce(house);
  let config = await inForce();
  const records = alone(core.records, claim);
  const pool = await openNodes(house, records, config);
  house.made.nodes = pool;
  const options = handOptions(house);
  const current = async (): Promise<void> => {
    const now = await inForce();
    if (now === config) return;
    config = now;
    await pool.reconfigure(now);
  };
  house.made.preparations = await openPreparing(house, pool, reachOf(house), current);
  let told: string | undefined;
  const tell = async (): Promise<void> => {
    // Where the server is this process it asks the pool itself.
    if (house.roles.has('server')) return;
    const row = whyRow(await pool.waiting());
    const text = JSON.stringify(row.value);
    if (text === told) return;
    await records.commit({ put: [row], drop: [] });
    told = text;
  };
  // Whoever asks was planned by what is in force, and must not be refused by what was before.
  const acquire: Launcher['acquire'] = async (request, signal) => {
    await current();
    return await pool.acquire(request, signal);
  };
  await handle(options, 'acquire', acquirer({ ...pool, acquire }), { concurrency: 1000 });
  await handle(options, 'release', releaser(pool, core.store), { concurrency: 64 });
  return {
    pool,
    current,
    tell,
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
