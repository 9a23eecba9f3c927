import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type NetworkSpec, networkSpec, Topology } from '../../jobs/definition/network.ts';
import { planNetwork, tunnelLink } from './plan.ts';
import { type Member, type NetworkPlan } from './planned.ts';

function members(count: number, mtu = 1500): Member[] {
  return Array.from({ length: count }, (_, index) => ({
    name: index === 0 ? 'primary' : `sub-${index}`,
    role: index === 0 ? 'primary' : 'sub',
    underlay: `10.0.${(index + 1) >> 8}.${(index + 1) & 255}`,
    mtu,
  }));
}

function planned(spec: NetworkSpec, given: readonly Member[]): NetworkPlan {
  const result = planNetwork(spec, given);
  if (result.kind === 'refused') throw new Error(result.reason);
  return result.plan;
}

function refusal(spec: NetworkSpec, given: readonly Member[]): string {
  const result = planNetwork(spec, given);
  return result.kind === 'refused' ? result.reason : '';
}

describe('topologies, as in devstack-gate', () => {
  it('nova-net: br_pub with addresses and br_flat without, VNIs from the running number', () => {
    const plan = planned(networkSpec('nova-net'), members(3));
    expect(plan.mtu).toBe(1450);
    expect(plan.nodes.map((node) => node.bridges.map(({ name, address }) => [name, address]))).toEqual([
      [
        ['br_pub', '172.24.4.1/23'],
        ['br_flat', undefined],
      ],
      [
        ['br_pub', '172.24.4.2/23'],
        ['br_flat', undefined],
      ],
      [
        ['br_pub', '172.24.4.3/23'],
        ['br_flat', undefined],
      ],
    ]);
    expect(plan.nodes[0]?.bridges.map(({ tunnels }) => tunnels.map(({ vni, port }) => [port, vni]))).toEqual([
      [
        ['br_pub_10.0.0.2', 1_000_002],
        ['br_pub_10.0.0.3', 1_000_003],
      ],
      [
        ['br_flat_10.0.0.2', 1_000_129],
        ['br_flat_10.0.0.3', 1_000_130],
      ],
    ]);
    expect(plan.nodes[2]?.bridges[0]?.tunnels).toEqual([
      { port: 'br_pub_10.0.0.1', vni: 1_000_003, local: '10.0.0.3', remote: '10.0.0.1' },
    ]);
  });

  it('nova-net on one node has both bridges and no tunnel', () => {
    const [node] = planned(networkSpec('nova-net'), members(1)).nodes;
    expect(node?.bridges.map(({ name, tunnels }) => [name, tunnels.length])).toEqual([
      ['br_pub', 0],
      ['br_flat', 0],
    ]);
  });

  it('neutron: none by default, br-ex when asked, nothing on one node', () => {
    const bridges = (spec: NetworkSpec, count: number) =>
      planned(spec, members(count)).nodes.map((node) => node.bridges.map(({ name }) => name));
    expect(bridges(networkSpec('neutron'), 2)).toEqual([[], []]);
    expect(bridges(networkSpec('neutron', { overlay: true }), 2)).toEqual([['br-ex'], ['br-ex']]);
    expect(bridges(networkSpec('neutron', { overlay: true }), 1)).toEqual([[]]);
  });

  it('dvr: br-ex everywhere, dvr on the primary and dvr_snat on subnodes, the reverse on request', () => {
    const plan = planned(networkSpec('dvr'), members(2));
    expect(plan.nodes.map(({ agentMode }) => agentMode)).toEqual(['dvr', 'dvr_snat']);
    expect(plan.nodes.map(({ bridges }) => bridges.map(({ address }) => address))).toEqual([
      ['172.24.4.1/23'],
      ['172.24.4.2/23'],
    ]);
    const reverse = planned(networkSpec('dvr', { 'agent-modes': 'primary-snat' }), members(2));
    expect(reverse.nodes.map(({ agentMode }) => agentMode)).toEqual(['dvr_snat', 'dvr']);
    const [single] = planned(networkSpec('dvr'), members(1)).nodes;
    expect([single?.agentMode, single?.bridges]).toEqual(['dvr_snat', []]);
  });

  it('dvr-ha: three nodes and two dvr_snat, or a sentence', () => {
    expect(planned(networkSpec('dvr-ha'), members(3)).nodes.map(({ agentMode }) => agentMode)).toEqual([
      'dvr',
      'dvr_snat',
      'dvr_snat',
    ]);
    expect(refusal(networkSpec('dvr-ha'), members(2))).toBe(
      'dvr-ha needs three nodes or more, and this set has 2',
    );
    expect(refusal(networkSpec('dvr-ha', { 'agent-modes': 'primary-snat' }), members(3))).toBe(
      'dvr-ha needs two dvr_snat nodes or more, and agent-modes primary-snat leaves 1: use primary-dvr',
    );
  });

  it('br-infra: the addresses are on br-infra, patched into br-ex', () => {
    const [node] = planned(networkSpec('br-infra'), members(2)).nodes;
    expect(node?.bridges.map(({ name, address, tunnels }) => [name, address, tunnels.length])).toEqual([
      ['br-infra', '172.24.4.1/23', 1],
      ['br-ex', undefined, 0],
    ]);
    expect(node?.patches).toEqual([
      { bridges: ['br-infra', 'br-ex'], ports: ['patch-br-ex', 'patch-br-infra'] },
    ]);
  });
});

