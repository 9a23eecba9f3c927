import { isIP, isIPv4 } from 'node:net';
import type { NetworkSpec } from '../../jobs/definition/network.ts';
import type { AgentModes, Member, Segment } from './planned.ts';

/** Why a set cannot have the network it asks for: each a sentence for the person who wrote it. */

export function wrongMembers(members: readonly Member[]): string | undefined {
  const seen = new Map<string, string>();
  for (const { name, underlay } of members) {
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,252}$/.test(name)) return `${JSON.stringify(name)} is no host name`;
    if (isIP(underlay) === 0 || underlay.includes('%'))
      return `${name} has no usable address: ${JSON.stringify(underlay)}`;
    const other = seen.get(underlay);
    if (other !== undefined) return `${name} and ${other} have one address, ${underlay}`;
    seen.set(underlay, name);
  }
  const families = new Set(members.map(({ underlay }) => isIP(underlay)));
  if (families.size > 1)
    return 'some nodes have an IPv4 address and some an IPv6 address: no tunnel joins them';
  if (new Set(members.map(({ name }) => name)).size < members.length)
    return 'two nodes of the set have one name';
  return undefined;
}

/** Room for addresses, and VNIs that mean one tunnel each. */
export function wrongNumbers(
  spec: NetworkSpec,
  segments: readonly Segment[],
  subs: number,
): string | undefined {
  const starts = segments.flatMap(({ start }) => (start === undefined ? [] : [start]));
  const [first, second] = starts;
  if (first === undefined) return undefined;
  // The primary takes a bridge's first number without a tunnel: 128 is free for br_pub's last.
  const most = second === undefined ? 255 : second - first + 1;
  const kind =
    second === undefined
      ? spec.topology
      : `${spec.topology}, whose bridges count from ${first} and ${second},`;
  if (subs + 1 > most) return `${kind} joins at most ${most} nodes, and this set has ${subs + 1}`;
  const last = spec['vni-offset'] + (starts.at(-1) ?? 0) + subs;
  return last > 0xffffff
    ? `vni-offset ${spec['vni-offset']} leads to VNI ${last}, and 16777215 is the last`
    : undefined;
}

/** An overlay that holds the underlay's own addresses would cut its nodes off. */
export function wrongRange(
  spec: NetworkSpec,
  segments: readonly Segment[],
  members: readonly Member[],
): string | undefined {
  if (segments.length === 0) return undefined;
  const mask = maskOf(spec['address-mask']);
  const inside = (ip: string) =>
    isIPv4(ip) && ((ipv4Number(ip) ^ ipv4Number(`${spec['address-prefix']}.0`)) & mask) === 0;
  const hit = members.find(({ underlay }) => inside(underlay));
  return hit === undefined
    ? undefined
    : `${hit.name} has ${hit.underlay}, which lies in the overlay's ${overlayRange(spec)}: choose another address-prefix`;
}

export function wrongForHa(nodes: number, modes: AgentModes | undefined): string | undefined {
  if (nodes < 3) return `dvr-ha needs three nodes or more, and this set has ${nodes}`;
  const snat = modes?.sub === 'dvr_snat' ? nodes - 1 : 1;
  return snat >= 2
    ? undefined
    : `dvr-ha needs two dvr_snat nodes or more, and agent-modes primary-snat leaves ${snat}: use primary-dvr`;
}

function maskOf(bits: number): number {
  return (0xffffffff << (32 - bits)) >>> 0;
}

function ipv4Number(ip: string): number {
  return ip.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
}

/** `172.24.4.0/23` */
export function overlayRange(spec: NetworkSpec): string {
  const mask = maskOf(spec['address-mask']);
  const base = (ipv4Number(`${spec['address-prefix']}.0`) & mask) >>> 0;
  return `${[24, 16, 8, 0].map((shift) => (base >>> shift) & 255).join('.')}/${spec['address-mask']}`;
}
