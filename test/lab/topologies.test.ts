import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type NetworkSpec, networkSpec, type Topology } from '../../jobs/definition/network.ts';
import { joinNodes, partNodes } from '../../nodepool/group.ts';
import { tunnelLink } from '../../nodepool/network/plan.ts';
import { type NodePlan } from '../../nodepool/network/planned.ts';
import { type Host, type Hosts, openHosts, setOf, stateOf } from './hosts.ts';
import { labMissing } from './missing.ts';
import { attachVm, fromVm, type Vm } from './vm.ts';

const missing = labMissing();
if (missing !== undefined) console.log(`skipped: ${missing}`);

const drivers: { readonly name: string; readonly spec: Partial<NetworkSpec> }[] = [
  { name: 'Linux bridges', spec: { driver: 'linux' } },
  { name: 'Open vSwitch', spec: { driver: 'ovs', datapath: 'netdev' } },
];

const topologies: {
  readonly title: string;
  readonly topology: Topology;
  readonly nodes: number;
  readonly more?: Partial<NetworkSpec>;
  /** Bridges of every node. */
  readonly bridges: readonly string[];
  /** VNIs on the primary. */
  readonly vnis: readonly number[];
  /** Where guests are plugged in, and where the node has its address. */
  readonly guests?: string;
  readonly addressed?: string;
}[] = [
  { title: 'single neutron', topology: 'neutron', nodes: 1, bridges: [], vnis: [] },
  {
    title: 'single nova-net',
    topology: 'nova-net',
    nodes: 1,
    bridges: ['br_pub', 'br_flat'],
    vnis: [],
    addressed: 'br_pub',
  },
  {
    title: 'nova-net',
    topology: 'nova-net',
    nodes: 3,
    bridges: ['br_pub', 'br_flat'],
    vnis: [1000002, 1000003, 1000129, 1000130],
    addressed: 'br_pub',
    guests: 'br_pub',
  },
  { title: 'neutron', topology: 'neutron', nodes: 2, bridges: [], vnis: [] },
  {
    title: 'neutron with overlay',
    topology: 'neutron',
    nodes: 2,
    more: { overlay: true },
    bridges: ['br-ex'],
    vnis: [1000002],
    addressed: 'br-ex',
    guests: 'br-ex',
  },
  {
    title: 'dvr',
    topology: 'dvr',
    nodes: 2,
    bridges: ['br-ex'],
    vnis: [1000002],
    addressed: 'br-ex',
    guests: 'br-ex',
  },
  {
    title: 'dvr-ha',
    topology: 'dvr-ha',
    nodes: 3,
    bridges: ['br-ex'],
    vnis: [1000002, 1000003],
    addressed: 'br-ex',
    guests: 'br-ex',
  },
  {
    title: 'br-infra',
    topology: 'br-infra',
    nodes: 2,
    bridges: ['br-infra', 'br-ex'],
    vnis: [1000002],
    addressed: 'br-infra',
    guests: 'br-ex',
  },
];

