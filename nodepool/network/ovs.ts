import type { NetworkSpec } from '../../jobs/definition/network.ts';
import { quoted } from '../remote.ts';
import { addressLines, linkFunctions } from './links.ts';
import { type NodePlan, vxlanPort } from './planned.ts';
import { call } from './script.ts';

/**
 * Open vSwitch, as devstack-gate and zuul-jobs drive it: the same bridges, ports and keys, so that a job which builds them itself
 * finds them there and changes nothing. All of a node is one transaction of its database: there is no half of it.
 *
 * What we made says so in `external-ids:stackgate`. A bridge that was there before us is used and stays.
 */
export function ovsScript(set: string, node: NodePlan, spec: NetworkSpec): string[] {
  const netdev = spec.datapath === 'netdev';
  return [
    `set=${quoted(set)} datapath=${spec.datapath} install=${spec['install-ovs'] ? 1 : ''}`,
    linkFunctions,
    ovsFunctions,
    'sweep_links',
    'start_ovs',
    call('sweep_ovs', ...portsOf(node), ...(netdev ? ['br-phy'] : [])),
    netdev ? call('own_underlay', node.underlay) : 'give_underlay',
    `made=''`,
    ...node.bridges.map(({ name }) => call('unless_there', name)),
    `must vs ${transaction(set, node)} $made`,
    ...node.bridges.map(({ name }) => call('raise', name)),
    ...addressLines(node),
  ];
}

function portsOf(node: NodePlan): string[] {
  const ofBridges = node.bridges.flatMap(({ name, tunnels }) => [name, ...tunnels.map(({ port }) => port)]);
  return [...ofBridges, ...node.patches.flatMap(({ ports }) => ports)];
}

function transaction(set: string, node: NodePlan): string {
  const ours = `external-ids:stackgate=${set}`;
  const port = (bridge: string, name: string, ...settings: string[]) => [
    call('--may-exist add-port', bridge, name),
    call('set Interface', name, ...settings, ours),
  ];
  const steps = node.bridges.flatMap(({ name, mtu, tunnels }) => [
    call('--may-exist add-br', name),
    call('set Interface', name, `mtu_request=${mtu}`),
    ...tunnels.flatMap((tunnel) =>
      port(
        name,
        tunnel.port,
        'type=vxlan',
        `options:key=${tunnel.vni}`,
        `options:local_ip="${tunnel.local}"`,
        `options:remote_ip="${tunnel.remote}"`,
        `options:dst_port=${vxlanPort}`,
      ),
    ),
  ]);
  const patches = node.patches.flatMap(({ bridges, ports: [a, b] }) => [
    ...port(bridges[0], a, 'type=patch', `options:peer=${b}`),
    ...port(bridges[1], b, 'type=patch', `options:peer=${a}`),
  ]);
  return [...steps, ...patches].join(' -- ');
}

