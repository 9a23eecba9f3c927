import { describe, expect, test } from 'vitest';
import { renderProblems } from '../../jobs/problem.ts';
import { readPool } from './read.ts';

const read = (text: string) => readPool({ name: 'nodepool.yaml', text });

/** As OpenDev writes them, with everything that third parties use. */
const opendev = `
zookeeper-servers: [{host: zk01.example.org, port: 2281}]
labels:
  - {name: ubuntu-jammy, min-ready: 1}
  - {name: ubuntu-jammy-large}
  - {name: debian-bookworm}
diskimages: [{name: ubuntu-jammy, elements: [vm]}]
providers:
  - name: rax-dfw
    driver: openstack
    region-name: DFW
    cloud: rax
    boot-timeout: 120
    launch-timeout: 600
    rate: 0.5
    max-concurrency: 3
    private-key: keys/zuul
    cloud-images:
      - {name: bookworm, image-name: Debian 12, username: debian, python-path: auto, connection-type: ssh}
    diskimages:
      - {name: ubuntu-jammy, config-drive: true, meta: {owner: ci}}
    pools:
      - name: main
        max-servers: 140
        auto-floating-ip: false
        availability-zones: [nova, nova2]
        networks: [private]
        node-attributes: {executor-zone: dfw}
        labels:
          - {name: ubuntu-jammy, min-ram: 8192, flavor-name: Performance, diskimage: ubuntu-jammy, key-name: infra, host-key-checking: true, console-log: true}
          - {name: debian-bookworm, flavor-name: m1.large, cloud-image: bookworm, boot-from-volume: true, volume-size: 80}
      - name: large
        max-cores: 64
        max-ram: 131072
        labels:
          - {name: ubuntu-jammy-large, min-ram: 16384, diskimage: ubuntu-jammy}
  - name: rack
    driver: static
    pools:
      - name: only
        nodes: [{name: 192.0.2.5, labels: debian-bookworm, username: debian, connection-type: ssh}]
`;

test('pools become providers with quotas of their own, which launch at one pace', () => {
  const { config, problems } = read(opendev);
  if (config === undefined) throw new Error(renderProblems(problems));
  const ignored = problems.map(({ message }) => /`(.*?)` is ignored/.exec(message)?.[1] ?? message);
  expect(new Set(ignored)).toEqual(
    new Set([
      'zookeeper-servers',
      'diskimages',
      'python-path',
      'connection-type',
      'node-attributes',
      'console-log',
      'host-key-checking',
    ]),
  );
  const [main, large, rack] = config.providers;
  expect(main).toMatchObject({
    name: 'rax-dfw.main',
    family: 'rax-dfw',
    limits: { instances: 140 },
    zones: ['nova', 'nova2'],
    concurrency: 3,
    // Two pools knock at one door, twice a second together.
    rate: 1000,
    given: { 'auto-floating-ip': false, networks: ['private'], 'region-name': 'DFW', cloud: 'rax' },
  });
  expect(main?.kinds.get('ubuntu-jammy')).toMatchObject({
    kind: { image: 'ubuntu-jammy', flavor: 'Performance', minRam: 8192 },
    login: { keyFile: 'keys/zuul', sudo: true },
  });
  expect(main?.kinds.get('ubuntu-jammy')?.kind.properties).toMatchObject({
    'key-name': 'infra',
    'config-drive': true,
    meta: { owner: 'ci' },
  });
  expect(main?.kinds.get('debian-bookworm')).toMatchObject({
    kind: {
      image: 'Debian 12',
      flavor: 'm1.large',
      properties: { 'boot-from-volume': true, 'volume-size': 80 },
    },
    login: { user: 'debian' },
  });
  expect([...(main?.kinds.keys() ?? [])]).toEqual(['ubuntu-jammy', 'debian-bookworm']);
  expect(large).toMatchObject({
    name: 'rax-dfw.large',
    family: 'rax-dfw',
    limits: { cores: 64, ram: 131_072 },
  });
  expect(large?.given).toMatchObject({ 'auto-floating-ip': true });
  expect([...(large?.kinds.keys() ?? [])]).toEqual(['ubuntu-jammy-large']);
  expect(rack).toMatchObject({ name: 'rack', driver: 'static', given: { nodes: [{ name: '192.0.2.5' }] } });
  expect(config.labels.get('ubuntu-jammy')).toMatchObject({ providers: ['rax-dfw.main'], minReady: 1 });
});

describe('says what means nothing here, or is wrong', () => {
  const cases: readonly [string, string, string][] = [
    [
      'max-cores: 64',
      'max-volumes: 9',
      '`max-volumes`: volumes are not counted here: limit the pool by `max-servers`',
    ],
    [
      'min-ram: 16384',
      'dynamic-instance-properties: {a: b}, min-ram: 1',
      'machines are not made for one request',
    ],
    [
      'host-key-checking: true',
      'host-key-checking: false',
      'a node is only entered when its host key is known',
    ],
    [
      'labels: debian-bookworm, username: debian, connection-type: ssh',
      'labels: w, connection-type: winrm',
      'nodes are only entered over SSH',
    ],
    ['driver: openstack', 'driver: aws', 'there is no aws driver: make its machines by programs of your own'],
    ['driver: static', 'driver: metastatic', 'lend one machine to several jobs by `max-parallel-jobs`'],
    [
      'zookeeper-servers: [{host: zk01.example.org, port: 2281}]',
      'tenant-resource-limits: []',
      'there is one tenant here',
    ],
    ['name: debian-bookworm, flavor', 'name: debian-bokworm, flavor', 'did you mean `debian-bookworm`?'],
    [
      'cloud-image: bookworm,',
      'cloud-image: bookworm, diskimage: x,',
      'names either a `cloud-image` or a `diskimage`',
    ],
    ['min-ram: 16384, ', '', 'needs `flavor-name` or `min-ram`'],
    ['max-servers: 140', 'max-server: 140', 'did you mean `max-servers`?'],
    ['    rate: 0.5', '    max-servers: 5', 'with `pools`, quotas stand in each pool'],
    ['- name: large', '- name: main', 'provider `rax-dfw.main` is defined twice'],
  ];
  test.each(cases)('%s → %s', (right, wrong, complaint) => {
    expect(opendev).toContain(right);
    const { config, problems } = read(opendev.replace(right, wrong));
    expect(config).toBe(undefined);
    expect(renderProblems(problems)).toContain(complaint);
    const errors = problems.filter(({ severity }) => severity === 'error');
    expect(errors).toHaveLength(1);
    expect(errors.every((problem) => (problem.at?.line ?? 0) > 1)).toBe(true);
  });
});
