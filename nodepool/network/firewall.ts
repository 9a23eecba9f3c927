import { isIPv6 } from 'node:net';
import { unreachable } from '../../pipelines/unreachable.ts';
import { type Opening, vxlanPort } from './planned.ts';
import { call } from './script.ts';

/**
 * Openings in the firewall of a node, told apart from everybody else's rules and removed as a whole. As in the ready script of
 * OpenStack's CI and in zuul-jobs' multi-node-firewall, siblings may send each other everything. Whatever firewalls there are:
 *
 * - iptables: chains of our own that stand first in INPUT and FORWARD, filled in one transaction.
 * - nftables: rules at the head of everybody's own base chains, with a comment of ours. A table of our own would open nothing, for
 *   there an accept ends one chain and a later drop of another table still holds.
 * - firewalld, while it runs: siblings, the overlay's range and its bridges in its zone `trusted`, until the next reload or restart.
 *
 * A node without any of them has no firewall that this trade's images would have set.
 */
export type Chain = 'siblings' | 'overlay';

export function openFirewall(chain: Chain, openings: readonly Opening[]): string[] {
  const rules = openings.map((opening) => rulesOf(`stackgate-${chain}`, opening));
  const of = (kind: keyof Rules) => [...new Set(rules.flatMap((each) => each[kind]))].join('\n');
  return [
    firewallFunctions,
    call('fill', 'iptables', chain, of('v4')),
    call('fill', 'ip6tables', chain, of('v6')),
    call('nft_fill', chain, of('nft')),
    call('zone_fill', chain, of('zone')),
  ];
}

export function closeFirewall(chain: Chain): string[] {
  return [
    firewallFunctions,
    call('drop', 'iptables', chain),
    call('drop', 'ip6tables', chain),
    call('nft_fill', chain, ''),
    call('zone_fill', chain, ''),
  ];
}

interface Rules {
  readonly v4: string[];
  readonly v6: string[];
  /** `HOOK FAMILY EXPRESSION`; family `ip`, `ip6` or `any`. */
  readonly nft: string[];
  /** `source ADDRESS` or `interface NAME` that is trusted. */
  readonly zone: string[];
}

function rulesOf(chain: string, opening: Opening): Rules {
  switch (opening.kind) {
    case 'sibling':
      return from(opening.from, chain, `-s ${opening.from}`, (ip) => `${ip} saddr ${opening.from}`, [
        `source ${opening.from}`,
      ]);
    case 'tunnel':
      // For firewalld its sender is a sibling, which is trusted already.
      return from(
        opening.from,
        chain,
        `-s ${opening.from} -p udp --dport ${vxlanPort}`,
        (ip) => `${ip} saddr ${opening.from} udp dport ${vxlanPort}`,
        [],
      );
    case 'overlay':
      return from(
        opening.range,
        chain,
        `-s ${opening.range} -d ${opening.range}`,
        (ip) => `${ip} saddr ${opening.range} ${ip} daddr ${opening.range}`,
        [`source ${opening.range}`],
      );
    case 'bridge': {
      const { name } = opening;
      const passing = `-A ${chain}-fwd -i ${name} -o ${name} -j ACCEPT`;
      // Neighbours are found, and link-local probes answered, by ICMPv6.
      return {
        v4: [passing],
        v6: [passing, `-A ${chain} -i ${name} -p ipv6-icmp -j ACCEPT`],
        nft: [
          `forward any iifname "${name}" oifname "${name}" accept`,
          `input ip6 iifname "${name}" meta l4proto ipv6-icmp accept`,
        ],
        zone: [`interface ${name}`],
      };
    }
    default:
      return unreachable(opening);
  }
}

