import type { BridgePlan, NodePlan } from './planned.ts';
import { call } from './script.ts';

/**
 * What both drivers do to links of the kernel. Ours carry a group number from the moment they are made (the kernel sets it in
 * the same call), so that whatever dies, they are found again; their alias, set last, says which node set made them and how.
 */

/** `SG`. */
const group = 0x5347;

export const linkFunctions = String.raw`
owned() { [ "$(cat "/sys/class/net/$1/netdev_group" 2>/dev/null)" = ${group} ]; }
alias_of() { cat "/sys/class/net/$1/ifalias" 2>/dev/null; }

# sweep_links NAME...: removes links of ours that another set left, or that are not among NAME.
sweep_links() {
  local name wanted
  for name in $(ls /sys/class/net); do
    wanted=''
    owned "$name" || continue
    case "$(alias_of "$name")" in "stackgate $set "*) case " $* " in *" $name "*) wanted=1 ;; esac ;; esac
    # A veth goes with its peer.
    [ "$wanted" ] || [ ! -e "/sys/class/net/$name" ] || must ip link delete dev "$name"
  done
}

# made NAME SIGNATURE COMMAND...: makes the link unless it is there as wanted; a half-made one is made again.
made() {
  local name=$1 want="stackgate $set $2"
  shift 2
  if [ -e "/sys/class/net/$name" ]; then
    owned "$name" || fail "$name is there already, and it is none of ours"
    [ "$(alias_of "$name")" != "$want" ] || return 0
    must ip link delete dev "$name"
  fi
  must "$@"
  must ip link set dev "$name" alias "$want"
}

# keep_mtu LINK: notes the MTU of a link that is not ours, before we change it; restore_mtu gives it back.
keep_mtu() {
  [ "$(alias_of "$1")" ] || must ip link set dev "$1" alias "stackgate-mtu $(cat "/sys/class/net/$1/mtu")"
}
restore_mtu() {
  local name
  for name in $(ls /sys/class/net); do
    case "$(alias_of "$name")" in
      'stackgate-mtu '*) must ip link set dev "$name" mtu "$(alias_of "$name" | cut -d' ' -f2)" alias '' ;;
    esac
  done
}

# probe BRIDGE ADDRESS: a link-local address that siblings may ping.
probe() {
  if [ "$(cat "/proc/sys/net/ipv6/conf/$1/disable_ipv6" 2>/dev/null || echo 1)" != 0 ]; then
    echo "no-probe $1"
    return
  fi
  must ip -6 address replace "$2/64" dev "$1" nodad
}
`.trim();

/** Addresses of a node's bridges, which are up by then. */
export function addressLines(node: NodePlan): string[] {
  return node.bridges.map((bridge) =>
    bridge.address === undefined
      ? call('probe', bridge.name, bridge.probe)
      : call('must ip -4 address replace', bridge.address, 'dev', bridge.name),
  );
}

/** For bridges that were there before us and stay. */
export function withoutAddress(bridge: BridgePlan): string {
  const cidr = bridge.address ?? `${bridge.probe}/64`;
  return `${call('ip address del', cidr, 'dev', bridge.name)} 2>/dev/null`;
}

export { group as linkGroup };
