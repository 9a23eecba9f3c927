import { generateKeyPair } from 'node:crypto';
import { promisify } from 'node:util';
import ssh2 from 'ssh2';
import { type NetworkSpec, networkSpec } from '../jobs/definition/network.ts';
import { asFault, Fault } from '../pipelines/fault.ts';
import { type GroupKey, groupScript, partScript, readyScript } from './groupscript.ts';
import { type Failure, onAll, onNode, said } from './network/onnode.ts';
import { type Failed, lookAt, lowerScripts, type OverlayMember, raiseOverlay } from './network/overlay.ts';
import { planNetwork } from './network/plan.ts';
import { type NetworkPlan } from './network/planned.ts';
import { type NodeSet, type SetMember } from './nodeset.ts';

export type Joined =
  /** `plan` says what each node has now. `remarks` are for the log: what could not be done and need not stop a job. */
  | {
      readonly kind: 'joined';
      readonly plan: NetworkPlan;
      readonly remarks: readonly string[];
      /** ms */
      readonly took: number;
    }
  /** Never with these members and this network; no node was touched. A sentence for who wrote nodepool.yaml. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** A node did not do its part, or does not reach another: the set is of no use as it is. */
  | Failed;

export type Parted = { readonly kind: 'parted' } | Failed;

/** ms; a fresh image may have to install Open vSwitch, and ready scripts take their time. */
const joinDeadline = 45 * 60_000;
const readyDeadline = 30 * 60_000;
const partDeadline = 5 * 60_000;

/**
 * Makes one node set of machines: files of /etc/nodepool, host names, host keys, a key of the set's own, firewall openings, the
 * overlay network, ready scripts. In Nodepool's order: subnodes first, the primary last.
 *
 * Called by the pool between the machines' preflight and the grant of their lease, for one set by one process at a time.
 * Idempotent: call it again after any failure, after `kill -9` at any line, and on nodes that another set left half parted; what
 * is there is kept, what is half there is made whole, what is not this set's goes. Only the set's key is another one each time,
 * and the ready script runs again: so not while a job runs.
 *
 * Every member has pinged every other one over every bridge with packets that fill the MTU when this answers `joined`.
 * It has a deadline of its own (45 min, of which a plain set needs a second or two). Throws only when `signal` aborts, with its
 * reason; what is half done then is healed by the next call, or removed by `partNodes`.
 */
export async function joinNodes(set: NodeSet, signal: AbortSignal): Promise<Joined> {
  const began = performance.now();
  const spec = set.network ?? networkSpec('none');
  const reason = wrongSet(set, spec);
  if (reason !== undefined) return { kind: 'refused', reason };
  return await within(joinDeadline, 'joining the nodes', signal, async (until) => {
    const members = overlayMembers(set);
    const looked = await lookAt(members, until);
    if (looked.kind === 'failed') return looked;
    const key = await groupKey(set.id);
    const grouped = await subsFirst(set, (member) =>
      onNode(member, groupScript(set, member, looked.facts, key), until),
    );
    if (grouped.length > 0) return { kind: 'failed', failures: grouped };
    const raised = await raiseOverlay({ id: set.id, spec, members }, looked.facts, until);
    if (raised.kind !== 'raised') return raised;
    const { ready } = set;
    if (ready !== undefined) {
      const failures = await subsFirst(set, (member) =>
        said(member, until, () =>
          member.remote.run(readyScript, { signal: until, deadline: readyDeadline, input: ready }),
        ),
      );
      const named = failures.map(({ node, reason }) => ({ node, reason: `ready script: ${reason}` }));
      if (named.length > 0) return { kind: 'failed', failures: named };
    }
    const { plan, remarks } = raised;
    return { kind: 'joined', plan, remarks, took: Math.round(performance.now() - began) };
  });
}

/**
 * Takes off every node what `joinNodes` put there, whichever call of it, as far as it got; what was there before comes back.
 * Needed only for machines that stay (static, reused): a machine that is deleted takes it along. Idempotent, under the same rules
 * as `joinNodes`. Nodes that cannot be reached do not keep the others; they are named, and must not serve another job before
 * this answered `parted` (or `joinNodes` for that job answered `joined`, which sweeps first).
 */
export async function partNodes(set: NodeSet, signal: AbortSignal): Promise<Parted> {
  return await within(partDeadline, 'parting the nodes', signal, async (until) => {
    const spec = set.network ?? networkSpec('none');
    const lower = lowerScripts(spec, overlayMembers(set));
    const { failures } = await onAll(set.members, (member) =>
      onNode(member, [...partScript(set), ...lower(member.name)], until),
    );
    return failures.length > 0 ? { kind: 'failed', failures } : { kind: 'parted' };
  });
}

function wrongSet(set: NodeSet, spec: NetworkSpec): string | undefined {
  if (!/^[A-Za-z0-9._-]{1,100}$/.test(set.id)) return `${JSON.stringify(set.id)} is no id of a node set`;
  if (!/^[a-z_][a-z0-9_-]{0,31}$/.test(set.user)) return `${JSON.stringify(set.user)} is no user name`;
  // Of all that can be refused only the MTU depends on what the nodes say.
  const members = overlayMembers(set).map(({ name, role, underlay }) => ({
    name,
    role,
    underlay,
    mtu: 65_535,
  }));
  const planned = planNetwork(spec, members);
  return planned.kind === 'refused' ? planned.reason : undefined;
}

function overlayMembers(set: NodeSet): OverlayMember[] {
  return set.members.map(({ name, role, address, privateAddress, port, remote }) => {
    return { name, role, underlay: privateAddress ?? address, port, remote };
  });
}

/** The primary is last, so that where its files are, everybody's are. Stops at the first half that fails. */
async function subsFirst(
  { members }: NodeSet,
  what: (member: SetMember) => ReturnType<typeof onNode>,
): Promise<readonly Failure[]> {
  for (const role of ['sub', 'primary']) {
    const { failures } = await onAll(
      members.filter((member) => member.role === role),
      what,
    );
    if (failures.length > 0) return failures;
  }
  return [];
}

/** RSA with 2048 bits in PEM, as Nodepool made it: what devstack-gate copies about must suit the oldest ssh. */
async function groupKey(id: string): Promise<GroupKey> {
  const { privateKey } = await promisify(generateKeyPair)('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'pkcs1', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
  });
  const parsed = ssh2.utils.parseKey(privateKey);
  if (parsed instanceof Error || Array.isArray(parsed)) throw new Fault('bug', 'our own key cannot be read');
  return {
    secret: privateKey,
    public: `ssh-rsa ${parsed.getPublicSSH().toString('base64')}`,
    comment: `stackgate:${id}`,
  };
}

async function within<T>(
  deadline: number,
  what: string,
  signal: AbortSignal,
  act: (until: AbortSignal) => Promise<T>,
): Promise<T | Failed> {
  const late = AbortSignal.timeout(deadline);
  try {
    return await act(AbortSignal.any([signal, late]));
  } catch (caught) {
    if (signal.aborted) throw asFault(signal.reason);
    if (!late.aborted) throw caught;
    const reason = `${what} took longer than ${deadline / 60_000} min`;
    return { kind: 'failed', failures: [{ node: '', reason }] };
  }
}
