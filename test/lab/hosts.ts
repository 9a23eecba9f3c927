import { generateKeyPairSync } from 'node:crypto';
import ssh2 from 'ssh2';
import type { NetworkSpec } from '../../jobs/definition/network.ts';
import type { NodeSet, SetMember } from '../../nodepool/nodeset.ts';
import type { RunResult } from '../../nodepool/remote.ts';
import { NodeConnection } from '../../nodepool/ssh/connection.ts';
import { type Lab, type LabNode, openLab } from './lab.ts';

/** A lab whose hosts can be logged in to. */
export interface Hosts extends AsyncDisposable {
  readonly lab: Lab;
  /** PEM of the key that every host lets in as root and as `zuul`. */
  readonly key: string;
  /** Boots hosts and connects to them; the first is the primary. */
  boot(...names: string[]): Promise<Host[]>;
}

export interface Host {
  readonly name: string;
  readonly node: LabNode;
  /** As zuul, who may sudo. */
  readonly remote: NodeConnection;
  /** Runs a script as root and answers what it said; throws when it failed. */
  sh(script: string): Promise<string>;
}

const deadline = 30_000;

export async function openHosts(): Promise<Hosts> {
  const { privateKey: key } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'pkcs1', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
  });
  const parsed = ssh2.utils.parseKey(key);
  if (parsed instanceof Error) throw parsed;
  const lab = await openLab({ authorizedKeys: `ssh-rsa ${parsed.getPublicSSH().toString('base64')} lab\n` });
  const connections: NodeConnection[] = [];
  return {
    lab,
    key,
    boot: async (...names) =>
      await Promise.all(
        names.map(async (name) => {
          await lab.boot({ node: name, name });
          const node = await lab.up(name);
          const to = (user: string) => {
            const door = { address: node.address, port: 22, user, key, hostKeys: node.hostKeys };
            // Here whoever does not answer is dead.
            const target = { ...door, connectDeadline: 10_000, keepalive: 2000 };
            const connection = new NodeConnection(target);
            connections.push(connection);
            return connection;
          };
          const root = to('root');
          return {
            name,
            node,
            remote: to(lab.user),
            sh: async (script) => heard(name, await run(root, script)),
          };
        }),
      ),
    async [Symbol.asyncDispose]() {
      for (const connection of connections) await connection[Symbol.asyncDispose]();
      await lab[Symbol.asyncDispose]();
    },
  };
}

function run(remote: NodeConnection, script: string): Promise<RunResult> {
  return remote.run(script, { signal: AbortSignal.timeout(deadline), deadline });
}

function heard(name: string, { code, stdout, stderr }: RunResult): string {
  if (code !== 0) throw new Error(`${name}: exit ${code}: ${stderr}${stdout}`);
  return stdout.trim();
}

export function setOf(id: string, hosts: readonly Host[], network?: NetworkSpec, ready?: string): NodeSet {
  const members = hosts.map(
    ({ name, node, remote }, index): SetMember => ({
      name,
      role: index === 0 ? 'primary' : 'sub',
      address: node.address,
      uuid: `uuid-of-${name}`,
      provider: 'lab',
      region: "Bob's region",
      zone: 'nova',
      remote,
    }),
  );
  return { id, user: 'zuul', members, network, ready };
}

/** Everything of a host that joining could change; the order is the kernel's. */
export function stateOf(host: Host): Promise<string> {
  return host.sh(String.raw`
    ip -o link | sed 's/ qdisc.*//; s/^[0-9]*: //; s/<[^>]*>//'
    ip -o -4 address | sed 's/^[0-9]*: //'
    ip -o -6 address | sed 's/^[0-9]*: //' | grep -v fe80
    ip route | sed "s/ linkdown//"
    iptables -S; ip6tables -S
    cat /etc/hosts /etc/ssh/ssh_known_hosts 2>/dev/null
    find /etc/nodepool /home/zuul /root -type f -not -name .lesshst 2>/dev/null | sort | xargs md5sum
    [ ! -S /var/run/openvswitch/db.sock ] || ovs-vsctl --timeout=5 --bare --columns=name list Bridge | sort`);
}
