import { isIPv4 } from 'node:net';
import type { NetworkSpec } from '../../jobs/definition/network.ts';
import { unreachable } from '../../pipelines/unreachable.ts';
import {
  type AgentModes,
  type BridgePlan,
  type Member,
  type NodePlan,
  type Opening,
  type Planned,
  type Segment,
  type TunnelPlan,
} from './planned.ts';
import { overlayRange, wrongForHa, wrongMembers, wrongNumbers, wrongRange } from './refusals.ts';

/**
 * The overlay of a node set, decided before anything is touched: topology and members in, what every node must have out.
 *
 * As in devstack-gate's `ovs_vxlan_bridge` and zuul-jobs' `multi-node-bridge`: a star. The primary is the hub and has one
 * vxlan tunnel to each subnode; subnodes have none between them, so there is no loop and nothing to learn about one. Subnode k
 * (from 1) has the number start + k, which makes its address (172.24.4.number) and its VNI (1,000,000 + number). Bridges start
 * at 1, br_flat at 128.
 */

/** A tunnel's name where a name has 15 letters at most: `br-ex_10.20.30.40` has more. */
export function tunnelLink({ vni }: Pick<TunnelPlan, 'vni'>): string {
  return `vx${vni}`;
}

export function planNetwork(spec: NetworkSpec, members: readonly Member[]): Planned {
  const subs = members.filter((member) => member.role === 'sub');
  const [primary, ...others] = members.filter((member) => member.role === 'primary');
  if (primary === undefined || others.length > 0) {
    return refused(
      `a node set has one primary, and this one has ${primary === undefined ? 'none' : others.length + 1}`,
    );
  }
  const segments = segmentsOf(spec, members.length);
  const modes = agentModes(spec, subs.length);
  const wrong =
    wrongMembers(members) ?? wrongNumbers(spec, segments, subs.length) ?? wrongRange(spec, segments, members);
  if (wrong !== undefined) return refused(wrong);
  if (spec.topology === 'dvr-ha') {
    const reason = wrongForHa(members.length, modes);
    if (reason !== undefined) return refused(reason);
  }
  const room = Math.min(...members.map((member) => member.mtu - overhead(member.underlay)));
  const mtu = spec.mtu ?? room;
  if (mtu > room)
    return refused(`the overlay cannot have an MTU of ${mtu}: what carries it leaves room for ${room}`);
  // Not even the least every IPv4 network must carry.
  if (mtu < 576) return refused(`the underlay leaves an overlay MTU of ${mtu}, and 576 is the least`);
  const nodes = [primary, ...subs].map((member, index) => {
    const peers =
      index === 0 ? subs.map((peer, at) => ({ peer, number: at + 1 })) : [{ peer: primary, number: index }];
    const mode = modes?.[index === 0 ? 'primary' : 'sub'];
    return nodePlan(spec, segments, { member, index, peers, mtu, mode });
  });
  return { kind: 'planned', plan: { mtu, nodes } };
}

function segmentsOf(spec: NetworkSpec, nodes: number): Segment[] {
  const external: Segment = { name: 'br-ex', start: 1, addressed: true };
  switch (spec.topology) {
    case 'none':
      return [];
    // Two, because nova-net's ebtables rules drop what passes between public and private on one bridge. Also on a single node.
    case 'nova-net':
      return [
        { name: 'br_pub', start: 1, addressed: true },
        { name: 'br_flat', start: 128, addressed: false },
      ];
    case 'neutron':
      return spec.overlay && nodes > 1 ? [external] : [];
    case 'dvr':
    case 'dvr-ha':
      return nodes > 1 ? [external] : [];
    case 'br-infra':
      return nodes > 1
        ? [
            { name: 'br-infra', start: 1, addressed: true },
            { name: 'br-ex', addressed: false },
          ]
        : [];
    default:
      return unreachable(spec.topology);
  }
}

function agentModes(spec: NetworkSpec, subs: number): AgentModes | undefined {
  if (spec.topology !== 'dvr' && spec.topology !== 'dvr-ha') return undefined;
  if (subs === 0) return { primary: 'dvr_snat', sub: 'dvr_snat' };
  return spec['agent-modes'] === 'primary-dvr'
    ? { primary: 'dvr', sub: 'dvr_snat' }
    : { primary: 'dvr_snat', sub: 'dvr' };
}

interface Seat {
  readonly member: Member;
  /** 0 is the primary. */
  readonly index: number;
  readonly peers: readonly { readonly peer: Member; readonly number: number }[];
  readonly mtu: number;
  readonly mode: 'dvr' | 'dvr_snat' | undefined;
}

function nodePlan(spec: NetworkSpec, segments: readonly Segment[], seat: Seat): NodePlan {
  const { member, peers, mode } = seat;
  const [first, second] = segments;
  const patched = first !== undefined && second !== undefined && second.start === undefined;
  return {
    name: member.name,
    role: member.role,
    underlay: member.underlay,
    ...(mode === undefined ? {} : { agentMode: mode }),
    bridges: segments.map((segment, at) => bridgePlan(spec, segment, at, seat)),
    patches: patched
      ? [
          {
            bridges: [first.name, second.name],
            ports: [`patch-${second.name}`, `patch-${first.name}`],
          },
        ]
      : [],
    openings: openingsOf(
      spec,
      segments,
      peers.map(({ peer }) => peer),
    ),
  };
}

function bridgePlan(spec: NetworkSpec, segment: Segment, at: number, seat: Seat): BridgePlan {
  const { start, name } = segment;
  const own = (start ?? 1) + seat.index;
  const ip = `${spec['address-prefix']}.${own}`;
  return {
    name,
    mtu: seat.mtu,
    ...(segment.addressed ? { address: `${ip}/${spec['address-mask']}` } : {}),
    // `5347` is SG; segment and number keep it apart on bridges that are patched into one.
    probe: segment.addressed ? ip : `fe80::5347:${at + 1}:${own.toString(16)}`,
    tunnels:
      start === undefined
        ? []
        : seat.peers.map(({ peer, number }) => ({
            port: `${name}_${peer.underlay}`,
            vni: spec['vni-offset'] + start + number,
            local: seat.member.underlay,
            remote: peer.underlay,
          })),
  };
}

function openingsOf(spec: NetworkSpec, segments: readonly Segment[], peers: readonly Member[]): Opening[] {
  if (segments.length === 0) return [];
  return [
    ...peers.map((peer): Opening => ({ kind: 'tunnel', from: peer.underlay })),
    { kind: 'overlay', range: overlayRange(spec) },
    ...segments.map((segment): Opening => ({ kind: 'bridge', name: segment.name })),
  ];
}

/** vxlan, UDP, IP and the inner Ethernet header. devstack-gate says 50 always, which is short for IPv6. */
function overhead(underlay: string): number {
  return isIPv4(underlay) ? 50 : 70;
}

function refused(reason: string): Planned {
  return { kind: 'refused', reason };
}
