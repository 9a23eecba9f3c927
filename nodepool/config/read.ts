import type { z } from 'zod';
import { complaintsOf, valueAt } from '../../jobs/complaint.ts';
import { isError, type Problem, type SourceFile } from '../../jobs/problem.ts';
import { readYaml } from '../../jobs/yaml.ts';
import {
  baseLabel,
  type KindConfig,
  type LabelConfig,
  type PoolConfig,
  type ProviderConfig,
  type SetConfig,
} from './config.ts';
import type { PoolFiles } from './files.ts';
import { isRecord, takeOutIgnored } from './ignored.ts';
import { type At, nodesOf, wrongNames } from './names.ts';
import { type Split, withoutPools } from './pools.ts';
import { CloudImage, CloudPool, PoolDiskImage, PoolLabel } from './poolschema.ts';
import { downloadKeys, prepareKeys } from './prepare.ts';
import {
  CommandProvider,
  Image,
  Label,
  NodepoolFile,
  NodeSet,
  OpenstackProvider,
  StaticNode,
  StaticProvider,
} from './schema.ts';

export interface PoolRead {
  readonly config?: PoolConfig;
  readonly problems: readonly Problem[];
}

/**
 * Reads `nodepool.yaml`: everything that is wrong at once; warnings say what is of no use here. Never throws. `script` answers the
 * text of a script that it names.
 */
export function readPool(
  source: SourceFile,
  script: (path: string) => string | undefined = () => undefined,
): PoolRead {
  const { value, problems, places } = readYaml(source);
  if (problems.some(isError)) return { problems };
  const root: unknown = value ?? {};
  const ignored = takeOutIgnored(root, places);
  const found = [...problems, ...ignored.problems];
  const start = { file: source.name, line: 1, column: 1 };
  const parsed = NodepoolFile.safeParse(root);
  if (!parsed.success) {
    const about = { root, places, start, code: 'nodepool-invalid', keysAt };
    const said = parsed.error.issues.filter(
      ({ path: [top, index] }) =>
        !(top === 'providers' && typeof index === 'number' && ignored.foreign.has(index)),
    );
    return { problems: [...found, ...said.flatMap((issue) => complaintsOf(issue, about))] };
  }
  const at = (...path: PropertyKey[]) => {
    const key = path.at(-1);
    return typeof key === 'symbol' || key === undefined
      ? start
      : (places.of(valueAt(root, path.slice(0, -1)), key) ?? start);
  };
  found.push(...wrongNames(parsed.data, at));
  const scripts: Record<string, string> = {};
  for (const { path, place } of scriptsOf(parsed.data, at)) {
    const text = script(path);
    if (text === undefined) found.push(noScript(path, place));
    else scripts[path] = text;
  }
  if (found.some(isError)) return { problems: found };
  const files = { name: source.name, text: source.text, scripts };
  return { problems: found, config: poolOf(withoutPools(parsed.data), files) };
}

type File = z.output<typeof NodepoolFile>;

function scriptsOf(file: File, at: At): { path: string; place: Problem['at'] }[] {
  const prepare = file.labels.flatMap(({ prepare: given }, index) =>
    (given?.scripts ?? []).map((path) => ({ path, place: at('labels', index, 'prepare', 'scripts') })),
  );
  const ready = (['labels', 'node-sets'] as const).flatMap((part) =>
    file[part].flatMap(({ 'ready-script': path }, index) =>
      path === undefined ? [] : [{ path, place: at(part, index, 'ready-script') }],
    ),
  );
  return [...ready, ...prepare];
}

/** No error: the scripts of OpenStack's own file lie in its images. */
function noScript(path: string, at: Problem['at']): Problem {
  return {
    severity: 'warning',
    code: 'file-missing',
    message: `there is no script ${path}`,
    at,
    hint: 'nodes that need it are never ready; paths start where nodepool.yaml lies',
  };
}

function poolOf({ file, families }: Split, files: PoolFiles): PoolConfig {
  const labels = new Map(
    file.labels.flatMap((label): [string, LabelConfig][] => {
      const config = labelOf(label);
      const able = config.prepare === undefined ? [] : config.providers;
      const bases = able.map((provider) => baseOf(config, provider));
      return [config, ...bases].map((each) => [each.name, each]);
    }),
  );
  return {
    labels,
    sets: new Map(file['node-sets'].map((set): [string, SetConfig] => [set.name, setOf(set)])),
    providers: file.providers.map((entry) => {
      return { ...providerOf(entry, file), family: families.get(entry.name) ?? entry.name };
    }),
    maxCoresPerJob: file['max-cores-per-job'],
    maxHoldAge: file['max-hold-age'],
    files,
  };
}

function labelOf(label: File['labels'][number]): LabelConfig {
  return {
    name: label.name,
    providers: label.providers.map(({ name }) => name),
    minReady: Math.max(0, label['min-ready']),
    disabled: label['min-ready'] < 0,
    maxReadyAge: label['max-ready-age'],
    subnodes: label.subnodes,
    readyScript: label['ready-script'],
    network: label.network,
    prepare: label.prepare,
  };
}

