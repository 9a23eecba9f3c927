import type { z } from 'zod';
import { parseLabel } from '../../jobs/label.ts';
import { didYouMean, isError, type Problem, type SourceFile } from '../../jobs/problem.ts';
import { readYaml } from '../../jobs/yaml.ts';
import { complaintsOf, valueAt } from './complaint.ts';
import type { KindConfig, LabelConfig, PoolConfig, ProviderConfig, SetConfig } from './config.ts';
import type { PoolFiles } from './files.ts';
import { isRecord, takeOutIgnored } from './ignored.ts';
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
 * text of a ready script.
 */
export function readPool(
  source: SourceFile,
  script: (path: string) => string | undefined = () => undefined,
): PoolRead {
  const { value, problems, places } = readYaml(source);
  if (problems.some(isError)) return { problems };
  const root: unknown = value ?? {};
  const found = [...problems, ...takeOutIgnored(root, places)];
  const start = { file: source.name, line: 1, column: 1 };
  const parsed = NodepoolFile.safeParse(root);
  if (!parsed.success) {
    const about = { root, places, start, keysAt };
    return { problems: [...found, ...parsed.error.issues.flatMap((issue) => complaintsOf(issue, about))] };
  }
  const at = (...path: PropertyKey[]) => {
    const key = path.at(-1);
    return typeof key === 'symbol' || key === undefined
      ? start
      : (places.of(valueAt(root, path.slice(0, -1)), key) ?? start);
  };
  found.push(...wrongNames(parsed.data, at));
  const scripts: Record<string, string> = {};
  for (const { path, place } of readyScripts(parsed.data, at)) {
    const text = script(path);
    if (text === undefined) found.push(noScript(path, place));
    else scripts[path] = text;
  }
  if (found.some(isError)) return { problems: found };
  const files = { name: source.name, text: source.text, scripts };
  return { problems: found, config: poolOf(parsed.data, files) };
}

type File = z.output<typeof NodepoolFile>;
type At = (...path: PropertyKey[]) => Problem['at'];

/** What a schema cannot see: names that stand for nothing, or for two things. */
function wrongNames(file: File, at: At): Problem[] {
  const problems: Problem[] = [];
  const say = (message: string, place: Problem['at'], hint?: string, code = 'unknown-name') =>
    problems.push({ severity: 'error', code, message, at: place, hint });
  const unknown = (what: string, name: string, known: readonly string[], place: Problem['at']) => {
    const near = didYouMean(name, known);
    const list = known.length === 0 ? 'there is none' : `known: ${known.join(', ')}`;
    say(`there is no ${what} \`${name}\``, place, near === undefined ? list : `did you mean \`${near}\`?`);
  };
  const twice = (what: string, names: readonly string[], place: (index: number) => Problem['at']) => {
    names.forEach((name, index) => {
      if (names.indexOf(name) === index) return;
      say(`${what} \`${name}\` is defined twice`, place(index), undefined, 'duplicate-name');
    });
  };
  twice(
    'provider',
    file.providers.map(({ name }) => name),
    (index) => at('providers', index),
  );
  twice(
    'label or node set',
    [...file.labels, ...file['node-sets']].map(({ name }) => name),
    (index) =>
      index < file.labels.length ? at('labels', index) : at('node-sets', index - file.labels.length),
  );

  const providers = new Map(file.providers.map((provider) => [provider.name, provider]));
  file.labels.forEach((label, index) => {
    label.providers.forEach(({ name }, position) => {
      const place = at('labels', index, 'providers', position);
      const provider = providers.get(name);
      if (provider === undefined) return unknown('provider', name, [...providers.keys()], place);
      if (provider.driver === 'static') return;
      const images = provider.images.map((image) => image.name);
      const image = label.image ?? label.name;
      if (images.length > 0 && !images.includes(image)) {
        unknown(
          `image at provider ${name}`,
          image,
          images,
          at('labels', index, label.image === undefined ? 'name' : 'image'),
        );
      }
    });
  });
  const labels = [
    ...file.labels.map(({ name }) => name),
    ...file.providers.flatMap((each) =>
      each.driver === 'static' ? each.nodes.flatMap((node) => [node.name, ...node.labels]) : [],
    ),
  ];
  file['node-sets'].forEach((set, index) => {
    const here = (...path: PropertyKey[]) => at('node-sets', index, ...path);
    const known = (label: string, place: Problem['at']) => {
      if (parseLabel(label).kind === 'parsed' && /^[\w.-]+$/.test(label) && !labels.includes(label))
        unknown('label', label, [...new Set(labels)], place);
    };
    if ((set.nodes === undefined) === (set.primary === undefined)) {
      const message = `node set \`${set.name}\` needs either \`primary\` (with \`subnodes\`) or \`nodes\``;
      say(message, here('name'), undefined, 'nodepool-invalid');
    }
    if (set.primary !== undefined) known(set.primary, here('primary'));
    if (typeof set.subnodes === 'object') known(set.subnodes.label, here('subnodes', 'label'));
    set.nodes?.forEach(({ label }, position) => known(label, here('nodes', position, 'label')));
    const names = set.nodes?.map(({ name }) => name) ?? nodesOf(set).map(({ name }) => name);
    twice('node', names, (position) => here('nodes', position));
    set.groups.forEach((group, position) => {
      group.nodes.forEach((name, place) => {
        if (!names.includes(name)) unknown('node', name, names, here('groups', position, 'nodes', place));
      });
    });
  });
  return problems;
}

