import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type NetworkSpec, networkSpec, Topology } from '../../jobs/definition/network.ts';
import { checkScript, judgeCheck } from './check.ts';
import { factsScript, readFacts } from './facts.ts';
import { closeFirewall, openFirewall } from './firewall.ts';
import { linuxScript } from './linux.ts';
import { localrcLines } from './localrc.ts';
import { lowerScript } from './lower.ts';
import { ovsScript } from './ovs.ts';
import { planNetwork } from './plan.ts';
import { type NetworkPlan } from './planned.ts';
import { asRoot } from './script.ts';

function plan(spec: NetworkSpec): NetworkPlan {
  const members = ['primary', 'subnode-2', 'subnode-3'].map((name, index) => ({
    name,
    role: index === 0 ? ('primary' as const) : ('sub' as const),
    underlay: `10.20.30.4${index}`,
    mtu: 1500,
  }));
  const planned = planNetwork(spec, members);
  if (planned.kind === 'refused') throw new Error(planned.reason);
  return planned.plan;
}

function parses(lines: readonly string[]): void {
  execFileSync('bash', ['-n'], { input: asRoot(lines).input, stdio: ['pipe', 'ignore', 'inherit'] });
}

describe.each(Topology.options)('the scripts of %s', (topology) => {
  it('are bash, whoever runs them', () => {
    for (const datapath of ['system', 'netdev'] as const) {
      const spec = networkSpec(topology, { datapath });
      const of = plan(spec);
      for (const node of of.nodes) {
        parses([...openFirewall('overlay', node.openings), ...ovsScript('set-1', node, spec)]);
        parses(linuxScript('set-1', node));
        parses([...lowerScript(node), ...closeFirewall('siblings')]);
        parses(checkScript(of, node, new Set()));
      }
    }
    parses(factsScript('10.20.30.40'));
  });
});

describe('localrc', () => {
  const of = (spec: NetworkSpec, most = 3) => {
    const { nodes, mtu } = plan(spec);
    const some = { mtu, nodes: nodes.slice(0, most) };
    return some.nodes.map((node) => localrcLines(spec, some, node).join(' '));
  };

  it('has the keys that devstack-gate writes for a topology', () => {
    const flat = 'FLAT_INTERFACE=br_flat PUBLIC_INTERFACE=br_pub';
    expect(of(networkSpec('nova-net'))).toEqual(Array.from({ length: 3 }, () => `${flat} MULTI_HOST=True`));
    expect(of(networkSpec('nova-net'), 1)).toEqual([flat]);
    expect(of(networkSpec('neutron'), 2)).toEqual(['PUBLIC_BRIDGE_MTU=1450', 'PUBLIC_BRIDGE_MTU=1450']);
    expect(of(networkSpec('dvr-ha'))).toEqual([
      'PUBLIC_BRIDGE_MTU=1450 Q_DVR_MODE=dvr',
      'PUBLIC_BRIDGE_MTU=1450 Q_DVR_MODE=dvr_snat',
      'PUBLIC_BRIDGE_MTU=1450 Q_DVR_MODE=dvr_snat',
    ]);
    expect(of(networkSpec('none'))).toEqual(['', '', '']);
  });
});

describe('the check', () => {
  const of = plan(networkSpec('nova-net'));
  const [node] = of.nodes;
  if (node === undefined) throw new Error('a node');
  const reached = ['br_pub', 'br_flat'].flatMap((bridge) =>
    ['subnode-2', 'subnode-3'].map((name) => `reached ${bridge} ${name}`),
  );
  const judge = (said: readonly string[], unprobed: readonly string[] = []) =>
    judgeCheck(of, node, new Set(unprobed), said.join('\n'));

  it('is passed when every sibling was reached on every bridge, in any order, and never otherwise', () => {
    expect(judge(reached)).toBeUndefined();
    expect(judge([...reached].reverse())).toBeUndefined();
    for (const [index] of reached.entries()) {
      expect(judge(reached.filter((_, at) => at !== index))).toMatch(/cut short/);
    }
    expect(judge(reached.slice(0, 2))).toMatch(/^br_flat: the check of subnode-2 was cut short/);
    expect(judge(reached.slice(0, 2), ['br_flat'])).toBeUndefined();
    fc.assert(
      fc.property(fc.subarray(reached), fc.array(fc.string()), (some, noise) => {
        if (some.length < reached.length) expect(judge([...some, ...noise])).not.toBeUndefined();
      }),
    );
  });

  it('says what it is that does not carry', () => {
    expect(judge([...reached.slice(1), 'size br_pub subnode-2'])).toMatch(/packets of 1450 bytes do not/);
    expect(judge([...reached.slice(1), 'overlay br_pub subnode-2'])).toMatch(
      /although 10\.20\.30\.41 answers: UDP 4789/,
    );
    expect(judge([...reached.slice(1), 'underlay br_pub subnode-2'])).toMatch(/nor at 10\.20\.30\.41$/);
  });
});

describe('facts', () => {
  it('are read from what a node says, and nothing else is believed', () => {
    const said =
      'mtu 1500\nmtu 1400\ncarrier eth0\nkey ssh-ed25519 AAAA\nkey no key at all\nmissing ping\nhostname np1\n';
    expect(readFacts(said)).toEqual({
      hostname: 'np1',
      mtu: 1400,
      hostKeys: ['ssh-ed25519 AAAA'],
      hasUnderlay: true,
      missing: ['ping'],
    });
    expect(readFacts('mtu 1500\ncarrier \nhostname $(reboot)\n')).toBeUndefined();
    expect(readFacts('hostname np1\n')).toBeUndefined();
    expect(readFacts('mtu 1500\ncarrier \nhostname np1\n')?.hasUnderlay).toBe(false);
  });
});
