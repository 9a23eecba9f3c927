import type { NetworkSpec } from '../../jobs/definition/network.ts';
import type { NetworkPlan, NodePlan } from './planned.ts';

/**
 * What DevStack must be told of the network on this node, as lines of its localrc: the keys that devstack-gate writes for these
 * topologies. A job appends /etc/nodepool/localrc to its local.conf, or reads it as shell.
 */
export function localrcLines(spec: NetworkSpec, plan: NetworkPlan, node: NodePlan): string[] {
  const several = plan.nodes.length > 1;
  switch (spec.topology) {
    case 'none':
      return [];
    case 'nova-net':
      return [
        'FLAT_INTERFACE=br_flat',
        'PUBLIC_INTERFACE=br_pub',
        // nova-network on every node, each with the floating addresses of its guests.
        ...(several ? ['MULTI_HOST=True'] : []),
      ];
    default:
      return [
        ...(several ? [`PUBLIC_BRIDGE_MTU=${plan.mtu}`] : []),
        ...(node.agentMode === undefined ? [] : [`Q_DVR_MODE=${node.agentMode}`]),
      ];
  }
}