function readyScripts(file: File, at: At): { path: string; place: Problem['at'] }[] {
  return (['labels', 'node-sets'] as const).flatMap((part) =>
    file[part].flatMap(({ 'ready-script': path }, index) =>
      path === undefined ? [] : [{ path, place: at(part, index, 'ready-script') }],
    ),
  );
}

/** No error: the scripts of OpenStack's own file lie in its images. */
function noScript(path: string, at: Problem['at']): Problem {
  return {
    severity: 'warning',
    code: 'file-missing',
    message: `there is no ready script ${path}`,
    at,
    hint: 'nodes that need it are never ready; paths start where nodepool.yaml lies',
  };
}

function poolOf(file: File, files: PoolFiles): PoolConfig {
  const labels = new Map(file.labels.map((label): [string, LabelConfig] => [label.name, labelOf(label)]));
  return {
    labels,
    sets: new Map(file['node-sets'].map((set): [string, SetConfig] => [set.name, setOf(set)])),
    providers: file.providers.map((entry) => providerOf(entry, file)),
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
  };
}

type SetGiven = File['node-sets'][number];

function setOf(set: SetGiven): SetConfig {
  const groups = Object.fromEntries(set.groups.map(({ name, nodes }) => [name, nodes]));
  return {
    name: set.name,
    nodes: nodesOf(set),
    groups,
    readyScript: set['ready-script'],
    network: set.network,
  };
}

function nodesOf({ nodes, primary = '', subnodes = 0 }: SetGiven): { name: string; label: string }[] {
  if (nodes !== undefined) {
    // The one that is called so comes first.
    return nodes.toSorted((a, b) => Number(b.name === 'primary') - Number(a.name === 'primary'));
  }
  const { label, count } = typeof subnodes === 'number' ? { label: primary, count: subnodes } : subnodes;
  const others = Array.from({ length: count }, (_, index) => ({ name: `subnode-${index + 1}`, label }));
  return [{ name: 'primary', label: primary }, ...others];
}

function providerOf(given: File['providers'][number], file: File): ProviderConfig {
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
    kinds.set(label.name, {
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
    });
  }
  return kinds;
}

function keysAt(path: readonly PropertyKey[], holder: unknown): readonly string[] {
  const [top, , part] = path;
  if (top === undefined) return Object.keys(NodepoolFile.shape);
  if (top === 'labels') return Object.keys(Label.shape);
  if (top === 'node-sets') return Object.keys(NodeSet.shape);
  if (part === 'images') return Object.keys(Image.shape);
  if (part === 'nodes') return Object.keys(StaticNode.shape);
  const driver = isRecord(holder) ? holder['driver'] : undefined;
  if (driver === 'static') return Object.keys(StaticProvider.shape);
  return Object.keys((driver === 'command' ? CommandProvider : OpenstackProvider).shape);
}
