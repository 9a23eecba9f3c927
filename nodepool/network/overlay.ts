import type { NetworkSpec } from '../../jobs/definition/network.ts';
import { checkScript, judgeCheck, judgeUnderlay, underlayScript } from './check.ts';
import { factsScript, type NodeFacts, readFacts } from './facts.ts';
import { openFirewall } from './firewall.ts';
import { linuxScript } from './linux.ts';
import { localrcLines } from './localrc.ts';
import { lowerScript } from './lower.ts';
import { type Failure, onAll, onNode, type Reachable } from './onnode.ts';
import { ovsScript } from './ovs.ts';
import { planNetwork } from './plan.ts';
import { type NetworkPlan, type NodePlan } from './planned.ts';
import { call } from './script.ts';

/**
 * The overlay of a node set on its nodes: look at them, raise it on all at once, prove it, take it away again. Every step may be
 * done again, also after it was cut off anywhere.
 */

export interface OverlayMember extends Reachable {
  readonly role: 'primary' | 'sub';
  readonly underlay: string;
  /** Of its sshd; 22 where left out. */
  readonly port?: number | undefined;
}

export interface OverlaySet {
  /** Of the node set: letters, digits, `.`, `_`, `-`. What is made on the nodes carries it. */
  readonly id: string;
  readonly spec: NetworkSpec;
  readonly members: readonly OverlayMember[];
}

export type Failed = { readonly kind: 'failed'; readonly failures: readonly Failure[] };

export type Looked = { readonly kind: 'looked'; readonly facts: ReadonlyMap<string, NodeFacts> } | Failed;

export async function lookAt(members: readonly OverlayMember[], signal: AbortSignal): Promise<Looked> {
  const { failures, said } = await onAll(members, (member) =>
    onNode(member, factsScript(member.underlay), signal),
  );
  if (failures.length > 0) return { kind: 'failed', failures };
  const facts = new Map<string, NodeFacts>();
  const wrong: Failure[] = [];
  for (const [index, { name }] of members.entries()) {
    const read = readFacts(said[index] ?? '');
    if (read === undefined)
      wrong.push({ node: name, reason: 'it does not say its host name and the MTU of its interfaces' });
    else if (read.missing.length > 0)
      wrong.push({ node: name, reason: `it lacks ${read.missing.join(', ')}` });
    else facts.set(name, read);
  }
  return wrong.length > 0 ? { kind: 'failed', failures: wrong } : { kind: 'looked', facts };
}

export type Raised =
  | { readonly kind: 'raised'; readonly plan: NetworkPlan; readonly remarks: readonly string[] }
  | { readonly kind: 'refused'; readonly reason: string }
  | Failed;

export async function raiseOverlay(
  { id, spec, members }: OverlaySet,
  facts: ReadonlyMap<string, NodeFacts>,
  signal: AbortSignal,
): Promise<Raised> {
  const planned = planNetwork(
    spec,
    members.map(({ name, role, underlay }) => ({
      name,
      role,
      underlay,
      mtu: facts.get(name)?.mtu ?? 1500,
    })),
  );
  if (planned.kind === 'refused') return planned;
  const { plan } = planned;
  const planOf = plansByName(plan);
  const hidden = plan.nodes.filter(
    ({ name, bridges }) =>
      bridges.some(({ tunnels }) => tunnels.length > 0) && facts.get(name)?.hasUnderlay !== true,
  );
  if (hidden.length > 0) return { kind: 'failed', failures: hidden.map(behindNat) };
  const raised = await onAll(members, (member) =>
    onNode(member, raiseScript(id, spec, plan, planOf(member.name)), signal, raiseDeadline),
  );
  if (raised.failures.length > 0) return { kind: 'failed', failures: raised.failures };
  const remarks = raised.said.flatMap((text, index) => remarksOf(members[index]?.name ?? '', text));
  const isJoined = plan.nodes.some(({ bridges }) => bridges.length > 0);
  const failures = isJoined
    ? await check(plan, members, unprobedOf(raised.said), signal)
    : await checkUnderlay(members, signal);
  return failures.length > 0 ? { kind: 'failed', failures } : { kind: 'raised', plan, remarks };
}

function behindNat({ name, underlay }: NodePlan): Failure {
  const reason = `no interface of it has the address ${underlay}, so no tunnel can end there: its provider must tell its private address`;
  return { node: name, reason };
}

