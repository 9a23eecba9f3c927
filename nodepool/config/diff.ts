import { readYaml } from '../../jobs/yaml.ts';
import {
  type Changes,
  compare,
  countsOf,
  type FieldChange,
  fieldChanges,
  fieldLines,
} from '../../pipelines/layout/diff.ts';
import type { PoolFiles } from './files.ts';
import { isRecord } from './ignored.ts';

/** What another nodepool.yaml changes, in its own words: for the log of a reload and for whoever asked for it. */
export interface PoolDiff {
  readonly changes: readonly string[];
  /** `1 provider changed, 2 labels added`; empty: nothing. */
  readonly summary: string;
}

type Things = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

export function diffPools(before: PoolFiles, after: PoolFiles): PoolDiff {
  const [old, now] = [thingsOf(before), thingsOf(after)];
  const sections = KINDS.map((kind): [string, Changes<FieldChange[]>] => [
    kind,
    compare(old[kind], now[kind], fieldChanges),
  ]);
  return {
    changes: sections.flatMap(([kind, { added, removed, changed }]) => [
      ...removed.map((name) => `- ${kind} ${name}`),
      ...added.map((name) => `+ ${kind} ${name}`),
      ...fieldLines(kind, changed),
    ]),
    summary: sections.flatMap(([kind, changes]) => countsOf(kind, changes)).join(', '),
  };
}

const KINDS = ['provider', 'pool', 'host', 'image', 'label', 'node set', 'script', 'setting'] as const;
/** They are things of their own. */
const PARTS = new Set(['nodes', 'images', 'pools']);

function thingsOf({ name, text, scripts }: PoolFiles): Record<(typeof KINDS)[number], Things> {
  const { value } = readYaml({ name, text });
  const root = isRecord(value) ? value : {};
  const providers = listOf(root['providers']);
  const parts = (key: string) =>
    providers.flatMap((provider) =>
      listOf(provider[key]).map((each) => ({ ...each, name: `${nameOf(provider)}/${nameOf(each)}` })),
    );
  const whole = providers.map((each) =>
    Object.fromEntries(Object.entries(each).filter(([key]) => !PARTS.has(key))),
  );
  const settings = ['max-cores-per-job', 'max-hold-age'].flatMap((key) =>
    root[key] === undefined ? [] : [{ name: key, value: root[key] }],
  );
  return {
    provider: byName(whole),
    pool: byName(parts('pools')),
    host: byName(parts('nodes')),
    image: byName(parts('images')),
    label: byName(listOf(root['labels'])),
    'node set': byName(listOf(root['node-sets'])),
    script: byName(Object.entries(scripts).map(([path, content]) => ({ name: path, content }))),
    setting: byName(settings),
  };
}

function listOf(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value) ? value.filter(isRecord) : [];
}

function nameOf({ name }: Readonly<Record<string, unknown>>): string {
  return typeof name === 'string' || typeof name === 'number' ? String(name) : '?';
}

function byName(list: readonly Readonly<Record<string, unknown>>[]): Things {
  return Object.fromEntries(list.map((each) => [nameOf(each), each]));
}
