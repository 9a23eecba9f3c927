import { isIPv4 } from 'node:net';
import type { BridgePlan, NetworkPlan, NodePlan } from './plan.ts';
import { call } from './script.ts';

/**
 * The proof before the job starts: every node pings every other one on every bridge with packets that fill the overlay's MTU
 * and may not be taken apart. What fails is told apart: the underlay, the overlay, or its size.
 */
export function checkScript(plan: NetworkPlan, node: NodePlan, unprobed: ReadonlySet<string>): string[] {
  const reaches = pairs(plan, node, unprobed).map(({ bridge, sibling }) => `${reach(bridge, sibling)} &`);
  return [checkFunctions, ...reaches, 'wait'];
}

function reach(bridge: BridgePlan, sibling: NodePlan): string {
  const headers = isIPv4(bridge.probe) ? 28 : 48;
  return call('reach', bridge.name, sibling.name, bridge.probe, bridge.mtu - headers, sibling.underlay);
}

/** Seconds until a path that does not carry is given up. */
const patience = 6;

const checkFunctions = String.raw`
# reach BRIDGE NODE ADDRESS SIZE UNDERLAY
reach() {
  local end=$((SECONDS + ${patience}))
  while :; do
    ping -n -q -c 1 -W 1 -M do -s "$4" -I "$1" "$3" >/dev/null 2>&1 && { echo "reached $1 $2"; return; }
    [ "$SECONDS" -lt "$end" ] || break
    sleep 0.1
  done
  if ping -n -q -c 2 -W 1 -I "$1" "$3" >/dev/null 2>&1; then echo "size $1 $2"
  elif ping -n -q -c 2 -W 1 "$5" >/dev/null 2>&1; then echo "overlay $1 $2"
  else echo "underlay $1 $2"; fi
}
`.trim();

/** What one node's check found, as a sentence; undefined when it reached everybody. */
export function judgeCheck(
  plan: NetworkPlan,
  node: NodePlan,
  unprobed: ReadonlySet<string>,
  said: string,
): string | undefined {
  const lines = new Set(said.split('\n'));
  for (const { bridge, sibling } of pairs(plan, node, unprobed)) {
    const verdict = (word: string) => lines.has(`${word} ${bridge.name} ${sibling.name}`);
    if (verdict('reached')) continue;
    if (verdict('size')) {
      return (
        `${bridge.name}: small packets reach ${sibling.name}, packets of ${bridge.mtu} bytes do not: ` +
        'the network between the nodes carries less than its interfaces say; give the set a smaller mtu'
      );
    }
    if (verdict('overlay')) {
      return (
        `${bridge.name}: ${sibling.name} does not answer over the tunnel although ${sibling.underlay} answers: ` +
        'UDP 4789 between the nodes must be open (security groups, firewalls)'
      );
    }
    if (verdict('underlay')) {
      return `${bridge.name}: ${sibling.name} does not answer, neither over the tunnel nor at ${sibling.underlay}`;
    }
    return `${bridge.name}: the check of ${sibling.name} was cut short`;
  }
  return undefined;
}

/** Each bridge of each sibling that can be pinged. */
function pairs(plan: NetworkPlan, node: NodePlan, unprobed: ReadonlySet<string>) {
  return plan.nodes
    .filter(({ name }) => name !== node.name)
    .flatMap((sibling) => sibling.bridges.map((bridge) => ({ sibling, bridge })))
    .filter(({ bridge }) => bridge.address !== undefined || !unprobed.has(bridge.name));
}
