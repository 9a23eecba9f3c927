import { z } from 'zod';
import type { Row } from '../pipelines/ports.ts';
import { standingOf } from './changing.ts';
import type { PoolConfig, ProviderConfig } from './config/config.ts';
import { leaving } from './config/standing.ts';
import { ConfigRecord, HoldRecord, NodeRecord, OfflineRecord, RequestRecord } from './node.ts';
import type { PoolRecords } from './records.ts';

/** What people see of the pool: from the records, so that any process can show it. Times are ms since the epoch. */

export interface NodeView {
  readonly id: string;
  readonly provider: string;
  readonly label: string;
  readonly state: string;
  /** Why it is held, failed, lost, or not deleted yet. */
  readonly reason: string | null;
  readonly machine: string | null;
  readonly address: string | null;
  readonly privateAddress: string | null;
  readonly zone: string | null;
  readonly host: string | null;
  readonly build: string | null;
  readonly job: string | null;
  readonly request: string | null;
  readonly createdAt: number;
  readonly stateAt: number;
  /** A held node is deleted then. */
  readonly until: number | null;
}

export interface NodeRequestView {
  readonly id: string;
  readonly job: string;
  readonly pipeline: string;
  readonly precedence: string;
  readonly label: string;
  readonly state: string;
  readonly nodes: readonly string[];
  readonly since: number;
  /** Why it waits; null when it does not. */
  readonly why: string | null;
}

export interface HoldView {
  readonly id: string;
  readonly project: string;
  readonly job: string;
  readonly change: string | null;
  readonly ref: string | null;
  readonly reason: string;
  readonly by: string;
  readonly count: number;
  readonly caught: number;
  readonly nodeExpiration: number | null;
  readonly at: number;
}

export interface LabelView {
  readonly name: string;
  readonly providers: readonly string[];
  readonly minReady: number;
  readonly ready: number;
  readonly inUse: number;
  readonly building: number;
  readonly waiting: number;
}

export interface ProviderStateView {
  readonly name: string;
  readonly driver: string;
  readonly nodes: number;
  readonly limit: number | null;
  readonly offline: string | null;
  readonly hosts: readonly { readonly name: string; readonly offline: string | null }[];
}

export interface PoolRowsRead {
  readonly nodes: readonly NodeRecord[];
  readonly requests: readonly RequestRecord[];
  readonly holds: readonly HoldRecord[];
  readonly offline: readonly OfflineRecord[];
  readonly config: ConfigRecord | undefined;
  /** Why requests wait, as the launcher last wrote it down for other processes. */
  readonly why: ReadonlyMap<string, string>;
}

/** By request. */
const Why = z.record(z.string(), z.string());

/** The row that tells other processes why requests wait. */
export function whyRow(waiting: readonly { readonly id: string; readonly why: string }[]): Row {
  return { table: 'why', key: 'all', value: Object.fromEntries(waiting.map(({ id, why }) => [id, why])) };
}

export async function readPoolRows(records: PoolRecords): Promise<PoolRowsRead> {
  const rows = await records.all();
  const of = (table: string) => rows.filter((row) => row.table === table).map((row) => row.value);
  return {
    nodes: of('node').map((value) => NodeRecord.parse(value)),
    requests: of('request').map((value) => RequestRecord.parse(value)),
    holds: of('hold').map((value) => HoldRecord.parse(value)),
    offline: of('offline').map((value) => OfflineRecord.parse(value)),
    config: of('config').map((value) => ConfigRecord.parse(value))[0],
    why: new Map(Object.entries(Why.catch({}).parse(of('why')[0] ?? {}))),
  };
}

export function nodeView(node: NodeRecord): NodeView {
  const { state, machine } = node;
  const reason = 'reason' in state ? state.reason : undefined;
  const keep = node.keep === undefined ? undefined : `held when it is given back: ${node.keep.reason}`;
  return {
    id: node.id,
    provider: node.provider,
    label: node.label,
    state: state.phase === 'failed' && state.quarantine === true ? 'quarantine' : state.phase,
    reason: reason ?? keep ?? null,
    machine: machine?.id ?? null,
    address: machine?.address ?? null,
    privateAddress: machine?.privateAddress ?? null,
    zone: node.zone === undefined || node.zone === '' ? null : node.zone,
    host: node.place?.split('/')[0] ?? null,
    build: node.build ?? null,
    job: node.job ?? null,
    request: node.request ?? null,
    createdAt: node.createdAt,
    stateAt: node.phaseAt,
    until: state.phase === 'held' ? (state.until ?? null) : null,
  };
}

export function requestView(
  request: RequestRecord,
  nodes: readonly NodeRecord[],
  why: string | undefined,
): NodeRequestView {
  const { id, job, pipeline, precedence, state, since } = request;
  const own = nodes.filter((node) => node.request === id).map((node) => node.id);
  const label = request.nodes.label;
  return { id, job, pipeline, precedence, label, state: state.phase, nodes: own, since, why: why ?? null };
}

export function holdView(hold: HoldRecord): HoldView {
  const { change = null, ref = null, nodeExpiration = null, ...rest } = hold;
  return { ...rest, change, ref, nodeExpiration };
}

export function labelViews(config: PoolConfig, { nodes, requests }: PoolRowsRead): LabelView[] {
  const shown = [...config.labels.values()].filter(({ base }) => base === undefined);
  return shown.map(({ name, providers, minReady }) => {
    const own = nodes.filter((node) => node.label === name);
    const count = (...phases: string[]) => own.filter((node) => phases.includes(node.state.phase)).length;
    const waiting = requests.filter(
      (request) => request.state.phase !== 'granted' && request.nodes.label === name,
    ).length;
    return {
      name,
      providers,
      minReady,
      ready: count('ready'),
      inUse: count('in-use'),
      building: count('building', 'testing'),
      waiting,
    };
  });
}

export interface ProviderSaid {
  readonly name: string;
  readonly driver: string;
  readonly limit?: number | undefined;
  readonly hosts: readonly string[];
}

/** What nodepool.yaml says of a provider, for people. */
export function saidOf({ name, driver, limits, hosts }: ProviderConfig): ProviderSaid {
  return { name, driver, limit: limits.instances, hosts: [...hosts.keys()] };
}

/** Those of the configuration, and those that were taken out of it and still have nodes. */
export function providerViews(
  providers: readonly ProviderSaid[],
  { nodes, offline, config }: PoolRowsRead,
): ProviderStateView[] {
  const standing = config === undefined || config.old.length === 0 ? undefined : standingOf(config);
  const leaves = (provider: string, host?: string) => leaving(standing?.providers.get(provider), host);
  const why = (provider: string, host?: string) =>
    offline.find((each) => each.provider === provider && each.host === host)?.reason ??
    (host === undefined || leaves(provider) === undefined ? leaves(provider, host) : undefined) ??
    null;
  const known = new Set(providers.map(({ name }) => name));
  const gone = [...(standing?.providers.values() ?? [])].filter((each) => !known.has(each.config.name));
  return [...providers, ...gone.map((each) => saidOf(each.config))].map(({ name, driver, limit, hosts }) => {
    const old = [...(standing?.providers.get(name)?.oldHosts.keys() ?? [])];
    return {
      name,
      driver,
      nodes: nodes.filter((node) => node.provider === name).length,
      limit: limit ?? null,
      offline: why(name),
      hosts: [...new Set([...hosts, ...old])].map((host) => ({ name: host, offline: why(name, host) })),
    };
  });
}
