import type { Lease, LeasedNode, Shell } from '../pipelines/ports.ts';
import { leaseIn, requestOfLease } from './node.ts';
import type { LocalShells } from './providers/local.ts';
import type { PoolRecords } from './records.ts';

/** From a lease to a shell on its primary node: in any process that reads the records. */

export type ShellOf = (
  lease: string,
) => Promise<{ readonly shell: Shell; readonly node: LeasedNode } | undefined>;

/** How the node of a lease is entered. */
export type OpenShell = (node: LeasedNode, lease: Lease) => Promise<Shell> | Shell;

export async function readLease(records: PoolRecords, id: string): Promise<Lease | undefined> {
  const request = requestOfLease(id);
  return request === undefined ? undefined : leaseIn(await records.get('request', request));
}

export function shellsOver(records: PoolRecords, open: OpenShell): ShellOf {
  return async (id) => {
    const lease = await readLease(records, id);
    const node = lease?.nodes.find((each) => each.role === 'primary') ?? lease?.nodes[0];
    return lease === undefined || node === undefined ? undefined : { shell: await open(node, lease), node };
  };
}

/** Places of this machine by their supervisor; everything else by `remote`. */
export function openShell(local: LocalShells | undefined, remote: OpenShell): OpenShell {
  return (node, lease) =>
    node.ssh === undefined && local !== undefined ? local.shellOf(node.slot ?? 0) : remote(node, lease);
}