describe.skipIf(missing !== undefined).each(drivers)('$name', ({ name: driver, spec }) => {
  let hosts: Hosts;
  beforeAll(async () => {
    hosts = await openHosts();
  });
  afterAll(async () => {
    await hosts?.[Symbol.asyncDispose]();
  });

  it.each(topologies)('carries $title on $nodes node(s)', async (given) => {
    const { title, topology, nodes, more, bridges, vnis, addressed, guests } = given;
    const prefix = title.replaceAll(/[^a-z]/g, '');
    const names = ['primary', 'subnode-2', 'subnode-3'].slice(0, nodes).map((name) => `${prefix}-${name}`);
    const members = await hosts.boot(...names);
    const [primary] = members;
    if (primary === undefined) throw new Error('no primary');
    if (spec.driver === 'ovs') await Promise.all(members.map(startOvs));
    const before = await Promise.all(members.map(stateOf));
    const set = setOf(`set-${prefix}`, members, networkSpec(topology, { ...spec, ...more }));

    const joined = await joinNodes(set, AbortSignal.timeout(40_000));
    if (joined.kind !== 'joined') throw new Error(JSON.stringify(joined));
    expect(joined.remarks).toEqual([]);
    if (nodes === 3) console.log(`${driver}: ${title} on 3 nodes joined and verified in ${joined.took} ms`);
    for (const [index, host] of members.entries()) {
      const plan = joined.plan.nodes[index];
      if (plan === undefined) throw new Error('no plan');
      expect(plan.bridges.map(({ name }) => name)).toEqual(bridges);
      if (addressed !== undefined) {
        expect(await host.sh(`ip -o -4 address show dev ${addressed} | awk '{ print $4 }'`)).toBe(
          `172.24.4.${index + 1}/23`,
        );
      }
      for (const bridge of bridges) {
        expect(await host.sh(`cat /sys/class/net/${bridge}/mtu`)).toBe('1450');
        if (bridge !== addressed) expect(await host.sh(`ip -o -4 address show dev ${bridge}`)).toBe('');
      }
    }
    const [first] = joined.plan.nodes;
    if (first === undefined) throw new Error('no plan');
    expect(await vnisOn(primary, first, spec.driver)).toEqual(vnis);

    // Every member reaches every other one at the full MTU, and not one byte more.
    if (addressed !== undefined) {
      await eachOther(members, async (host, _, index) => {
        await host.sh(`ping -q -c 1 -W 5 -M do -s 1422 172.24.4.${index + 1}`);
        await expect(host.sh(`ping -q -c 1 -W 1 -M do -s 1423 172.24.4.${index + 1}`)).rejects.toThrow(
          'exit 1',
        );
      });
    }

    // Guests behind the bridge of every node: from the test node and from each other, ping at full size and ssh.
    if (guests !== undefined) {
      const vms = await Promise.all(
        members.map((host, index) =>
          attachVm(host, hosts.key, { bridge: guests, index, driver: spec.driver }),
        ),
      );
      const { seen } = await captured(hosts, members[1], 1000002);
      const talk = (vm: Vm) => `ping -q -c 1 -W 5 -M do -s 1422 ${vm.address} >/dev/null && ${vm.ssh}`;
      for (const vm of vms) expect(await primary.sh(talk(vm))).toBe(vm.name);
      await eachOther(vms, async (from, to) => {
        expect(await fromVm(from.host, talk(to))).toBe(to.name);
      });
      expect(await seen).toMatch(/\.4789: VXLAN, flags \[I\] \(0x08\), vni 1000002/);
      await Promise.all(vms.map((vm) => vm.detach()));
    }

    expect(await partNodes(set, AbortSignal.timeout(30_000))).toEqual({ kind: 'parted' });
    expect(await Promise.all(members.map(stateOf))).toEqual(before);
    for (const host of members) await hosts.lab.remove(host.name);
  });
});

/** Every ordered pair of different ones at once; `index` is that of the second. */
async function eachOther<T>(
  all: readonly T[],
  act: (from: T, to: T, index: number) => Promise<void>,
): Promise<void> {
  const pairs = all.flatMap((from) => all.map((to, index) => ({ from, to, index })));
  await Promise.all(
    pairs.filter(({ from, to }) => from !== to).map(({ from, to, index }) => act(from, to, index)),
  );
}

/** As its service does at boot; a node in daily life has it running. */
async function startOvs(host: Host): Promise<void> {
  await host.sh('service openvswitch-switch start >/dev/null 2>&1; ovs-vsctl --timeout=10 show >/dev/null');
}

async function vnisOn(
  host: Host,
  plan: NodePlan,
  driver: NetworkSpec['driver'] | undefined,
): Promise<number[]> {
  const tunnels = plan.bridges.flatMap((bridge) => bridge.tunnels);
  const said = await Promise.all(
    tunnels.map((tunnel) =>
      driver === 'linux'
        ? host.sh(`ip -d link show dev ${tunnelLink(tunnel)} | sed -n 's/.*vxlan id \\([0-9]*\\) .*/\\1/p'`)
        : host.sh(`ovs-vsctl get Interface ${tunnel.port} options:key | tr -d '"'`),
    ),
  );
  return said.map(Number);
}

/** Listens to what passes the lab's switch to one host; `seen` resolves when a packet of the VNI was, or after a while. */
async function captured(
  hosts: Hosts,
  host: Host | undefined,
  vni: number,
): Promise<{ readonly seen: Promise<string> }> {
  const words = ['-l', '-nn', '-i', `port${host?.node.place}`, 'udp port 4789'];
  const child = spawn('nsenter', ['-t', `${hosts.lab.switch}`, '-n', 'tcpdump', ...words], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const seen = new Promise<string>((resolve) => {
    let said = '';
    const timer = setTimeout(() => child.kill(), 30_000);
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString('utf8');
      if (said.includes(`vni ${vni}`)) child.kill();
    });
    child.on('close', () => {
      clearTimeout(timer);
      resolve(said);
    });
  });
  // It says on stderr that it listens.
  await once(child.stderr, 'data');
  return { seen };
}
