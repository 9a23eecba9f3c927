import type { z } from 'zod';
import { parseLabel } from '../../jobs/label.ts';
import { didYouMean, type Problem } from '../../jobs/problem.ts';
import { poolName } from './pools.ts';
import type { NodepoolFile, StaticProvider } from './schema.ts';

type File = z.output<typeof NodepoolFile>;
type SetGiven = File['node-sets'][number];
/** Where something of the file stands. */
export type At = (...path: PropertyKey[]) => Problem['at'];

const QUOTAS = ['max-servers', 'max-cores', 'max-ram'] as const;

/** What a schema cannot see: names that stand for nothing, or for two things. */
export function wrongNames(file: File, at: At): Problem[] {
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
  const parts = file.providers.flatMap((each, index) =>
    each.driver === 'command' || each.pools === undefined
      ? [{ name: each.name, place: at('providers', index) }]
      : each.pools.map((pool, position) => {
          return { name: poolName(each, pool), place: at('providers', index, 'pools', position) };
        }),
  );
  twice(
    'provider',
    parts.map(({ name }) => name),
    (index) => parts[index]?.place,
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
      if (provider.driver === 'static' || (provider.driver === 'openstack' && provider.pools !== undefined))
        return;
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
      each.driver === 'static' ? hostsOf(each).flatMap((node) => [node.name, ...node.labels]) : [],
    ),
  ];
  file.providers.forEach((provider, index) => {
    const here = (...path: PropertyKey[]) => at('providers', index, ...path);
    const both = (keys: readonly string[], what: string) => {
      for (const key of keys) say(`with \`pools\`, ${what}`, here(key), undefined, 'nodepool-invalid');
    };
    if (provider.driver === 'static') {
      if (provider.pools !== undefined && provider.nodes.length > 0)
        both(['nodes'], 'nodes stand in each pool');
      if (hostsOf(provider).length === 0)
        say(`provider \`${provider.name}\` has no \`nodes\``, here('name'), undefined, 'nodepool-invalid');
      return;
    }
    if (provider.driver === 'command' && provider.snapshot !== undefined) {
      for (const key of ['list-images', 'delete-image'] as const) {
        if (provider[key] !== undefined) continue;
        const message = `\`snapshot\` of provider \`${provider.name}\` needs \`${key}\`, too`;
        say(message, here('snapshot'), 'images that nobody lists or deletes pile up', 'nodepool-invalid');
      }
    }
    if (provider.driver !== 'openstack' || provider.pools === undefined) return;
    both(
      QUOTAS.filter((key) => provider[key] !== undefined),
      'quotas stand in each pool',
    );
    if (provider.images.length > 0) both(['images'], 'images are named by its labels');
    const known = file.labels.map(({ name }) => name);
    provider.pools.forEach((pool, position) => {
      pool.labels.forEach(({ name }, place) => {
        if (!known.includes(name))
          unknown('label', name, known, here('pools', position, 'labels', place, 'name'));
      });
    });
  });
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

function hostsOf({ nodes, pools = [] }: z.output<typeof StaticProvider>) {
  return [...nodes, ...pools.flatMap((pool) => pool.nodes)];
}

/** The nodes of a set, the primary first. */
export function nodesOf({ nodes, primary = '', subnodes = 0 }: SetGiven): { name: string; label: string }[] {
  if (nodes !== undefined) {
    // The one that is called so comes first.
    return nodes.toSorted((a, b) => Number(b.name === 'primary') - Number(a.name === 'primary'));
  }
  const { label, count } = typeof subnodes === 'number' ? { label: primary, count: subnodes } : subnodes;
  const others = Array.from({ length: count }, (_, index) => ({ name: `subnode-${index + 1}`, label }));
  return [{ name: 'primary', label: primary }, ...others];
}
