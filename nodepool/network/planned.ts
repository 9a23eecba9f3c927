/** A node set's overlay, planned: what every node must have. */

export interface Member {
  /** Its name in the node set, a host name. */
  readonly name: string;
  readonly role: 'primary' | 'sub';
  /** Where its siblings reach it; tunnels end there. */
  readonly underlay: string;
  /** Bytes: the smallest of its real interfaces. */
  readonly mtu: number;
}

export interface NetworkPlan {
  /** Bytes, on every bridge of every node. */
  readonly mtu: number;
  /** The primary first, then the subnodes in their order. */
  readonly nodes: readonly NodePlan[];
}

export interface NodePlan {
  readonly name: string;
  readonly role: 'primary' | 'sub';
  readonly underlay: string;
  /** Of neutron's L3 agent (Q_DVR_MODE); only for dvr and dvr-ha. */
  readonly agentMode?: 'dvr' | 'dvr_snat';
  readonly bridges: readonly BridgePlan[];
  readonly patches: readonly PatchPlan[];
  readonly openings: readonly Opening[];
}

export interface BridgePlan {
  readonly name: string;
  readonly mtu: number;
  /** `172.24.4.2/23` */
  readonly address?: string;
  /** What siblings ping to prove it: its address, or a link-local one that it is given for the proof. */
  readonly probe: string;
  readonly tunnels: readonly TunnelPlan[];
}

export interface TunnelPlan {
  /** `br-ex_10.0.0.12`, as everywhere in this trade. */
  readonly port: string;
  readonly vni: number;
  readonly local: string;
  readonly remote: string;
}

/** Two bridges of one node made one segment. */
export interface PatchPlan {
  readonly bridges: readonly [string, string];
  /** The port on the first bridge, then the port on the second. */
  readonly ports: readonly [string, string];
}

/** What the node's firewall must let pass. */
export type Opening =
  /** Everything a sibling sends. */
  | { readonly kind: 'sibling'; readonly from: string }
  | { readonly kind: 'tunnel'; readonly from: string }
  /** What arrives from the overlay at the node itself. */
  | { readonly kind: 'overlay'; readonly range: string }
  /** What the bridge passes on, where bridged frames meet the firewall. */
  | { readonly kind: 'bridge'; readonly name: string };

export type Planned =
  | { readonly kind: 'planned'; readonly plan: NetworkPlan }
  | { readonly kind: 'refused'; readonly reason: string };

export const vxlanPort = 4789;

export interface Segment {
  readonly name: string;
  /** The primary's number. Undefined: no tunnels of its own, it is patched into the segment before it. */
  readonly start?: number;
  readonly addressed: boolean;
}

export type AgentModes = Readonly<Record<Member['role'], 'dvr' | 'dvr_snat'>>;
