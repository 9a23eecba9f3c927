import type { LeasedNode } from '../pipelines/ports.ts';
import type { LoginConfig, ProviderConfig } from './config/config.ts';
import type { NodeRecord } from './node.ts';
import type { Place } from './provider.ts';
import { slotOf } from './providers/place.ts';
import type { Member } from './shape.ts';

/** A node as the build sees it. */
export function leasedNode(
  node: NodeRecord,
  member: Member | undefined,
  config: ProviderConfig | undefined,
  place: Place | undefined,
): LeasedNode {
  const { machine } = node;
  return {
    id: node.place ?? node.id,
    node: node.id,
    name: place?.host ?? `${node.label}-${node.provider}-${node.id}`,
    label: node.label,
    labels: place?.labels ?? [node.label],
    slot: place === undefined ? 0 : slotOf(place.id),
    role: member?.role ?? 'primary',
    provider: node.provider,
    root: '',
    ...given({
      member: member?.name,
      zone: node.zone === '' ? undefined : node.zone,
      region: machine?.region,
      machine: machine?.id,
      address: machine?.address,
      privateAddress: machine?.privateAddress ?? machine?.address,
      ssh: accessOf(node, config, place),
    }),
  };
}

function accessOf(
  { machine, label }: NodeRecord,
  config: ProviderConfig | undefined,
  place: Place | undefined,
): LeasedNode['ssh'] {
  if (machine?.address === undefined) return undefined;
  const login = loginOf(config, label, place);
  return {
    port: machine.port ?? login.port ?? 22,
    hostKeys: machine.hostKeys ?? [],
    ...given({
      user: machine.user ?? login.user,
      keyFile: machine.keyFile ?? login.keyFile,
      jobUser: login.jobUser,
      workspaces: login.workspaces,
      sudo: login.sudo,
    }),
  };
}

/** What the configuration says of entering a node. */
export function loginOf(
  config: ProviderConfig | undefined,
  label: string,
  place: Pick<Place, 'host'> | undefined,
): LoginConfig {
  if (config === undefined) return {};
  return (place === undefined ? config.kinds.get(label)?.login : config.hosts.get(place.host)) ?? {};
}

type Given<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** Without the fields that are not known. */
function given<T extends object>(fields: T): Given<T> {
  const known = Object.entries(fields).filter(([, value]) => value !== undefined);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the same fields, less those without a value
  return Object.fromEntries(known) as Given<T>;
}
