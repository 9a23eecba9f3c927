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

/** This machine's places in a launcher of their own, as a site without nodepool.yaml has them. */
export interface LocalPool extends Launcher {
  readonly shellOf: ShellOf;
}

export async function openLocalPool(
  options: LocalOptions,
  records: PoolRecords,
  passed: (name: string) => void = () => undefined,
): Promise<LocalPool> {
  const shells = await openLocalShells(options);
  const rows = await records.all();
  const nodes = rows.filter((row) => row.table === 'node').map((row) => NodeRecord.parse(row.value));
  const builds = new Set(nodes.flatMap((node) => node.build ?? []));
  const launcher = await openLauncher({
    site: '5a1ce0de5a1ce0de',
    config: noPool,
    providers: [
      { provider: await openLocalProvider(options, shells, builds), config: localConfig(options.name) },
    ],
    open: () => {
      throw new Error('there is no nodepool.yaml');
    },
    records,
    timer: wallClock,
    random: Math.random,
    test: async () => ({ kind: 'fit' }),
    passed,
  });
  const remote = () => {
    throw new Error('there are only local nodes');
  };
  return { ...launcher, shellOf: shellsOver(records, openShell(shells, remote)) };
}
