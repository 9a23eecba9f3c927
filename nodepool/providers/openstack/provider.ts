import { z } from 'zod';
import type { ProviderGiven } from '../../config/config.ts';
import type { Machine, NodeKind, NodeOrder, Probed, Provider, Resources } from '../../provider.ts';
import { readCloud } from './clouds.ts';
import { openLookups } from './lookups.ts';
import { MARK, machineOf, markText } from './machine.ts';
import { openNeutron } from './neutron.ts';
import { CloudError, CloudMistake, setbackOf } from './refusal.ts';
import { openSession } from './session.ts';
import { dropImages, savedImages, saveImage } from './snapshot.ts';
import { openSweep } from './sweep.ts';
import { Created, Limits, type Server, Servers, Zones } from './wire.ts';

/**
 * An OpenStack cloud. Servers carry our mark in their metadata; what has no metadata carries it as name or description. Where
 * nodes need a floating address, port and address are made before the server, each found again by its mark, so that a reply that was lost
 * costs nothing and a running server is reachable at once.
 *
 * Calls a node costs, beside the polling of lists: one to create, one to delete; with a floating address four and four more.
 */
type Given = Extract<ProviderGiven, { driver: 'openstack' }>;

const NetworkNames = z.array(
  z.union([z.string(), z.looseObject({ name: z.string() }).transform(({ name }) => name)]),
);

/** What the configuration says of one kind of node, beside image and flavor. */
const Properties = z.looseObject({
  'key-name': z.string().optional(),
  'config-drive': z.boolean().optional(),
  meta: z.record(z.string(), z.string()).default({}),
  'instance-properties': z.record(z.string(), z.string()).default({}),
  networks: NetworkNames.optional(),
  'security-groups': z.array(z.string()).optional(),
  'boot-from-volume': z.boolean().default(false),
  'volume-size': z.number().default(50),
  userdata: z.string().optional(),
});

const PAGE = 1000;

