import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { renderProblems } from '../../jobs/problem.ts';
import { shapeOf } from '../shape.ts';
import { readPool } from './read.ts';

const read = (text: string) => readPool({ name: 'nodepool.yaml', text });

function configOf(text: string) {
  const { config, problems } = read(text);
  if (config === undefined) throw new Error(renderProblems(problems));
  return config;
}

const small = `
labels:
  - name: jammy
    image: ubuntu-jammy
    min-ready: 2
    max-ready-age: 8h
    providers: [{name: lab}]
  - name: jammy-2-node
    image: ubuntu-jammy
    subnodes: 1
    providers: [lab]
node-sets:
  - name: dvr-ha
    primary: jammy
    subnodes: 2
    network: dvr-ha
  - name: named
    nodes:
      - {name: compute, label: jammy}
      - {name: primary, label: jammy}
    groups:
      - {name: switch, nodes: [primary]}
    network: {topology: br-infra, mtu: 1400}
providers:
  - name: lab
    driver: command
    create: [/usr/local/bin/lab, create]
    list: [/usr/local/bin/lab, list]
    delete: [/usr/local/bin/lab, delete]
    max-servers: 6
    boot-timeout: 120
    rate: 0.5
    images:
      - {name: ubuntu-jammy, min-ram: 8192, cores: 4, username: zuul}
`;

test('reads labels, node sets and providers, in ms', () => {
  const config = configOf(small);
  expect(config.labels.get('jammy')).toMatchObject({ minReady: 2, maxReadyAge: 8 * 3_600_000 });
  const [lab] = config.providers;
  expect(lab).toMatchObject({ limits: { instances: 6 }, bootTimeout: 120_000, rate: 500, launchRetries: 3 });
  expect(lab?.kinds.get('jammy')).toMatchObject({
    kind: { image: 'ubuntu-jammy', minRam: 8192 },
    resources: { instances: 1, cores: 4, ram: 8192 },
    login: { user: 'zuul' },
  });
});

test('a label, a label with subnodes, and node sets all become members', () => {
  const config = configOf(small);
  const names = (spec: { label: string; subnodes?: number }) => {
    const read = shapeOf(spec, config);
    return read.kind === 'wrong' ? read.reason : read.shape.members.map((member) => member.name);
  };
  expect(names({ label: 'jammy' })).toEqual(['primary']);
  expect(names({ label: 'jammy', subnodes: 2 })).toEqual(['primary', 'subnode-1', 'subnode-2']);
  expect(names({ label: 'jammy-2-node' })).toEqual(['primary', 'subnode-1']);
  expect(names({ label: 'dvr-ha' })).toHaveLength(3);
  expect(names({ label: 'named' })).toEqual(['primary', 'compute']);
  expect(names({ label: 'named', subnodes: 1 })).toMatch(
    /the node set named says itself how many nodes it has/,
  );
  expect(names({ label: 'jammy &&' })).toMatch(/no label expression/);
  const ha = shapeOf({ label: 'dvr-ha' }, config);
  expect(ha.kind === 'shape' && ha.shape.network).toMatchObject({ topology: 'dvr-ha' });
});

describe('says what is wrong', () => {
  const cases: readonly [string, string, string][] = [
    ['min-ready: 2', 'min-redy: 2', '5:5: error[unknown-key]: unknown key `min-redy` in labels[0]'],
    ['max-servers: 6', 'max-server: 6', 'did you mean `max-servers`?'],
    ['providers: [{name: lab}]', 'providers: [{name: lob}]', 'there is no provider `lob`'],
    ['image: ubuntu-jammy\n    min', 'image: ubuntu-jamy\n    min', 'did you mean `ubuntu-jammy`?'],
    ['primary: jammy', 'primary: jmmy', 'did you mean `jammy`?'],
    ['nodes: [primary]', 'nodes: [primry]', 'there is no node `primry`'],
    ['network: dvr-ha', 'network: dvr-hq', 'node-sets[0].network'],
    ['driver: command', 'driver: comand', 'providers[0].driver'],
    ['boot-timeout: 120', 'boot-timeout: soon', 'expected seconds, or a duration'],
    ['name: jammy-2-node', 'name: jammy', '`jammy` is defined twice'],
    ['primary: jammy\n', '\n', 'needs either `primary` (with `subnodes`) or `nodes`'],
  ];
  test.each(cases)('%s → %s', (right, wrong, complaint) => {
    expect(small).toContain(right);
    const { config, problems } = read(small.replace(right, wrong));
    expect(config).toBe(undefined);
    expect(renderProblems(problems)).toContain(complaint);
    expect(problems.every((problem) => problem.at !== undefined)).toBe(true);
  });
});

const openstack = new URL(
  '../../../shared/conformance/zuul-v2/openstack/jenkins/nodepool/nodepool.yaml',
  import.meta.url,
);

test.skipIf(!existsSync(openstack))("OpenStack's own file loads, and says what it ignores", () => {
  const { config, problems } = readPool({ name: 'nodepool.yaml', text: readFileSync(openstack, 'utf8') });
  expect(problems.filter((problem) => problem.severity === 'error')).toEqual([]);
  const ignored = problems.map((problem) => /`(.*?)` is ignored/.exec(problem.message)?.[1]);
  for (const key of ['elements-dir', 'cron', 'zmq-publishers', 'gearman-servers', 'targets', 'diskimages'])
    expect(ignored).toContain(key);
  expect(config?.labels.size).toBe(13);
  expect(config?.providers).toHaveLength(14);
  expect(config?.providers.find(({ name }) => name === 'rax-dfw')?.disabled).toBe('max-servers is 0');
  expect(config?.labels.get('ubuntu-xenial-3-node')).toMatchObject({ subnodes: 2 });
});
