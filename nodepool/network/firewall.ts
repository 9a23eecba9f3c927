import { isIPv6 } from 'node:net';
import { unreachable } from '../../pipelines/unreachable.ts';
import { type Opening, vxlanPort } from './plan.ts';
import { call } from './script.ts';

/**
 * Openings in the firewall of a node, in chains of their own that stand first in INPUT and FORWARD: filled in one transaction,
 * told apart from everybody else's rules, and removed as a whole. As in the ready script of OpenStack's CI and in zuul-jobs'
 * multi-node-firewall, siblings may send each other everything.
 *
 * A node without iptables has no firewall that this trade's images would have set; nftables' own tables are left alone.
 */
export function firewallScript(openings: readonly Opening[]): string[] {
  const rules = openings.map(rulesOf);
  return [
    firewallFunctions,
    call('fill', 'iptables', [...new Set(rules.flatMap(({ v4 }) => v4))].join('\n')),
    call('fill', 'ip6tables', [...new Set(rules.flatMap(({ v6 }) => v6))].join('\n')),
  ];
}

function rulesOf(opening: Opening): { v4: string[]; v6: string[] } {
  switch (opening.kind) {
    case 'sibling':
      return byFamily(opening.from, `-A stackgate -s ${opening.from} -j ACCEPT`);
    case 'tunnel':
      return byFamily(opening.from, `-A stackgate -s ${opening.from} -p udp --dport ${vxlanPort} -j ACCEPT`);
    case 'overlay':
      return byFamily(opening.range, `-A stackgate -s ${opening.range} -d ${opening.range} -j ACCEPT`);
    case 'bridge': {
      const passing = `-A stackgate-fwd -i ${opening.name} -o ${opening.name} -j ACCEPT`;
      // Neighbours are found, and link-local probes answered, by ICMPv6.
      return { v4: [passing], v6: [passing, `-A stackgate -i ${opening.name} -p ipv6-icmp -j ACCEPT`] };
    }
    default:
      return unreachable(opening);
  }
}

function byFamily(address: string, rule: string): { v4: string[]; v6: string[] } {
  return isIPv6(address) ? { v4: [], v6: [rule] } : { v4: [rule], v6: [] };
}

const firewallFunctions = String.raw`
# fill TOOL RULES: what our chains hold from now on.
fill() {
  local attempt
  if ! command -v "$1" >/dev/null; then
    [ -z "$2" ] || echo "no-firewall $1"
    return
  fi
  for attempt in 1 2 3 4 5 6 7 8; do
    printf '*filter\n:stackgate - [0:0]\n:stackgate-fwd - [0:0]\n%s\nCOMMIT\n' "$2" | "$1-restore" --noflush 2>/dev/null && break
    # Somebody else holds the lock, or this family does not exist here.
    [ "$attempt" != 8 ] || { echo "no-firewall $1"; return; }
    sleep 0.2
  done
  "$1" -w -C INPUT -j stackgate 2>/dev/null || must "$1" -w -I INPUT 1 -j stackgate
  "$1" -w -C FORWARD -j stackgate-fwd 2>/dev/null || must "$1" -w -I FORWARD 1 -j stackgate-fwd
}
`.trim();

/** Takes the chains away, whoever's they were. */
export const closeFirewall = String.raw`
for tool in iptables ip6tables; do
  command -v "$tool" >/dev/null || continue
  for pair in 'INPUT stackgate' 'FORWARD stackgate-fwd'; do
    set -- $pair
    "$tool" -w -n -L "$2" >/dev/null 2>&1 || continue
    while "$tool" -w -D "$1" -j "$2" 2>/dev/null; do :; done
    must "$tool" -w -F "$2"
    must "$tool" -w -X "$2"
  done
done
`.trim();
