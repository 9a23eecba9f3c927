import type { NodeRecord } from '../node.ts';
import { hostOfPlace } from '../providers/place.ts';
import type { PoolConfig, ProviderConfig } from './config.ts';
import type { PoolFiles } from './files.ts';

/**
 * From one configuration to the next while nodes exist: pure. What is taken out, or becomes another machine under the same name,
 * stays as it was until its last node is gone (drain); everything else is the new at once.
 */

export interface Standing {
  /** What nodepool.yaml says now. */
  readonly wanted: PoolConfig;
  readonly providers: ReadonlyMap<string, ProviderStanding>;
}

export interface ProviderStanding {
  /** What is used of it. */
  readonly config: ProviderConfig;
  /** What nodepool.yaml says of it now; undefined: it was taken out. */
  readonly wanted: ProviderConfig | undefined;
  /** Where `config` stands. */
  readonly from: PoolFiles;
  /** All of it is still the old one: it gives nothing new. */
  readonly isOld: boolean;
  /** Hosts that are still the old ones. */
  readonly oldHosts: ReadonlyMap<string, OldHost>;
}

export interface OldHost {
  readonly from: PoolFiles;
  /** Taken out; else it comes back with another address. */
  readonly isGone: boolean;
}

type Kept = Pick<NodeRecord, 'provider' | 'place'>;

export function stand(before: Standing | undefined, wanted: PoolConfig, nodes: Iterable<Kept>): Standing {
  const here = [...nodes];
  const next = new Map(wanted.providers.map((each) => [each.name, each]));
  const names = new Set([...next.keys(), ...(before?.providers.keys() ?? [])]);
  const providers = new Map<string, ProviderStanding>();
  for (const name of names) {
    const own = here.filter((node) => node.provider === name);
    const standing = standOne(before?.providers.get(name), next.get(name), wanted.files, own);
    if (standing !== undefined) providers.set(name, standing);
  }
  return { wanted, providers };
}

function standOne(
  old: ProviderStanding | undefined,
  wanted: ProviderConfig | undefined,
  files: PoolFiles,
  nodes: readonly Kept[],
): ProviderStanding | undefined {
  const isOther = old !== undefined && (wanted === undefined || identity(old.config) !== identity(wanted));
  if (isOther && nodes.length > 0) return { ...old, wanted, isOld: true };
  if (wanted === undefined) return undefined;
  const fresh = { config: wanted, wanted, from: files, isOld: false, oldHosts: new Map() };
  return old === undefined || isOther ? fresh : withHosts(fresh, old, nodes);
}

/** The hosts of a static provider, each as it was while its nodes are there. */
function withHosts(fresh: ProviderStanding, old: ProviderStanding, nodes: readonly Kept[]): ProviderStanding {
  const [given, was] = [fresh.config.given, old.config.given];
  if (given.driver !== 'static' || was.driver !== 'static') return fresh;
  const busy = new Set(nodes.flatMap(({ place }) => (place === undefined ? [] : [hostOfPlace(place)])));
  const kept = was.nodes.filter((host) => {
    const next = given.nodes.find((each) => each.name === host.name);
    return busy.has(host.name) && (next === undefined || hostIdentity(next) !== hostIdentity(host));
  });
  if (kept.length === 0) return fresh;
  const names = new Set(kept.map((host) => host.name));
  const oldHosts = new Map(
    kept.map(({ name }): [string, OldHost] => {
      const isGone = !given.nodes.some((each) => each.name === name);
      return [name, { from: old.oldHosts.get(name)?.from ?? old.from, isGone }];
    }),
  );
  const logins = [...old.config.hosts].filter(([name]) => names.has(name));
  const hosts = new Map([...fresh.config.hosts, ...logins]);
  const nodesNow = [...given.nodes.filter((host) => !names.has(host.name)), ...kept];
  return { ...fresh, oldHosts, config: { ...fresh.config, hosts, given: { ...given, nodes: nodesNow } } };
}

/** Whose machines they are: with another one a provider does not know the nodes it made. */
function identity({ given }: ProviderConfig): string {
  switch (given.driver) {
    case 'openstack':
      return JSON.stringify([given.driver, given.cloud, given['region-name']]);
    case 'command':
      return JSON.stringify([given.driver, given.list, given.delete]);
    case 'static':
    case 'local':
      return given.driver;
  }
  return given satisfies never;
}

type Host = Extract<ProviderConfig['given'], { driver: 'static' }>['nodes'][number];

/** Which machine it is, and where builds lie there. */
function hostIdentity(host: Host): string {
  return JSON.stringify([host.host ?? host.name, host['connection-port'], host.workspaces]);
}

/** True when everything is as nodepool.yaml says. */
export function isSettled({ providers }: Standing): boolean {
  return [...providers.values()].every(({ isOld, oldHosts }) => !isOld && oldHosts.size === 0);
}

/** Why a provider, or a host of it, gives nothing to builds. */
export function leaving(standing: ProviderStanding | undefined, host?: string): string | undefined {
  if (standing === undefined) return undefined;
  if (standing.isOld) {
    return standing.wanted === undefined
      ? 'taken out of nodepool.yaml; closed when its last node is gone'
      : 'nodepool.yaml names another one now; it begins when the last node of the old one is gone';
  }
  const old = host === undefined ? undefined : standing.oldHosts.get(host);
  if (old === undefined) return undefined;
  return old.isGone
    ? 'taken out of nodepool.yaml; closed when its last build has ended'
    : 'has another address in nodepool.yaml; used there when the last build at the old one has ended';
}
