import { z } from 'zod';

/**
 * What nodepool.yaml, or a job, says of a node set's network, in the words of devstack-gate and zuul-jobs. A plan
 * (nodepool/network/plan.ts) is made of it and of the members.
 */

export const Topology = z
  .enum(['none', 'nova-net', 'neutron', 'dvr', 'dvr-ha', 'br-infra'])
  .describe(
    'none: no overlay. nova-net: br_pub with addresses and br_flat without. neutron: none unless overlay is set. dvr, dvr-ha: ' +
      'br-ex on every node. br-infra: as zuul-jobs builds it, patched into br-ex.',
  );
export type Topology = z.infer<typeof Topology>;

export const NetworkSpec = z.strictObject({
  topology: Topology,
  overlay: z
    .boolean()
    .default(false)
    .describe('Build br-ex for topology neutron, too (DEVSTACK_GATE_NET_OVERLAY).'),
  'agent-modes': z
    .enum(['primary-dvr', 'primary-snat'])
    .default('primary-dvr')
    .describe(
      'L3 agents: dvr on the primary and dvr_snat on the subnodes, as in devstack-gate, or the reverse, as in neutron today.',
    ),
  driver: z
    .enum(['ovs', 'linux'])
    .default('ovs')
    .describe('Open vSwitch, whose br-ex DevStack goes on with, or Linux bridges with kernel vxlan.'),
  datapath: z
    .enum(['system', 'netdev'])
    .default('system')
    .describe(
      'Of Open vSwitch. netdev runs without its kernel module; the underlay address moves to a bridge br-phy for it.',
    ),
  'install-ovs': z.boolean().default(true).describe('Install Open vSwitch on nodes that have none.'),
  'address-prefix': z
    .string()
    .regex(/^\d{1,3}\.\d{1,3}\.\d{1,3}$/, 'three numbers, as in 172.24.4')
    .refine((text) => text.split('.').every((part) => Number(part) <= 255), 'three numbers up to 255')
    .default('172.24.4')
    .describe('The primary gets .1, the subnodes .2 and on (DEVSTACK_GATE_FLOATING_HOST_PREFIX).'),
  'address-mask': z
    .int()
    .min(8)
    .max(24)
    .default(23)
    .describe('Also covers the floating range, so that nodes reach it (DEVSTACK_GATE_FLOATING_HOST_MASK).'),
  'vni-offset': z
    .int()
    .min(1)
    .max(16_000_000)
    .default(1_000_000)
    .describe(
      "A tunnel's VNI is this plus the number of its subnode; neutron's own networks have 1 to 1000.",
    ),
  mtu: z
    .int()
    .min(576)
    .max(65_000)
    .optional()
    .describe('Of the overlay; left out: what the underlay allows.'),
});
export type NetworkSpec = z.infer<typeof NetworkSpec>;

/** The spec of a topology with everything else at its default. */
export function networkSpec(
  topology: Topology,
  more: Partial<z.input<typeof NetworkSpec>> = {},
): NetworkSpec {
  return NetworkSpec.parse({ topology, ...more });
}

/** `network: dvr`, or `network: {topology: dvr, ...}` with the options of that topology. */
export const Network = z.union([Topology.transform((topology) => networkSpec(topology)), NetworkSpec]);
