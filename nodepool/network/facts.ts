import { call } from './script.ts';

/** What must be known of a node before anything is planned, read from itself over the connection we trust. */
export interface NodeFacts {
  readonly hostname: string;
  /** Bytes. */
  readonly mtu: number;
  /** `ssh-ed25519 AAAA...` */
  readonly hostKeys: readonly string[];
  /** An interface of its own has the underlay address. Not so behind NAT, where tunnels cannot end. */
  readonly hasUnderlay: boolean;
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
  local link path carrier way file command
  carrier=$(ip -o address show to "$1" 2>/dev/null | awk '{ print $2; exit }')
  # Behind NAT no interface has it; then the one that leads out.
  way=$carrier
  [ "$way" ] || way=$(ip -o route show default | sed -n 's/.* dev \([^ ]*\).*/\1/p' | head -n 1)
  for link in $(ls /sys/class/net); do
    path=/sys/class/net/$link
    [ "$(cat "$path/type" 2>/dev/null)" = 1 ] || continue
    [ "$(cat "$path/addr_assign_type")" = 0 ] || [ "$link" = "$way" ] || continue
    echo "mtu $(cat "$path/mtu")"
  done
  echo "carrier $carrier"
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
  const hasUnderlay = of('carrier').some((name) => name !== '');
  return { hostname, mtu: Math.min(...mtus), hostKeys, hasUnderlay, missing: of('missing') };
}
