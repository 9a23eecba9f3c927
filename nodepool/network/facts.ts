import { call } from './script.ts';

/** What must be known of a node before anything is planned, read from itself over the connection we trust. */
export interface NodeFacts {
  readonly hostname: string;
  /** Bytes. */
  readonly mtu: number;
  /** `ssh-ed25519 AAAA...` */
  readonly hostKeys: readonly string[];
  /** Commands that are needed and not there. */
  readonly missing: readonly string[];
}

/**
 * The MTU is that of the smallest real interface (a permanent address: `addr_assign_type` 0), as in devstack-gate and zuul-jobs,
 * which our own bridges never are; and of the one that carries the underlay address, which may be a bond, a VLAN or virtual.
 */
export function factsScript(underlay: string): string[] {
  return [factsFunctions, call('facts', underlay)];
}

const factsFunctions = String.raw`
facts() {
  local link path carrier file command
  carrier=$(ip -o address show to "$1" 2>/dev/null | awk '{ print $2; exit }')
  for link in $(ls /sys/class/net); do
    path=/sys/class/net/$link
    [ "$(cat "$path/type" 2>/dev/null)" = 1 ] || continue
    [ "$(cat "$path/addr_assign_type")" = 0 ] || [ "$link" = "$carrier" ] || continue
    echo "mtu $(cat "$path/mtu")"
  done
  [ "$carrier" ] || echo "missing-address $1"
  for file in /etc/ssh/ssh_host_*_key.pub; do
    [ -r "$file" ] && echo "key $(cut -d' ' -f1,2 "$file")"
  done
  for command in ip ping awk; do command -v "$command" >/dev/null || echo "missing $command"; done
  echo "hostname $(cat /proc/sys/kernel/hostname)"
}
`.trim();

export function readFacts(said: string): NodeFacts | undefined {
  const of = (word: string) =>
    said
      .split('\n')
      .filter((line) => line.startsWith(`${word} `))
      .map((line) => line.slice(word.length + 1).trim());
  const [hostname] = of('hostname').filter((name) => /^[A-Za-z0-9]([A-Za-z0-9.-]{0,252})$/.test(name));
  const mtus = of('mtu').map(Number).filter(Number.isInteger);
  if (hostname === undefined || mtus.length === 0) return undefined;
  const hostKeys = of('key').filter((key) => /^[a-z0-9@.-]+ [A-Za-z0-9+/=]+$/.test(key));
  return { hostname, mtu: Math.min(...mtus), hostKeys, missing: of('missing') };
}
