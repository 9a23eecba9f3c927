import { join } from 'node:path';
import { type LocalOptions, openLocalPool, openLocalShells } from '../../nodepool/providers/local.ts';
import type { LeasedNode, Shell } from '../../pipelines/ports.ts';
import { crashpoint } from '../../workers/crashpoint.ts';
import { handle } from '../../workers/handle.ts';
import { acquirer, releaser } from '../../workers/nodes.ts';
import { handOptions } from '../hands.ts';
import { type House, need, type PartOf } from '../house.ts';

/** The node of a lease, for the hand that builds. */
export type ShellOf = (
  lease: string,
) => Promise<{ readonly shell: Shell; readonly node: LeasedNode } | undefined>;

/** The machines, and the hands that lend them and take them back. */
export const nodes: PartOf = (house) => ({
  name: 'nodes',
  async start() {
    const { store } = need(house, 'core');
    const pool = await openLocalPool(localOptions(house));
    if (pool.sameUser) house.log.warn('jobs run as our own user: a patch could read the keys of this CI');
    house.made.nodes = pool;
    const options = handOptions(house);
    await handle(options, 'acquire', acquirer(pool), { concurrency: 1000 });
    await handle(options, 'release', releaser(pool, store), { concurrency: 64 });
    return {
      async close() {
        await pool[Symbol.asyncDispose]();
      },
    };
  },
});

/** How this process reaches the nodes of a lease: through its own pool, or beside the launcher's. */
export async function shellsOf(house: House): Promise<ShellOf> {
  const pool = house.made.nodes;
  if (pool !== undefined) return (lease) => pool.shellOf(lease);
  const shells = await openLocalShells(localOptions(house));
  return (lease) => shells.shellOf(lease);
}

function localOptions({ site, data }: House): LocalOptions {
  const { local } = site.nodes;
  return {
    root: join(data, 'builds'),
    leases: join(data, 'leases'),
    maxParallelJobs: local['max-parallel-jobs'],
    labels: local.labels,
    users: local.user === undefined ? undefined : [local.user].flat(),
    allowSameUser: local['allow-same-user'],
    noNewPrivileges: !local.sudo,
    // What a patch must never read: the keys, the tokens, everybody's repositories.
    secret: [join(data, 'database'), join(data, 'git'), join(data, 'token')],
    limits: { output: site.logs['max-console'] * 1024 * 1024 },
    clock: { now: Date.now },
    passed: crashpoint,
  };
}
