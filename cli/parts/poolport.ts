import { join } from 'node:path';
import { adminOf } from '../../nodepool/admin.ts';
import type { ProviderConfig } from '../../nodepool/config/config.ts';
import { loginOf } from '../../nodepool/lease.ts';
import { type NodeRecord, nodeId } from '../../nodepool/node.ts';
import { hostOfPlace } from '../../nodepool/providers/place.ts';
import { folderOf } from '../../nodepool/supervisor/plan.ts';
import {
  holdView,
  labelViews,
  nodeView,
  providerViews,
  readPoolRows,
  requestView,
  saidOf,
} from '../../nodepool/views.ts';
import type { NodeAccess } from '../../server/contract/nodes.ts';
import type { PoolPort } from '../../server/ports.ts';
import { type House, need } from '../house.ts';
import { keyFolder, localNodes } from '../nodepool.ts';
import { sitePath } from '../site.ts';
import { poolInForce } from './poolconfig.ts';

/** The pool for the door: read from the records; changed only where the launcher is. */
export function poolPort(house: House): PoolPort {
  const { made, site, base } = house;
  const inForce = poolInForce(house);
  const folder = keyFolder(site, base);
  const rows = () => readPoolRows(need(house, 'core').records);
  return {
    nodes: async () => (await rows()).nodes.map(nodeView),
    async requests() {
      const { requests, nodes, why: written } = await rows();
      const said = (await made.nodes?.waiting())?.map(({ id, why }): [string, string] => [id, why]);
      const why = said === undefined ? written : new Map(said);
      return requests.map((request) => requestView(request, nodes, why.get(request.id)));
    },
    labels: async () => labelViews(await inForce(), await rows()),
    providers: async () => providerViews(describeProviders(house, (await inForce()).providers), await rows()),
    holds: async () => (await rows()).holds.map(holdView),
    async access(id) {
      const node = (await rows()).nodes.find((each) => each.id === nodeId(id));
      if (node === undefined) return undefined;
      if (node.machine?.address === undefined) return hereAt(house, node);
      const { address, port, user, hostKeys, keyFile } = node.machine;
      const own = (await inForce()).providers.find((each) => each.name === node.provider);
      const host = node.place === undefined ? undefined : { host: hostOfPlace(node.place) };
      const login = loginOf(own, node.label, host);
      const key = keyFile ?? login.keyFile;
      return {
        node: node.id,
        address,
        folder: null,
        port: port ?? login.port ?? 22,
        user: user ?? login.user ?? null,
        hostKeys: hostKeys ?? [],
        keyFile: key === undefined ? null : sitePath(folder, key),
      };
    },
    admin: () => (made.nodes === undefined ? undefined : adminOf(made.nodes.context)),
  };
}

function describeProviders({ site }: House, providers: readonly ProviderConfig[]) {
  const local = localNodes(site);
  const own =
    local === undefined
      ? []
      : [{ name: 'local', driver: 'local', limit: local['max-parallel-jobs'], hosts: ['local'] }];
  return [...own, ...providers.map(saidOf)];
}

/** This machine needs no login: a build lies in a folder of it. */
function hereAt({ data }: House, { id, place, build }: NodeRecord): NodeAccess | undefined {
  if (place === undefined || build === undefined) return undefined;
  const folder = join(folderOf(join(data, 'builds'), build), 'job');
  return { node: id, address: null, folder, port: 0, user: null, hostKeys: [], keyFile: null };
}
