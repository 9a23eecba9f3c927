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
export type Chain = 'siblings' | 'overlay';

export function openFirewall(chain: Chain, openings: readonly Opening[]): string[] {
  const rules = openings.map((opening) => rulesOf(`stackgate-${chain}`, opening));
  return [
    firewallFunctions,
    call('fill', 'iptables', chain, [...new Set(rules.flatMap(({ v4 }) => v4))].join('\n')),
    call('fill', 'ip6tables', chain, [...new Set(rules.flatMap(({ v6 }) => v6))].join('\n')),
  ];
}

export function closeFirewall(chain: Chain): string[] {
  return [firewallFunctions, call('drop', 'iptables', chain), call('drop', 'ip6tables', chain)];
}

function rulesOf(chain: string, opening: Opening): { v4: string[]; v6: string[] } {
  switch (opening.kind) {
    case 'sibling':
      return byFamily(opening.from, `-A ${chain} -s ${opening.from} -j ACCEPT`);
    case 'tunnel':
      return byFamily(opening.from, `-A ${chain} -s ${opening.from} -p udp --dport ${vxlanPort} -j ACCEPT`);
    case 'overlay':
      return byFamily(opening.range, `-A ${chain} -s ${opening.range} -d ${opening.range} -j ACCEPT`);
    case 'bridge': {
      const passing = `-A ${chain}-fwd -i ${opening.name} -o ${opening.name} -j ACCEPT`;
      // Neighbours are found, and link-local probes answered, by ICMPv6.
      return { v4: [passing], v6: [passing, `-A ${chain} -i ${opening.name} -p ipv6-icmp -j ACCEPT`] };
    }
    default:
      return unreachable(opening);
  }
}

function byFamily(address: string, rule: string): { v4: string[]; v6: string[] } {
  return isIPv6(address) ? { v4: [], v6: [rule] } : { v4: [rule], v6: [] };
}

const firewallFunctions = String.raw`
# fill TOOL CHAIN RULES: what our chains hold from now on.
fill() {
  local chain=stackgate-$2 attempt
  if ! command -v "$1" >/dev/null; then
    [ -z "$3" ] || echo "no-firewall $1"
    return
  fi
  for attempt in 1 2 3 4 5 6 7 8; do
    printf '*filter\n:%s - [0:0]\n:%s-fwd - [0:0]\n%s\nCOMMIT\n' "$chain" "$chain" "$3" |
      "$1-restore" --noflush 2>/dev/null && break
    # Somebody else holds the lock, or this family does not exist here.
    [ "$attempt" != 8 ] || { echo "no-firewall $1"; return; }
    sleep 0.2
  done
  "$1" -w -C INPUT -j "$chain" 2>/dev/null || must "$1" -w -I INPUT 1 -j "$chain"
  "$1" -w -C FORWARD -j "$chain-fwd" 2>/dev/null || must "$1" -w -I FORWARD 1 -j "$chain-fwd"
}

# drop TOOL CHAIN
drop() {
  command -v "$1" >/dev/null || return 0
  drop_chain "$1" INPUT "stackgate-$2"
  drop_chain "$1" FORWARD "stackgate-$2-fwd"
}
drop_chain() {
  "$1" -w -n -L "$3" >/dev/null 2>&1 || return 0
  while "$1" -w -D "$2" -j "$3" 2>/dev/null; do :; done
  must "$1" -w -F "$3"
  must "$1" -w -X "$3"
}
`.trim();
