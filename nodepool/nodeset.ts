import type { NetworkSpec } from '../jobs/definition/network.ts';
import type { RemoteRun } from './remote.ts';

/** Machines that become one node set, as devstack-gate and multinode jobs expect to find it. */
export interface NodeSet {
  /** The lease's: letters, digits, `.`, `_`, `-`. What is made on the nodes carries it. */
  readonly id: string;
  /** The account that jobs run as on the nodes; it gets the set's key. */
  readonly user: string;
  /** One primary and any number of subnodes, whose order numbers them. A single machine is a set, too. */
  readonly members: readonly SetMember[];
  /** Names for several of its members, for inventories. */
  readonly groups?: Readonly<Record<string, readonly string[]>> | undefined;
  /** Without it: no overlay. */
  readonly network?: NetworkSpec | undefined;
  /** Text that is run on every node at the end, with NODEPOOL_* of /etc/nodepool/provider in its environment. */
  readonly ready?: string | undefined;
}

export interface SetMember {
  /** In the set: `primary`, `subnode-2`, or what nodepool.yaml calls it; a host name. */
  readonly name: string;
  readonly role: 'primary' | 'sub';
  /** Where we reach it: public, or the preferred one. */
  readonly address: string;
  /** Where its siblings reach it; `address` when its cloud gives none. */
  readonly privateAddress?: string | undefined;
  /** Of its sshd, for known_hosts; 22 where left out. */
  readonly port?: number | undefined;
  /** The provider's id of the machine. */
  readonly uuid: string;
  readonly provider: string;
  readonly cloud?: string | undefined;
  readonly region?: string | undefined;
  readonly zone?: string | undefined;
  /** Logs in as root, or as somebody whom `sudo -n` makes root. */
  readonly remote: RemoteRun;
}
