import { quoted } from '../remote.ts';
import { addressLines, linkFunctions, linkGroup } from './links.ts';
import { tunnelLink } from './plan.ts';
import { type BridgePlan, type NodePlan, type TunnelPlan, vxlanPort } from './planned.ts';
import { call } from './script.ts';

/**
 * Linux bridges and kernel vxlan. Interface names have 15 letters, `br-ex_10.20.30.40` has more: a tunnel is called by its VNI,
 * `vx1000002`, and its alias gives the name it would have in Open vSwitch.
 */
export function linuxScript(set: string, node: NodePlan): string[] {
  return [
    `set=${quoted(set)}`,
    linkFunctions,
    linuxFunctions,
    call('sweep_links', ...linksOf(node)),
    ...node.bridges.map((bridge) => call('bridge', bridge.name, bridge.mtu)),
    ...node.bridges.flatMap((bridge) => bridge.tunnels.map((tunnel) => tunnelLine(bridge, tunnel))),
    ...node.patches.map(({ bridges, ports }) => call('patch', ...bridges, ...ports, mtuOf(node, bridges[0]))),
    ...addressLines(node),
  ];
}

function linksOf(node: NodePlan): string[] {
  const ofBridges = node.bridges.flatMap(({ name, tunnels }) => [name, ...tunnels.map(tunnelLink)]);
  return [...ofBridges, ...node.patches.flatMap(({ ports }) => ports)];
}

function tunnelLine(bridge: BridgePlan, tunnel: TunnelPlan): string {
  const { port, vni, local, remote } = tunnel;
  return call('tunnel', bridge.name, tunnelLink(tunnel), port, vni, local, remote, bridge.mtu);
}

function mtuOf(node: NodePlan, name: string): number {
  return node.bridges.find((bridge) => bridge.name === name)?.mtu ?? 1500;
}

const linuxFunctions = String.raw`
# bridge NAME MTU. One that was there before us is used and stays.
bridge() {
  if [ -e "/sys/class/net/$1" ] && ! owned "$1"; then
    [ -d "/sys/class/net/$1/bridge" ] || fail "$1 is there already and is no Linux bridge: is it Open vSwitch's? Then use driver ovs"
    keep_mtu "$1"
  else
    made "$1" bridge ip link add name "$1" group ${linkGroup} type bridge stp_state 0 forward_delay 0 mcast_snooping 0
  fi
  must ip link set dev "$1" mtu "$2" up
}

# tunnel BRIDGE LINK PORT VNI LOCAL REMOTE MTU
tunnel() {
  made "$2" "$3 key=$4 local_ip=$5 remote_ip=$6" \
    ip link add name "$2" group ${linkGroup} type vxlan id "$4" local "$5" remote "$6" dstport ${vxlanPort}
  must ip link set dev "$2" mtu "$7" master "$1" up
}

# patch BRIDGE BRIDGE PORT PORT MTU
patch() {
  # One end is never without the other; the second is named last.
  [ "$(alias_of "$4")" = "stackgate $set patch" ] || ! owned "$3" || must ip link delete dev "$3"
  made "$3" patch ip link add name "$3" group ${linkGroup} type veth peer name "$4" group ${linkGroup}
  must ip link set dev "$4" alias "stackgate $set patch"
  must ip link set dev "$3" mtu "$5" master "$1" up
  must ip link set dev "$4" mtu "$5" master "$2" up
}
`.trim();
