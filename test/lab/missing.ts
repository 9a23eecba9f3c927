import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** One line that says how to get what the lab needs and this machine has not; undefined when it can be. */
export function labMissing(): string | undefined {
  if (process.getuid?.() !== 0) return 'the node lab needs root: run it with sudo';
  const needed = {
    ip: 'iproute2',
    unshare: 'util-linux',
    nsenter: 'util-linux',
    sshd: 'openssh-server',
    'ssh-keygen': 'openssh-client',
    ethtool: 'ethtool',
    ping: 'iputils-ping',
    sudo: 'sudo',
    iptables: 'iptables',
    tcpdump: 'tcpdump',
    'ovs-vsctl': 'openvswitch-switch',
  };
  const places = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];
  const missing = Object.entries(needed).filter(
    ([command]) => !places.some((place) => existsSync(join(place, command))),
  );
  const packages = [...new Set(missing.map(([, name]) => name))].join(' ');
  if (packages !== '') return `the node lab needs: apt-get install -y ${packages}`;
  try {
    execFileSync('unshare', ['--mount', '--net', '--pid', '--uts', '--fork', 'true'], { stdio: 'ignore' });
  } catch {
    return 'the node lab needs to make namespaces: give its container --privileged';
  }
  return undefined;
}
