import type { Neutron } from './neutron.ts';

export interface SweepOptions {
  readonly site: string;
  readonly neutron: Neutron;
  /** Nodes that have a server. */
  readonly nodes: (signal: AbortSignal) => Promise<ReadonlySet<string>>;
  /** ms between the first sight of something and its end. */
  readonly after: number;
  readonly floating: boolean;
  readonly now: () => number;
}

/**
 * Removes ports and floating addresses with our mark whose node has no server: what a create left that died half way, or a delete. A
 * create in the making looks the same, so a thing goes only when it is seen again after a while.
 */
export function openSweep(options: SweepOptions): (signal: AbortSignal) => Promise<readonly string[]> {
  const { site, neutron, now } = options;
  const since = new Map<string, number>();

  return async (signal) => {
    if (!options.floating) return [];
    // What exists is asked for first: a server that came in between has its port in the list, and is seen here.
    const things = [
      ...(await neutron.floatingOf(site, signal)).map(({ id, node, floating_ip_address: address }) => {
        return { kind: 'floatingips' as const, id, node, words: `floating address ${address}` };
      }),
      ...(await neutron.portsOf(site, signal)).map(({ id, node }) => {
        return { kind: 'ports' as const, id, node, words: `port ${id}` };
      }),
    ];
    const nodes = await options.nodes(signal);
    const orphans = things.filter(({ node }) => !nodes.has(node));
    const seen = new Set(orphans.map(({ id }) => id));
    for (const id of since.keys()) if (!seen.has(id)) since.delete(id);
    const removed: string[] = [];
    for (const { kind, id, node, words } of orphans) {
      const first = since.get(id);
      if (first === undefined) since.set(id, now());
      if (first === undefined || now() - first < options.after) continue;
      await neutron.drop(kind, id, signal);
      since.delete(id);
      removed.push(`${words} of node ${node}, which has no server`);
    }
    return removed;
  };
}
