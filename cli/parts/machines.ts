import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { PoolConfig, ProviderConfig } from '../../nodepool/config/config.ts';
import type { Ended } from '../../nodepool/holds.ts';
import { type Launcher, openLauncher } from '../../nodepool/launcher.ts';
import { NodeRecord } from '../../nodepool/node.ts';
import type { Provider } from '../../nodepool/provider.ts';
import { openCommandProvider } from '../../nodepool/providers/command.ts';
import {
  type LocalOptions,
  type LocalShells,
  localConfig,
  openLocalProvider,
  openLocalShells,
} from '../../nodepool/providers/local.ts';
import { openOpenstackProvider } from '../../nodepool/providers/openstack/provider.ts';
import { openStaticProvider } from '../../nodepool/providers/static.ts';
import { openReach, type Reach } from '../../nodepool/reach.ts';
import type { PoolRecords } from '../../nodepool/records.ts';
import { openShell, type ShellOf, shellsOver } from '../../nodepool/shells.ts';
import { wallClock } from '../../nodepool/timer.ts';
import { Fault } from '../../pipelines/fault.ts';
import type { History } from '../../pipelines/ports.ts';
import { unreachable } from '../../pipelines/unreachable.ts';
import { crashpoint } from '../../workers/crashpoint.ts';
import { type House, need } from '../house.ts';
import { keyFolder, localNodes } from '../nodepool.ts';
import { sitePath } from '../site.ts';

/** What a site lends, and how its nodes are entered. */

interface Opened {
  readonly provider: Provider;
  readonly config: ProviderConfig;
}

/** The launcher, with every provider of the site. */
export async function openNodes(house: House, records: PoolRecords, config: PoolConfig): Promise<Launcher> {
  const { site, store } = need(house, 'core');
  const reach: Reach = reachOf(house, (path) => launcher.context.standing.wanted.files.scripts[path]);
  const launcher = await openLauncher({
    site,
    config,
    providers: await openLocal(house, records),
    open: (each) => openProvider(each, site, reach),
    records,
    timer: wallClock,
    random: Math.random,
    test: reach.test,
    join: reach.join,
    ended: (build) => endOf(store, build),
    events: house.made.poolEvents,
    passed: crashpoint,
    log: (line, values) => house.log.info({ part: 'nodes', ...values }, line),
  });
  return launcher;
}

async function openLocal(house: House, records: PoolRecords): Promise<Opened[]> {
  const options = localOptions(house);
  if (options === undefined) return [];
  const shells = await openLocalShells(options);
  if (shells.sameUser) house.log.warn('jobs run as our own user: a patch could read the keys of this CI');
  const provider = await openLocalProvider(options, shells, await buildsOf(records));
  await writeFile(markOf(house), '');
  return [{ provider, config: localConfig() }];
}

function openProvider({ given, name }: ProviderConfig, site: string, reach: Reach): Provider {
  switch (given.driver) {
    case 'openstack':
      return openOpenstackProvider(given, site);
    case 'command':
      return openCommandProvider(given, site);
    case 'static':
      return openStaticProvider(given, { forget: reach.forget });
    case 'local':
      throw new Fault('bug', `provider ${name}: this machine stands in stackgate.yaml`);
  }
  return unreachable(given);
}

export function reachOf(house: House, script: (path: string) => string | undefined = () => undefined): Reach {
  const folder = keyFolder(house.site, house.base);
  return openReach({
    path: (path) => sitePath(folder, path),
    script,
    limits: limitsOf(house),
    log: (line, values) => house.log.info({ part: 'nodes', ...values }, line),
    passed: crashpoint,
  });
}

/** Lies beside the workspaces on the machine that `nodes.local` is: the launcher's. */
const markOf = ({ data }: House): string => join(data, 'builds', '.launcher');

/** How this process reaches the nodes of a lease. */
export async function shellsOf(house: House): Promise<ShellOf> {
  const { records } = need(house, 'core');
  const { shell: remote } = reachOf(house);
  const options = localOptions(house);
  const openHere = async (): Promise<LocalShells | undefined> => {
    const isHere = house.roles.has('launcher') || existsSync(markOf(house));
    return options === undefined || !isHere ? undefined : openLocalShells(options);
  };
  let local = await openHere();
  return async (id) => {
    local ??= await openHere();
    const enter = openShell(local, (node, lease) =>
      node.ssh === undefined ? elsewhere() : remote(node, lease),
    );
    return shellsOver(records, enter)(id);
  };
}

/** Whether this process can enter any node at all. False: `nodes.local` of another machine is all there is. */
export function entersNodes(house: House): boolean {
  return house.roles.has('launcher') || house.site.nodes.nodepool !== undefined || existsSync(markOf(house));
}

function elsewhere(): never {
  throw new Fault('config-invalid', 'a build waits for a worker on the machine of its node', {
    retry: true,
    hint: 'nodes.local is the machine of the launcher: start a worker there, on the same data directory.',
  });
}

/** Builds whose workspaces some node still has. */
async function buildsOf(records: PoolRecords): Promise<Set<string>> {
  const rows = await records.all();
  return new Set(
    rows.flatMap(({ table, value }) => (table === 'node' ? (NodeRecord.parse(value).build ?? []) : [])),
  );
}

const EndedRow = z.looseObject({
  job: z.string(),
  project: z.string(),
  change: z.string().nullish(),
  ref: z.string().nullish(),
  result: z.string().nullish(),
});

/** How a build ended, as the history has it by the time its nodes are given back. */
async function endOf(history: Pick<History, 'build'>, build: string): Promise<Ended | undefined> {
  const found = await history.build(build.replace(/^build-/, ''));
  const row = found.kind === 'found' ? EndedRow.safeParse(found.row.value).data : undefined;
  if (row === undefined) return undefined;
  const { job, project, change, ref, result } = row;
  return { job, project, change: change ?? undefined, ref: ref ?? undefined, result: result ?? '' };
}

function limitsOf({ site }: House): { output: number } {
  return { output: site.logs['max-console'] * 1024 * 1024 };
}

function localOptions(house: House): LocalOptions | undefined {
  const { site, data } = house;
  const local = localNodes(site);
  if (local === undefined) return undefined;
  return {
    root: join(data, 'builds'),
    maxParallelJobs: local['max-parallel-jobs'],
    labels: local.labels,
    users: local.user === undefined ? undefined : [local.user].flat(),
    allowSameUser: local['allow-same-user'],
    noNewPrivileges: !local.sudo,
    // What a patch must never read: the keys, the tokens, everybody's repositories.
    secret: ['database', 'git', 'fetched', 'token'].map((name) => join(data, name)),
    limits: limitsOf(house),
  };
}
