import type { Machine } from '../../provider.ts';
import { isNoRoom, isQuota } from './refusal.ts';
import type { Address, Server } from './wire.ts';

/** The mark that servers carry in their metadata from their first moment on; Nodepool's own keys besides, for people's tools. */
export const MARK = { site: 'stackgate_site', node: 'stackgate_node' } as const;

/** How ports and floating addresses, which have no metadata, say whose they are. */
export function markText(site: string, node: string): string {
  return `stackgate-${site}-${node}`;
}

export function nodeInMark(site: string, text: string | null | undefined): string | undefined {
  const start = `stackgate-${site}-`;
  return text?.startsWith(start) === true ? text.slice(start.length) : undefined;
}

export interface Looks {
  readonly ipv6: boolean;
  /** Networks whose addresses are reached from everywhere. */
  readonly outside: ReadonlySet<string>;
  /** By our node id. */
  readonly floating: ReadonlyMap<string, string>;
}

const GONE = new Set(['DELETED', 'SOFT_DELETED']);
const COMING = new Set(['BUILD', 'REBUILD', 'UNKNOWN', 'MIGRATING', 'RESIZE', 'VERIFY_RESIZE', 'PASSWORD']);
const UP = new Set(['ACTIVE', 'REBOOT', 'HARD_REBOOT']);

/** Undefined: it is as good as gone. */
export function machineOf(server: Server, looks: Looks): Machine | undefined {
  if (GONE.has(server.status)) return undefined;
  const node = server.metadata[MARK.node];
  const { vcpus: cores, ram } = server.flavor ?? {};
  const base = {
    id: server.id,
    ...(node === undefined ? {} : { node }),
    ...(server['OS-EXT-AZ:availability_zone'] ? { zone: server['OS-EXT-AZ:availability_zone'] } : {}),
    ...(cores === undefined || ram === undefined ? {} : { resources: { instances: 1, cores, ram } }),
  };
  if (COMING.has(server.status)) return { ...base, state: 'building' };
  if (!UP.has(server.status)) {
    const why = server.fault?.message ?? `its status is ${server.status}`;
    return { ...base, state: 'failed', reason: why, quota: isQuota(why) || isNoRoom(why) };
  }
  const address = outerAddress(server, looks);
  if (address === undefined) return { ...base, state: 'building' };
  return { ...base, state: 'active', address, privateAddress: innerAddress(server) ?? address };
}

/** The order of openstacksdk: the access address, one of an external network, a floating one, a network called `public`, any. */
function outerAddress(server: Server, { ipv6, outside, floating }: Looks): string | undefined {
  const version = ipv6 ? 6 : 4;
  const access = ipv6 ? server.accessIPv6 : server.accessIPv4;
  if (access) return access;
  const of = (fits: (name: string, address: Address) => boolean) =>
    Object.entries(server.addresses)
      .flatMap(([name, list]) => list.filter((each) => each.version === version && fits(name, each)))
      .at(0)?.addr;
  const node = server.metadata[MARK.node];
  return (
    of((name) => outside.has(name)) ??
    (node === undefined ? undefined : floating.get(node)) ??
    of((_, address) => address['OS-EXT-IPS:type'] === 'floating') ??
    of((name) => name === 'public') ??
    of(() => true) ??
    (ipv6 ? outerAddress(server, { ipv6: false, outside, floating }) : undefined)
  );
}

function innerAddress(server: Server): string | undefined {
  const fixed = Object.values(server.addresses)
    .flat()
    .filter((each) => each.version === 4 && each['OS-EXT-IPS:type'] !== 'floating');
  return (fixed.find(({ addr }) => isPrivate(addr)) ?? fixed[0])?.addr;
}

function isPrivate(address: string): boolean {
  return /^(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.)/.test(address);
}