export const ovsFunctions = String.raw`
vs() { ovs-vsctl --timeout=30 "$@"; }
ovs_runs() { ovs-appctl --timeout=5 -t ovs-vswitchd version >/dev/null 2>&1; }
mark_of() { vs --if-exists get "$1" "$2" external-ids:stackgate 2>/dev/null | tr -d '"'; }
ours() { vs --bare --columns=name find "$1" 'external_ids:stackgate!=""' 2>/dev/null | grep .; }

install_ovs() {
  [ "$install" ] || fail 'Open vSwitch is not installed, and install-ovs is false'
  export DEBIAN_FRONTEND=noninteractive
  if command -v apt-get >/dev/null; then
    apt-get update -qq >/dev/null 2>&1
    must apt-get install -y -qq --no-install-recommends openvswitch-switch
  elif command -v dnf >/dev/null; then must dnf install -y -q openvswitch
  elif command -v zypper >/dev/null; then must zypper -q -n install openvswitch-switch
  else fail 'Open vSwitch is not installed, and this system has no package manager we know'; fi
}

start_ovs() {
  command -v ovs-vsctl >/dev/null || install_ovs
  ovs_runs && return
  # Their own words come later, if it does not run.
  { systemctl start openvswitch-switch || systemctl start openvswitch ||
    service openvswitch-switch start || /usr/share/openvswitch/scripts/ovs-ctl start; } >/dev/null 2>&1
  ovs_runs || fail "Open vSwitch does not start: $(tail -n 1 /var/log/openvswitch/ovs-vswitchd.log 2>/dev/null)"
}

# sweep_ovs NAME...: removes bridges and ports of ours that another set left, or that are not among NAME.
sweep_ovs() {
  local name
  for name in $(ours Bridge); do
    case " $* " in *" $name "*) [ "$(mark_of Bridge "$name")" != "$set" ] || continue ;; esac
    [ "$name" != br-phy ] || continue
    must vs --if-exists del-br "$name"
  done
  for name in $(ours Interface); do
    case " $* " in *" $name "*) [ "$(mark_of Interface "$name")" != "$set" ] || continue ;; esac
    must vs --if-exists del-port "$name"
  done
}

# unless_there BRIDGE: it will be ours if it is not there yet.
unless_there() {
  if vs br-exists "$1"; then
    [ "$(mark_of Bridge "$1")" ] || keep_mtu "$1"
    return
  fi
  made="$made -- set Bridge $1 datapath_type=$datapath external-ids:stackgate=$set"
}

raise() {
  [ -e "/sys/class/net/$1" ] || fail "Open vSwitch made no interface $1: does the kernel have openvswitch (modprobe openvswitch)? If not, use datapath netdev"
  must ip link set dev "$1" up
}

# move FROM TO: addresses and routes. An address is on both before it leaves the one, and a route is replaced where it stands:
# whatever ends this half way, the node is reached, and the next run moves the rest. Nobody's hanging up ends it.
move() {
  local address route addresses routes lost=''
  trap '' HUP INT TERM PIPE
  addresses=$(ip -o address show dev "$1" scope global | awk '{ print $4 }')
  routes=$(routes_of "$1")
  ip link set dev "$2" up
  for address in $addresses; do
    case $address in
      *:*) ip address replace "$address" dev "$2" nodad ;;
      *) ip address replace "$address" dev "$2" ;;
    esac || fail "cannot give $2 the address $address"
  done
  while read -r route; do
    # A route's words are words.
    [ -z "$route" ] || ip route replace $route dev "$2" || lost="$lost, $route"
  done <<<"$routes"
  [ -z "$lost" ] || fail "cannot lead over $2 what went over $1: $(printf %s "$lost" | cut -c 3-)"
  ip address flush dev "$1" scope global
  trap - HUP INT TERM PIPE
}

# routes_of LINK: without those that come with its addresses or from its router, and without what is only their state.
routes_of() {
  { ip -4 route show dev "$1"; ip -6 route show dev "$1"; } |
    grep -v -e 'proto kernel' -e 'proto ra' -e '^fe80' | sed -E 's/ (linkdown|dead)\b//g'
}

# own_underlay ADDRESS: the userspace datapath sends tunnels only over bridges of its own, so the address goes to br-phy.
own_underlay() {
  local link mac mtu
  link=$(ip -o address show to "$1" | awk '{ print $2; exit }')
  [ "$link" ] || fail "no interface has the address $1"
  if [ "$link" = br-phy ]; then
    # One that was there before us stays what it is.
    [ -z "$(mark_of Bridge br-phy)" ] || must vs set Bridge br-phy "external-ids:stackgate=$set"
    return
  fi
  mac=$(cat "/sys/class/net/$link/address") mtu=$(cat "/sys/class/net/$link/mtu")
  must vs --may-exist add-br br-phy -- set Bridge br-phy datapath_type=netdev "other-config:hwaddr=\"$mac\"" \
    "external-ids:stackgate=$set" "external-ids:stackgate-link=$link" -- set Interface br-phy "mtu_request=$mtu" \
    -- --may-exist add-port br-phy "$link"
  move "$link" br-phy
}

# give_underlay: the way back. The link stays a port of the bridge until nothing needs the bridge.
give_underlay() {
  local link
  [ "$(mark_of Bridge br-phy)" ] || return 0
  link=$(vs get Bridge br-phy external-ids:stackgate-link | tr -d '"')
  trap '' HUP INT TERM PIPE
  move br-phy "$link"
  must vs del-br br-phy
}
`.trim();