/** ms; installing Open vSwitch on a fresh image is what takes long. */
const raiseDeadline = 10 * 60_000;

/** Where nothing is to be raised, what another set left goes. */
function raiseScript(id: string, spec: NetworkSpec, plan: NetworkPlan, node: NodePlan): string[] {
  const told = localrcScript(localrcLines(spec, plan, node));
  if (node.bridges.length === 0) return [told, ...lowerScript(node)];
  const driver = spec.driver === 'ovs' ? ovsScript(id, node, spec) : linuxScript(id, node);
  return [told, ...openFirewall('overlay', node.openings), ...driver];
}

function localrcScript(lines: readonly string[]): string {
  const file = '/etc/nodepool/localrc';
  if (lines.length === 0) return call('rm -f', file);
  return call('put', file, 444, 'root', `${lines.join('\n')}\n`);
}

/** Pings everybody from everybody. Answers what does not carry. */
export async function check(
  plan: NetworkPlan,
  members: readonly Reachable[],
  unprobed: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<readonly Failure[]> {
  const planOf = plansByName(plan);
  if (plan.nodes.length < 2 || plan.nodes.every(({ bridges }) => bridges.length === 0)) return [];
  const { failures, said } = await onAll(members, (member) =>
    onNode(member, checkScript(plan, planOf(member.name), unprobed), signal),
  );
  const unheard = members.flatMap(({ name }, index) => {
    if (failures.some(({ node }) => node === name)) return [];
    const reason = judgeCheck(plan, planOf(name), unprobed, said[index] ?? '');
    return reason === undefined ? [] : [{ node: name, reason }];
  });
  return [...failures, ...unheard];
}

/** Everybody asks for everybody where nothing of ours joins them. Answers who does not reach whom. */
async function checkUnderlay(
  members: readonly OverlayMember[],
  signal: AbortSignal,
): Promise<readonly Failure[]> {
  if (members.length < 2) return [];
  const nodes = members.map(({ name, underlay, port = 22 }) => ({ name, underlay, port }));
  const others = (name: string) => nodes.filter((each) => each.name !== name);
  const { failures, said } = await onAll(members, (member) =>
    onNode(member, underlayScript(others(member.name)), signal),
  );
  const unheard = nodes.flatMap((node, index) => {
    if (failures.some((each) => each.node === node.name)) return [];
    const reason = judgeUnderlay(node, others(node.name), said[index] ?? '');
    return reason === undefined ? [] : [{ node: node.name, reason }];
  });
  return [...failures, ...unheard];
}

/** By name: what takes an overlay off a node, the one of `spec` and whatever else of ours there is. */
export function lowerScripts(
  spec: NetworkSpec,
  members: readonly OverlayMember[],
): (name: string) => string[] {
  const planned = planNetwork(
    spec,
    // Names and addresses do not depend on it.
    members.map(({ name, role, underlay }) => ({ name, role, underlay, mtu: 65_535 })),
  );
  if (planned.kind === 'refused') return () => lowerScript({ bridges: [] });
  const planOf = plansByName(planned.plan);
  return (name) => lowerScript(planOf(name));
}

function plansByName(plan: NetworkPlan): (name: string) => NodePlan {
  const byName = new Map(plan.nodes.map((node) => [node.name, node]));
  return (name) => {
    const found = byName.get(name);
    if (found === undefined) throw new RangeError(`no plan for ${name}`);
    return found;
  };
}

/** Bridges that somewhere have no address to be pinged at, because that node has no IPv6. */
function unprobedOf(said: readonly string[]): ReadonlySet<string> {
  const lines = said.flatMap((text) => text.split('\n'));
  return new Set(
    lines.filter((line) => line.startsWith('no-probe ')).map((line) => line.slice('no-probe '.length)),
  );
}

function remarksOf(node: string, text: string): string[] {
  return text.split('\n').flatMap((line) => {
    if (line.startsWith('no-firewall '))
      return [`${node}: nothing was opened by ${line.slice(12)}: it is not there or does not work`];
    if (line.startsWith('no-probe '))
      return [`${node}: ${line.slice(9)} carries no address and the node has no IPv6: not pinged`];
    return [];
  });
}
