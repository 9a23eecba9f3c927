import { nodeInMark } from './machine.ts';
import { CloudError } from './refusal.ts';
import type { Session } from './session.ts';
import { type FloatingIp, FloatingIps, type Network, type Port, Ports } from './wire.ts';

/** Ports and floating addresses of our nodes. They carry our mark as name or description, so asking twice is asking once. */
export interface Neutron {
  /** The port of a node, made if there is none. */
  port(mark: string, network: Network, groups: readonly string[], signal: AbortSignal): Promise<Port>;
  /** A floating address at that port, made if there is none. */
  floating(mark: string, outside: Network, port: Port, signal: AbortSignal): Promise<FloatingIp>;
  /** Those with our mark, by what follows it. */
  floatingOf(site: string, signal: AbortSignal): Promise<readonly Marked<FloatingIp>[]>;
  portsOf(site: string, signal: AbortSignal): Promise<readonly Marked<Port>[]>;
  dropFloating(mark: string, signal: AbortSignal): Promise<void>;
  dropPorts(mark: string, signal: AbortSignal): Promise<void>;
  drop(kind: 'floatingips' | 'ports', id: string, signal: AbortSignal): Promise<void>;
}

export type Marked<T> = T & { readonly node: string };

export function openNeutron(session: Session): Neutron {
  const floatingIps = async (query: Readonly<Record<string, string>>, signal: AbortSignal) =>
    FloatingIps.parse(await session.call('network', { path: '/floatingips', query }, signal)).floatingips;
  const ports = async (query: Readonly<Record<string, string>>, signal: AbortSignal) =>
    Ports.parse(await session.call('network', { path: '/ports', query }, signal)).ports;

  async function drop(kind: 'floatingips' | 'ports', id: string, signal: AbortSignal): Promise<void> {
    try {
      await session.call('network', { method: 'DELETE', path: `/${kind}/${id}` }, signal);
    } catch (caught) {
      if (!(caught instanceof CloudError && caught.status === 404)) throw caught;
    }
  }

  return {
    drop,
    async port(name, network, groups, signal) {
      const [found] = await ports({ name }, signal);
      if (found !== undefined) return found;
      const port = {
        name,
        description: name,
        network_id: network.id,
        ...(groups.length === 0 ? {} : { security_groups: await groupIds(session, groups, signal) }),
      };
      const answer = await session.call(
        'network',
        { method: 'POST', path: '/ports', body: { port } },
        signal,
      );
      return Ports.shape.ports.element.parse(inner(answer, 'port'));
    },
    async floating(description, outside, port, signal) {
      const [found] = await floatingIps({ description }, signal);
      if (found !== undefined) return found;
      const floatingip = { description, floating_network_id: outside.id, port_id: port.id };
      const call = { method: 'POST', path: '/floatingips', body: { floatingip } } as const;
      return FloatingIps.shape.floatingips.element.parse(
        inner(await session.call('network', call, signal), 'floatingip'),
      );
    },
    floatingOf: async (site, signal) =>
      (await floatingIps({}, signal)).flatMap((each) => marked(each, nodeInMark(site, each.description))),
    portsOf: async (site, signal) =>
      (await ports({}, signal)).flatMap((each) => marked(each, nodeInMark(site, each.name))),
    async dropFloating(description, signal) {
      for (const { id } of await floatingIps({ description }, signal)) await drop('floatingips', id, signal);
    },
    async dropPorts(name, signal) {
      for (const { id } of await ports({ name }, signal)) await drop('ports', id, signal);
    },
  };
}

function marked<T>(thing: T, node: string | undefined): Marked<T>[] {
  return node === undefined ? [] : [{ ...thing, node }];
}

function inner(answer: unknown, key: string): unknown {
  return typeof answer === 'object' && answer !== null ? Reflect.get(answer, key) : undefined;
}

/** A port takes ids only. */
async function groupIds(session: Session, names: readonly string[], signal: AbortSignal): Promise<string[]> {
  const ids: string[] = [];
  for (const name of names) {
    const answer = await session.call('network', { path: '/security-groups', query: { name } }, signal);
    const list = inner(answer, 'security_groups');
    const found: unknown = Array.isArray(list) ? list[0] : undefined;
    const id = inner(found, 'id');
    ids.push(typeof id === 'string' ? id : name);
  }
  return ids;
}
