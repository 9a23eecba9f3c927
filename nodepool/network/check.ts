import { isIPv4 } from 'node:net';
import type { BridgePlan, NetworkPlan, NodePlan } from './planned.ts';
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

/** A node of a set that has no overlay, as its siblings reach it. */
export interface Sibling {
  readonly name: string;
  readonly underlay: string;
  /** Of its sshd: what clouds that drop ICMP let through. */
  readonly port: number;
}

/** Without an overlay the network that the nodes came with must carry: everybody is pinged, or else knocked at by TCP. */
export function underlayScript(siblings: readonly Sibling[]): string[] {
  const reaches = siblings.map(({ name, underlay, port }) => `${call('under', name, underlay, port)} &`);
  return [underlayFunctions, ...reaches, 'wait'];
}

const underlayFunctions = String.raw`
# under NODE ADDRESS PORT
under() {
  local end=$((SECONDS + ${patience}))
  while :; do
    ping -n -q -c 1 -W 1 "$2" >/dev/null 2>&1 && { echo "reached $1"; return; }
    timeout 2 bash -c '</dev/tcp/"$0"/"$1"' "$2" "$3" 2>/dev/null && { echo "reached $1"; return; }
    [ "$SECONDS" -lt "$end" ] || break
    sleep 0.1
  done
  echo "silent $1"
}
`.trim();

/** Whom one node did not reach, as a sentence that names both ends; undefined when it reached everybody. */
export function judgeUnderlay(from: Sibling, siblings: readonly Sibling[], said: string): string | undefined {
  const lines = new Set(said.split('\n'));
  const silent = siblings.filter(({ name }) => !lines.has(`reached ${name}`));
  if (silent.length === 0) return undefined;
  const ends = silent
    .map(({ name, underlay, port }) => `${name} at ${underlay} (ping, TCP ${port})`)
    .join(', ');
  return (
    `from ${from.name} at ${from.underlay} no answer comes from ${ends}: ` +
    'nodes of a set must reach each other (security groups, firewalls, routes between their networks)'
  );
}
