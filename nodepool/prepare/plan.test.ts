import { expect, test } from 'vitest';
import { fakeCloud } from '../../test/fakes/cloud/cloud.ts';
import { seeded, virtualTime } from '../../test/fakes/cloud/time.ts';
import { readPool } from '../config/read.ts';
import type { Provider } from '../provider.ts';
import { openStaticProvider } from '../providers/static.ts';
import { digestOf, planTargets, type Wish } from './plan.ts';

const text = `labels:
  - {name: jammy, image: ubuntu, providers: [able, unable], prepare: {}}
  - {name: array, prepare: {projects: []}}
  - {name: plain, image: ubuntu, providers: [able]}
providers:
  - {name: able, driver: command, create: [c], list: [l], delete: [d]}
  - {name: unable, driver: command, create: [c], list: [l], delete: [d]}
  - driver: static
    name: rack
    nodes:
      - {name: a-1, labels: [array], max-parallel-jobs: 2}
      - {name: a-2, labels: [array, other]}
      - {name: b-1, labels: [other]}
`;
const { config } = readPool({ name: 'nodepool.yaml', text });
if (config === undefined) throw new Error('not read');

function providerOf(name: string): Provider {
  const given = config?.providers.find((each) => each.name === name)?.given;
  if (given?.driver === 'static') return openStaticProvider(given, { forget: () => Promise.resolve() });
  const cloud = fakeCloud(name, 'site', {
    quota: 1,
    bootTime: () => 1,
    latency: () => 1,
    random: seeded(1),
    timer: virtualTime(),
  });
  const snapshot: Provider['snapshot'] = () => Promise.resolve({ kind: 'saved', image: 'image' });
  return name === 'able' ? { ...cloud, snapshot } : cloud;
}
const desks = new Map(
  config.providers.map((each) => [each.name, { provider: providerOf(each.name), config: each }]),
);
const plan = (label: string, wish: Partial<Wish> = {}) =>
  planTargets(label, { snapshot: true, keep: false, ...wish }, config, desks);

test('a machine at each provider that can save it; the others are named', () => {
  expect(plan('jammy')).toMatchObject({
    kind: 'targets',
    targets: [{ provider: 'able', places: 1 }],
    remarks: [expect.stringContaining('unable cannot save images')],
  });
  expect(plan('jammy', { snapshot: false })).toMatchObject({
    targets: [{ provider: 'able' }, { provider: 'unable' }],
    remarks: [],
  });
  expect(plan('jammy', { provider: 'unable' })).toMatchObject({
    kind: 'conflict',
    reason: expect.stringContaining('--no-snapshot'),
  });
});

test('every host with the label, with all its places', () => {
  expect(plan('array')).toMatchObject({
    targets: [
      { provider: 'rack', host: 'a-1', places: 2 },
      { provider: 'rack', host: 'a-2', places: 1 },
    ],
  });
});

test('what is not there is said, with what is', () => {
  expect(plan('plain')).toMatchObject({
    kind: 'absent',
    reason: 'the label plain has nothing to prepare',
    hint: expect.stringContaining('it is there for jammy, array'),
  });
  expect(plan('jamy')).toMatchObject({ kind: 'absent', reason: 'there is no label jamy' });
  expect(plan('jammy@able')).toMatchObject({ kind: 'absent' });
  expect(plan('jammy', { provider: 'rak' })).toMatchObject({
    kind: 'absent',
    reason: 'there is no provider rak; known: able, unable, rack',
  });
  expect(plan('array', { provider: 'able' })).toMatchObject({
    kind: 'conflict',
    reason: 'able offers no machine of the label array',
  });
});

test('the digest is that of what is laid, in whatever order projects come', () => {
  const parts = {
    scripts: [{ name: 'a', text: 'true' }],
    downloads: [],
    projects: ['x', 'y'],
    ready: undefined,
  };
  expect(digestOf({ ...parts, projects: ['y', 'x'] })).toBe(digestOf(parts));
  expect(digestOf({ ...parts, scripts: [{ name: 'b', text: 'true' }] })).toBe(digestOf(parts));
  expect(digestOf({ ...parts, scripts: [{ name: 'a', text: 'false' }] })).not.toBe(digestOf(parts));
});