/** One machine of a label, as it is before it is prepared; none is kept ready. */
function baseOf(label: LabelConfig, provider: string): LabelConfig {
  const alone = { minReady: 0, subnodes: 0, network: undefined, prepare: undefined };
  const name = baseLabel(label.name, provider);
  return { ...label, ...alone, name, base: label.name, providers: [provider] };
}

function setOf(set: File['node-sets'][number]): SetConfig {
  const groups = Object.fromEntries(set.groups.map(({ name, nodes }) => [name, nodes]));
  return {
    name: set.name,
    nodes: nodesOf(set),
    groups,
    readyScript: set['ready-script'],
    network: set.network,
  };
}

function providerOf(given: File['providers'][number], file: File): Omit<ProviderConfig, 'family'> {
  const { name, driver, priority } = given;
  const retries = given['launch-retries'];
  if (driver === 'static') {
    const boot = given['boot-timeout'];
    // A cleanup hook may take its time.
    const call = Math.max(boot, ...given.nodes.map((node) => node['cleanup-timeout']));
    const times = {
      rate: 0,
      apiTimeout: call,
      bootTimeout: boot,
      launchTimeout: boot,
      launchRetries: retries,
    };
    const rest = {
      limits: {},
      concurrency: Number.POSITIVE_INFINITY,
      zones: [],
      kinds: new Map(),
      hosts: hostsOf(given),
      given,
    };
    return { name, driver, priority, ...times, ...rest };
  }
  const most = given['max-servers'];
  return {
    name,
    driver,
    priority,
    limits: {
      ...(most === undefined ? {} : { instances: most }),
      ...(given['max-cores'] === undefined ? {} : { cores: given['max-cores'] }),
      ...(given['max-ram'] === undefined ? {} : { ram: given['max-ram'] }),
    },
    disabled: most !== undefined && most <= 0 ? `max-servers is ${most}` : undefined,
    concurrency: given['max-concurrency'] === 0 ? Number.POSITIVE_INFINITY : given['max-concurrency'],
    rate: given.rate,
    apiTimeout: given['api-timeout'],
    bootTimeout: given['boot-timeout'],
    launchTimeout: given['launch-timeout'],
    launchRetries: retries,
    zones: given['availability-zones'],
    kinds: kindsOf(given, file),
    hosts: new Map(),
    given,
  };
}

function hostsOf(given: Extract<File['providers'][number], { driver: 'static' }>) {
  return new Map(
    given.nodes.map((node) => [
      node.name,
      {
        user: node.username ?? given.username,
        keyFile: node['private-key'] ?? given['private-key'],
        port: node['connection-port'],
        jobUser: node['job-user'],
        workspaces: node.workspaces,
        sudo: node.sudo,
        needs: node.needs,
      },
    ]),
  );
}

function kindsOf(given: Exclude<File['providers'][number], { driver: 'static' }>, file: File) {
  const kinds = new Map<string, KindConfig>();
  for (const label of file.labels) {
    const isOffered = label['min-ready'] >= 0 && label.providers.some(({ name }) => name === given.name);
    if (!isOffered) continue;
    const wanted = label.image ?? label.name;
    const image = given.images.find((each) => each.name === wanted);
    const { cores = 0, ram } = image ?? {};
    const kind: KindConfig = {
      kind: {
        label: label.name,
        image: image?.['image-id'] ?? image?.['image-name'] ?? image?.diskimage ?? wanted,
        flavor: image?.['flavor-name'] ?? image?.['name-filter'],
        minRam: image?.['min-ram'],
        properties: { ...image },
      },
      resources: { instances: 1, cores, ram: ram ?? image?.['min-ram'] ?? 0 },
      login: {
        user: image?.username ?? given.username,
        keyFile: image?.['private-key'] ?? given['private-key'],
        port: image?.['connection-port'],
        jobUser: image?.['job-user'],
        workspaces: image?.workspaces,
        sudo: image?.sudo ?? true,
        needs: image?.needs,
      },
    };
    kinds.set(label.name, kind);
    if (label.prepare !== undefined) kinds.set(baseLabel(label.name, given.name), kind);
  }
  return kinds;
}

function keysAt(path: readonly PropertyKey[], holder: unknown): readonly string[] {
  const [top, , part, , inner] = path;
  if (top === undefined) return Object.keys(NodepoolFile.shape);
  if (part === 'prepare') return path.includes('downloads') ? downloadKeys : prepareKeys;
  if (top === 'labels') return Object.keys(Label.shape);
  if (top === 'node-sets') return Object.keys(NodeSet.shape);
  if (part === 'pools' && inner === 'labels') return Object.keys(PoolLabel.shape);
  if (part === 'pools' && inner !== 'nodes') return Object.keys(CloudPool.shape);
  if (part === 'cloud-images') return Object.keys(CloudImage.shape);
  if (part === 'diskimages') return Object.keys(PoolDiskImage.shape);
  if (part === 'images') return Object.keys(Image.shape);
  if (part === 'nodes' || inner === 'nodes') return Object.keys(StaticNode.shape);
  const driver = isRecord(holder) ? holder['driver'] : undefined;
  if (driver === 'static') return Object.keys(StaticProvider.shape);
  return Object.keys((driver === 'command' ? CommandProvider : OpenstackProvider).shape);
}