export function openOpenstackProvider(
  given: Given,
  site: string,
  options: { readonly env?: NodeJS.ProcessEnv; readonly now?: () => number } = {},
): Provider {
  const session = openSession(() => readCloud(given.cloud, options.env), {
    region: given['region-name'],
    userAgent: 'Stackgate',
    ...(options.now === undefined ? {} : { now: options.now }),
  });
  const lookups = openLookups(session, options.now);
  const neutron = openNeutron(session);

  async function servers(signal: AbortSignal): Promise<Server[]> {
    const all: Server[] = [];
    for (let more = true; more; ) {
      const marker = all.at(-1)?.id;
      const query = { limit: PAGE, ...(marker === undefined ? {} : { marker }) };
      const page = Servers.parse(await session.call('compute', { path: '/servers/detail', query }, signal));
      all.push(...page.servers);
      more = page.servers.length > 0 && page.servers_links?.some(({ rel }) => rel === 'next') === true;
    }
    return all;
  }

  const ours = (server: Server) => server.metadata[MARK.site] === site;

  async function machines(signal: AbortSignal): Promise<Machine[]> {
    const mine = (await servers(signal)).filter(ours);
    const outside = mine.length === 0 ? undefined : await outsideNetwork(signal);
    const floating = outside === undefined ? [] : await neutron.floatingOf(site, signal);
    const looks = {
      ipv6: given['ipv6-preferred'],
      outside: new Set(outside === undefined ? [] : [outside.name]),
      floating: new Map(floating.map(({ node, floating_ip_address: address }) => [node, address])),
    };
    return mine.flatMap((server) => machineOf(server, looks) ?? []);
  }

  /** Where floating addresses come from, if nodes are to have some. */
  const outsideNetwork = async (signal: AbortSignal) =>
    given['auto-floating-ip'] ? await lookups.external(undefined, signal) : undefined;

  async function build(order: NodeOrder, signal: AbortSignal): Promise<Machine> {
    const { kind, node } = order;
    const properties = propertiesOf(kind);
    const flavor = await lookups.flavor(kind, signal);
    const image = await lookups.image(kind, signal);
    const named = properties.networks ?? NetworkNames.catch([]).parse(given.networks ?? []);
    const networks = await lookups.networks(named, signal);
    const groups = properties['security-groups'] ?? given['security-groups'] ?? [];
    const [first] = networks;
    const outside = first?.['router:external'] === true ? undefined : await outsideNetwork(signal);
    const mark = markText(site, node);
    const ports: string[] = [];
    if (outside !== undefined && first !== undefined) {
      const port = await neutron.port(mark, first, groups, signal);
      await neutron.floating(mark, outside, port, signal);
      ports.push(port.id);
    }
    const rest = networks.slice(ports.length);
    const nics = [...ports.map((port) => ({ port })), ...rest.map(({ id: uuid }) => ({ uuid }))];
    const server = {
      name: `stackgate-${node}`,
      flavorRef: flavor.id,
      networks: nics.length === 0 ? 'auto' : nics,
      metadata: {
        ...properties.meta,
        ...properties['instance-properties'],
        nodepool_node_id: node,
        nodepool_provider_name: given.name,
        [MARK.site]: site,
        [MARK.node]: node,
      },
      ...bootFrom(properties, image.id),
      ...(ports.length > 0 || groups.length === 0
        ? {}
        : { security_groups: groups.map((name) => ({ name })) }),
      ...(properties['key-name'] === undefined ? {} : { key_name: properties['key-name'] }),
      ...(properties['config-drive'] === undefined ? {} : { config_drive: properties['config-drive'] }),
      ...(properties.userdata === undefined
        ? {}
        : { user_data: Buffer.from(properties.userdata).toString('base64') }),
      ...(order.zone === undefined ? {} : { availability_zone: order.zone }),
    };
    const answer = await session.call(
      'compute',
      { method: 'POST', path: '/servers', body: { server } },
      signal,
    );
    const { id } = Created.parse(answer).server;
    const resources = { instances: 1, cores: flavor.vcpus, ram: flavor.ram };
    return {
      id,
      node,
      state: 'building',
      resources,
      ...(order.zone === undefined ? {} : { zone: order.zone }),
    };
  }

  async function find(node: string, signal: AbortSignal): Promise<Server | undefined> {
    return (await servers(signal)).find((server) => ours(server) && server.metadata[MARK.node] === node);
  }

  async function limits(signal: AbortSignal): Promise<Pick<Probed, 'capacity' | 'quota'>> {
    if (given['ignore-provider-quota']) return { capacity: {} };
    const { absolute } = Limits.parse(await session.call('compute', { path: '/limits' }, signal)).limits;
    const mine = (await servers(signal)).filter(ours);
    const sum = (pick: (server: Server) => number) => mine.reduce((total, server) => total + pick(server), 0);
    const room = (most: number, used: number, own: number) =>
      most < 0 ? undefined : Math.max(0, most - Math.max(0, used - own));
    const known = (resources: Partial<Record<keyof Resources, number | undefined>>): Partial<Resources> =>
      Object.fromEntries(Object.entries(resources).filter(([, value]) => value !== undefined && value >= 0));
    const { maxTotalInstances, maxTotalCores, maxTotalRAMSize } = absolute;
    return {
      quota: known({ instances: maxTotalInstances, cores: maxTotalCores, ram: maxTotalRAMSize }),
      capacity: known({
        instances: room(maxTotalInstances, absolute.totalInstancesUsed, mine.length),
        cores: room(
          maxTotalCores,
          absolute.totalCoresUsed,
          sum(({ flavor }) => flavor?.vcpus ?? 0),
        ),
        ram: room(
          maxTotalRAMSize,
          absolute.totalRAMUsed,
          sum(({ flavor }) => flavor?.ram ?? 0),
        ),
      }),
    };
  }

  async function sizeOf(kind: NodeKind, signal: AbortSignal): Promise<Resources | { never: string }> {
    try {
      const { vcpus: cores, ram } = await lookups.flavor(kind, signal);
      await lookups.image(kind, signal);
      return { instances: 1, cores, ram };
    } catch (caught) {
      if (caught instanceof CloudMistake) return { never: caught.message };
      throw caught;
    }
  }

  const provider: Provider = {
    name: given.name,
    driver: 'openstack',
    async create(order, signal) {
      try {
        if (order.again) {
          const found = (await machines(signal)).find(({ node }) => node === order.node);
          if (found !== undefined) return { kind: 'created', machine: found };
        }
        const remembered = lookups.warm;
        try {
          return { kind: 'created', machine: await build(order, signal) };
        } catch (caught) {
          // Perhaps an image or network was replaced since we looked.
          if (!(caught instanceof CloudError && caught.status === 400 && remembered)) throw caught;
          lookups.forget();
          return { kind: 'created', machine: await build(order, signal) };
        }
      } catch (caught) {
        return setbackOf(caught);
      }
    },
    async list(signal) {
      try {
        return { kind: 'listed', machines: await machines(signal) };
      } catch (caught) {
        return setbackOf(caught);
      }
    },
    async delete({ node, id }, signal) {
      try {
        const mark = markText(site, node);
        const outside = await outsideNetwork(signal);
        if (outside !== undefined) await neutron.dropFloating(mark, signal);
        const server = id ?? (await find(node, signal))?.id;
        const gone = server === undefined || !(await dropServer(server, signal));
        if (outside !== undefined) await neutron.dropPorts(mark, signal);
        return gone ? { kind: 'gone' } : { kind: 'going' };
      } catch (caught) {
        return setbackOf(caught);
      }
    },
    async probe(kinds, signal) {
      try {
        const room = await limits(signal);
        const answer = await session.call('compute', { path: '/os-availability-zone' }, signal);
        const zones = Zones.parse(answer)
          .availabilityZoneInfo.filter(
            ({ zoneName, zoneState }) => zoneState.available && zoneName !== 'internal',
          )
          .map(({ zoneName }) => zoneName);
        const sizes: [string, Resources | { never: string }][] = [];
        for (const kind of kinds) sizes.push([kind.label, await sizeOf(kind, signal)]);
        return { kind: 'probed', ...room, zones, kinds: Object.fromEntries(sizes) };
      } catch (caught) {
        return setbackOf(caught);
      }
    },
    sweep: openSweep({
      site,
      neutron,
      nodes: async (signal) =>
        new Set((await servers(signal)).filter(ours).flatMap((server) => server.metadata[MARK.node] ?? [])),
      after: given['port-cleanup-interval'],
      floating: given['auto-floating-ip'] && given['clean-floating-ips'],
      now: options.now ?? Date.now,
    }),
    async snapshot(of, image, signal) {
      try {
        const id = of.id ?? (await find(of.node, signal))?.id;
        if (id === undefined) return { kind: 'permanent', reason: `there is no server of node ${of.node}` };
        await saveImage(session, id, { name: image, site }, signal);
        lookups.forget();
        return { kind: 'saved', image };
      } catch (caught) {
        return setbackOf(caught);
      }
    },
    async images(signal) {
      try {
        const all = await savedImages(session, site, signal);
        return { kind: 'images', images: [...new Set(all.flatMap(({ name }) => name ?? []))] };
      } catch (caught) {
        return setbackOf(caught);
      }
    },
    async deleteImage(name, signal) {
      try {
        await dropImages(session, { name, site }, signal);
        return { kind: 'gone' };
      } catch (caught) {
        return setbackOf(caught);
      }
    },
    [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
  };

  /** False: it is not there. */
  async function dropServer(id: string, signal: AbortSignal): Promise<boolean> {
    try {
      await session.call('compute', { method: 'DELETE', path: `/servers/${encodeURIComponent(id)}` }, signal);
      return true;
    } catch (caught) {
      if (caught instanceof CloudError && caught.status === 404) return false;
      throw caught;
    }
  }

  return provider;
}

function propertiesOf(kind: NodeKind): z.infer<typeof Properties> {
  const read = Properties.safeParse(kind.properties);
  if (read.success) return read.data;
  const issue = read.error.issues[0];
  throw new CloudMistake(
    `label ${kind.label}: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'not understood'}`,
  );
}

function bootFrom(properties: z.infer<typeof Properties>, image: string): object {
  if (!properties['boot-from-volume']) return { imageRef: image };
  return {
    block_device_mapping_v2: [
      {
        boot_index: 0,
        uuid: image,
        source_type: 'image',
        destination_type: 'volume',
        volume_size: properties['volume-size'],
        delete_on_termination: true,
      },
    ],
  };
}