describe('numbers', () => {
  it('takes the smallest MTU less 50, and 70 over IPv6', () => {
    const [first, ...rest] = members(3);
    const small = [...rest, { ...first!, mtu: 1400 }];
    expect(planned(networkSpec('dvr'), small).mtu).toBe(1350);
    const six = members(2).map((member, index) => ({ ...member, underlay: `fd00::${index + 1}` }));
    const plan = planned(networkSpec('dvr'), six);
    expect(plan.mtu).toBe(1430);
    expect(plan.nodes[0]?.bridges[0]?.tunnels[0]?.port).toBe('br-ex_fd00::2');
    expect(planned(networkSpec('dvr', { mtu: 1300 }), members(2)).mtu).toBe(1300);
  });

  it('refuses with a sentence what cannot be', () => {
    const two = members(2);
    const one = two[0]!;
    expect(refusal(networkSpec('dvr'), [one, one])).toBe('a node set has one primary, and this one has 2');
    expect(refusal(networkSpec('dvr'), [{ ...one, role: 'sub' }])).toBe(
      'a node set has one primary, and this one has none',
    );
    expect(refusal(networkSpec('dvr'), [one, { ...two[1]!, underlay: one.underlay }])).toBe(
      'sub-1 and primary have one address, 10.0.0.1',
    );
    expect(refusal(networkSpec('dvr'), [one, { ...two[1]!, underlay: '$(reboot)' }])).toBe(
      'sub-1 has no usable address: "$(reboot)"',
    );
    expect(refusal(networkSpec('dvr'), [one, { ...two[1]!, underlay: 'fd00::2' }])).toMatch(
      /no tunnel joins/,
    );
    expect(refusal(networkSpec('dvr'), [one, { ...two[1]!, underlay: '172.24.5.9' }])).toBe(
      "sub-1 has 172.24.5.9, which lies in the overlay's 172.24.4.0/23: choose another address-prefix",
    );
    expect(refusal(networkSpec('dvr', { mtu: 1460 }), two)).toBe(
      'the overlay cannot have an MTU of 1460: what carries it leaves room for 1450',
    );
    expect(refusal(networkSpec('dvr'), members(2, 600))).toMatch(/576 is the least/);
    expect(refusal(networkSpec('dvr', { 'vni-offset': 16_000_000 }), two)).toBe('');
    expect(refusal(networkSpec('dvr'), members(256))).toBe(
      'dvr joins at most 255 nodes, and this set has 256',
    );
    expect(refusal(networkSpec('nova-net'), members(129))).toBe(
      'nova-net, whose bridges count from 1 and 128, joins at most 128 nodes, and this set has 129',
    );
  });
});

describe('every plan', () => {
  const any = fc.record({
    topology: fc.constantFrom(...Topology.options),
    overlay: fc.boolean(),
    count: fc.integer({ min: 1, max: 40 }),
    mtu: fc.integer({ min: 900, max: 9000 }),
    vni: fc.integer({ min: 1, max: 16_000_000 }),
  });

  it('is a star whose links agree at both ends, with numbers that mean one thing each', () => {
    fc.assert(
      fc.property(any, ({ topology, overlay, count, mtu, vni }) => {
        const result = planNetwork(
          networkSpec(topology, { overlay, 'vni-offset': vni }),
          members(count, mtu),
        );
        if (result.kind === 'refused') {
          expect(topology === 'dvr-ha' && count < 3).toBe(true);
          return;
        }
        const { nodes } = result.plan;
        const byUnderlay = new Map(nodes.map((node) => [node.underlay, node]));
        for (const node of nodes) {
          const links = node.bridges.flatMap((bridge) =>
            bridge.tunnels.map((tunnel) => ({ bridge, tunnel })),
          );
          expect(new Set(links.map(({ tunnel }) => tunnel.vni)).size).toBe(links.length);
          expect(new Set(links.map(({ tunnel }) => tunnel.port)).size).toBe(links.length);
          for (const { bridge, tunnel } of links) {
            const there = byUnderlay.get(tunnel.remote);
            const back = there?.bridges
              .find(({ name }) => name === bridge.name)
              ?.tunnels.find(({ remote }) => remote === node.underlay);
            expect(back).toMatchObject({ vni: tunnel.vni, local: tunnel.remote });
            expect([node.role, there?.role]).toContain('primary');
            expect(tunnel.vni).toBeGreaterThan(vni);
            expect(tunnelLink(tunnel).length).toBeLessThanOrEqual(15);
          }
          for (const name of [...node.bridges.map((b) => b.name), ...node.patches.flatMap((p) => p.ports)]) {
            expect(name.length).toBeLessThanOrEqual(15);
          }
        }
        const probes = nodes.flatMap(({ bridges }) => bridges.map(({ probe }) => probe));
        expect(new Set(probes).size).toBe(probes.length);
        expect(result.plan.mtu).toBe(mtu - 50);
      }),
    );
  });

  it('gives a node the same whoever else comes after it', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 60 }), fc.integer({ min: 1, max: 60 }), (count, more) => {
        const few = planned(networkSpec('nova-net'), members(count)).nodes.slice(1);
        const many = planned(networkSpec('nova-net'), members(count + more)).nodes.slice(1, count);
        expect(many).toEqual(few);
      }),
    );
  });
});
