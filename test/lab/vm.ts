import type { Host } from './hosts.ts';

/**
 * A "VM" on a lab node: a namespace with its own interfaces and host name and an sshd, plugged into a bridge where nova or neutron
 * would plug a guest's port, with an address of the floating range.
 */
export interface Vm {
  readonly host: Host;
  readonly name: string;
  readonly address: string;
  /** A command that logs in to it and answers its name. */
  readonly ssh: string;
  detach(): Promise<void>;
}

export async function attachVm(
  host: Host,
  key: string,
  { bridge, index, driver }: { bridge: string; index: number; driver?: 'ovs' | 'linux' | undefined },
): Promise<Vm> {
  const name = `vm-${index + 1}`;
  const address = `172.24.5.${index + 11}`;
  const plug =
    driver === 'linux'
      ? `ip link set dev vmport mtu 1450 master ${bridge} up`
      : `ip link set dev vmport mtu 1450 up; ovs-vsctl --timeout=10 add-port ${bridge} vmport`;
  await host.sh(`set -e
    umask 077
    cat >/root/lab_key <<'KEY'
${key}KEY
    ip netns add vm
    ip link add vmport type veth peer name eth0 netns vm
    # What a virtio card of a userspace switch does: checksums are filled in.
    ip netns exec vm ethtool -K eth0 tx off >/dev/null
    ip netns exec vm ip link set dev lo up
    ip netns exec vm ip link set dev eth0 mtu 1450 up
    ip netns exec vm ip address add ${address}/23 dev eth0
    ${plug}
    ip netns exec vm unshare --uts sh -c 'hostname ${name}; exec /usr/sbin/sshd -o PidFile=/run/vm.pid' >/dev/null 2>&1
    for attempt in $(seq 100); do [ ! -s /run/vm.pid ] || break; sleep 0.05; done`);
  const options =
    '-o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o ConnectTimeout=10';
  return {
    host,
    name,
    address,
    ssh: `ssh -q ${options} -i /root/lab_key root@${address} cat /proc/sys/kernel/hostname`,
    async detach() {
      const unplug = driver === 'linux' ? '' : `ovs-vsctl --timeout=10 del-port ${bridge} vmport;`;
      await host.sh(
        `kill "$(cat /run/vm.pid)"; ${unplug} ip link del vmport; ip netns del vm; rm -f /root/lab_key`,
      );
    },
  };
}

export function fromVm(host: Host, script: string): Promise<string> {
  return host.sh(`ip netns exec vm sh -euc '${script}'`);
}
