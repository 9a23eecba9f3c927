import type { NetworkSpec } from '../jobs/definition/network.ts';
import { evaluate, type LabelExpression, labelsOf, parseLabel } from '../jobs/label.ts';
import type { NodeSpec } from '../pipelines/action.ts';
import type { PoolConfig } from './config/config.ts';

/** What a request stands on: its members in order, the primary first, and the network that joins them. */
export interface Shape {
  readonly members: readonly Member[];
  readonly groups: Readonly<Record<string, readonly string[]>>;
  readonly network?: NetworkSpec | undefined;
  /** Path of the script that is run on each node at the end. */
  readonly ready?: string | undefined;
}

export interface Member {
  /** `primary`, `subnode-1`, or its name in the node set. */
  readonly name: string;
  readonly role: 'primary' | 'sub';
  /** As written, for people. */
  readonly label: string;
  readonly wants: LabelExpression;
}

/**
 * Reads what a job asks for: nodes by name, the name of a node set, a label of nodepool.yaml with `subnodes` of its own (Nodepool
 * v2), or any label expression; the job's own `subnodes` and `network` come before those of the label.
 */
export function shapeOf(
  spec: NodeSpec,
  config: PoolConfig,
): { kind: 'shape'; shape: Shape } | { kind: 'wrong'; reason: string } {
  const isNamed = spec.members !== undefined;
  const { subnodes = 0 } = spec;
  const label = isNamed ? undefined : config.labels.get(spec.label);
  const set = isNamed || label !== undefined ? undefined : config.sets.get(spec.label);
  if (label?.disabled === true) {
    return { kind: 'wrong', reason: `the label ${spec.label} is out of use (min-ready: -1)` };
  }
  if (set !== undefined && subnodes > 0) {
    const reason = `the node set ${set.name} says itself how many nodes it has; ask for a label with \`subnodes\``;
    return { kind: 'wrong', reason };
  }
  const wanted =
    spec.members ?? set?.nodes ?? equal(spec.label, subnodes > 0 ? subnodes : (label?.subnodes ?? 0));
  const members: Member[] = [];
  for (const [index, node] of wanted.entries()) {
    const read = parseLabel(node.label);
    if (read.kind === 'wrong') {
      const reason = `its label ${JSON.stringify(node.label)} is no label expression: ${read.message}`;
      return { kind: 'wrong', reason };
    }
    const role = index === 0 ? 'primary' : 'sub';
    members.push({ name: node.name, role, label: node.label, wants: read.expression });
  }
  const ready = set === undefined ? label?.readyScript : set.readyScript;
  const network = spec.network ?? set?.network ?? label?.network;
  const groups = spec.groups ?? set?.groups ?? {};
  return { kind: 'shape', shape: { members, groups, network, ready } };
}

function equal(label: string, subnodes: number): { name: string; label: string }[] {
  const names = ['primary', ...Array.from({ length: subnodes }, (_, index) => `subnode-${index + 1}`)];
  return names.map((name) => ({ name, label }));
}

/** True when a machine with these labels serves a member. */
export function serves(member: Member, labels: readonly string[]): boolean {
  return evaluate(member.wants, new Set(labels));
}

/** `; no node has "a", "b"`: which of the labels it names nobody knows. */
export function unknownLabels(member: Member, known: ReadonlySet<string>): readonly string[] {
  return labelsOf(member.wants).filter((label) => !known.has(label));
}