function from(
  address: string,
  chain: string,
  match: string,
  nft: (ip: 'ip' | 'ip6') => string,
  zone: string[],
): Rules {
  const is6 = isIPv6(address.replace(/\/.*/, ''));
  const rule = `-A ${chain} ${match} -j ACCEPT`;
  const ip = is6 ? 'ip6' : 'ip';
  return { v4: is6 ? [] : [rule], v6: is6 ? [rule] : [], nft: [`input ${ip} ${nft(ip)} accept`], zone };
}

const firewallFunctions = String.raw`
# zoned: firewalld runs. Asking it costs half a second, so it is looked for first.
zoned() { grep -qx firewalld /proc/[0-9]*/comm 2>/dev/null && firewall-cmd --state >/dev/null 2>&1; }

# fill TOOL CHAIN RULES: what our chains hold from now on.
fill() {
  local chain=stackgate-$2 attempt
  if ! command -v "$1" >/dev/null; then
    [ -z "$3" ] || command -v nft >/dev/null || zoned || echo "no-firewall $1"
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

# nft_chains: HOOK FAMILY TABLE CHAIN of everybody's base chains, less those of iptables, which have their openings, and of firewalld.
nft_chains() {
  local iptables
  iptables=$(command -v iptables)
  nft -nn list chains 2>/dev/null | awk -v iptables="$iptables" '
    $1 == "table" { family = $2; table = $3 }
    $1 == "chain" { chain = $2 }
    $1 == "type" && $2 == "filter" && ($4 == "input" || $4 == "forward") {
      if (family != "ip" && family != "ip6" && family != "inet") next
      if (table == "firewalld") next
      if (iptables != "" && family != "inet" && table == "filter" && (chain == "INPUT" || chain == "FORWARD")) next
      print $4, family, table, chain
    }'
}

# nft_fill CHAIN RULES: what stands at the head of base chains from now on, in one transaction.
nft_fill() {
  local hook family table chain wanted fits expression
  command -v nft >/dev/null || return 0
  nft_chains | while read -r hook family table chain; do
    nft -a list chain "$family" "$table" "$chain" 2>/dev/null |
      sed -n "s/.* comment \"stackgate-$1\" # handle \([0-9]*\)\$/delete rule $family $table $chain handle \1/p"
    printf '%s\n' "$2" | while read -r wanted fits expression; do
      [ "$wanted" = "$hook" ] || continue
      [ "$fits" = any ] || [ "$family" = inet ] || [ "$fits" = "$family" ] || continue
      printf 'insert rule %s %s %s %s comment "stackgate-%s"\n' "$family" "$table" "$chain" "$expression" "$1"
    done
  done >"/run/stackgate-nft-$1"
  if [ -s "/run/stackgate-nft-$1" ]; then
    nft -f "/run/stackgate-nft-$1" 2>/dev/null || echo "no-firewall nft"
  fi
  rm -f "/run/stackgate-nft-$1"
}

# zone_fill CHAIN RULES: what firewalld trusts because of us from now on; what others gave it is left alone.
zone_fill() {
  local file=/run/stackgate-zone-$1 kind what
  zoned || { rm -f "$file"; return; }
  [ ! -e "$file" ] || while read -r kind what; do
    printf '%s\n' "$2" | grep -qxF "$kind $what" ||
      firewall-cmd -q --zone=trusted "--remove-$kind=$what" 2>/dev/null
  done <"$file"
  printf '%s\n' "$2" | while read -r kind what; do
    [ "$kind" ] || continue
    if [ -e "$file" ] && grep -qxF "$kind $what" "$file"; then echo "$kind $what"; fi
    firewall-cmd -q --zone=trusted "--query-$kind=$what" 2>/dev/null && continue
    if firewall-cmd -q --zone=trusted "--add-$kind=$what" 2>/dev/null; then echo "$kind $what"
    else echo "no-firewall firewalld"; fi
  done | sort -u >"$file.new"
  grep '^no-firewall ' "$file.new"
  grep -v '^no-firewall ' "$file.new" >"$file"
  rm -f "$file.new"
  [ -s "$file" ] || rm -f "$file"
}
`.trim();
