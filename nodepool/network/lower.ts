import { closeFirewall } from './firewall.ts';
import { linkFunctions, withoutAddress } from './links.ts';
import { ovsFunctions } from './ovs.ts';
import type { NodePlan } from './planned.ts';

/**
 * Takes everything of ours off a node, whichever set, driver or half-finished join left it: what carries our mark goes. Of
 * bridges that were there before us only the plan's addresses go.
 */
export function lowerScript(node: Pick<NodePlan, 'bridges'>): string[] {
  return [
    `set='' install=''`,
    linkFunctions,
    ovsFunctions,
    ...node.bridges.map(withoutAddress),
    'sweep_links',
    'restore_mtu',
    // Without its daemons Open vSwitch carries nothing, and its socket is gone.
    'if [ -S /var/run/openvswitch/db.sock ]; then',
    '  ovs_runs || fail "Open vSwitch does not answer"',
    '  sweep_ovs',
    '  give_underlay',
    'fi',
    ...closeFirewall('overlay'),
  ];
}
