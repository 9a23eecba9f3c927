import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { readPool } from '../../../nodepool/config/read.ts';
import { openLauncher } from '../../../nodepool/launcher.ts';
import type { Machine, NodeOrder, Provider } from '../../../nodepool/provider.ts';
import { markText } from '../../../nodepool/providers/openstack/machine.ts';
import { openNeutron } from '../../../nodepool/providers/openstack/neutron.ts';
import { openOpenstackProvider } from '../../../nodepool/providers/openstack/provider.ts';
import { wallClock } from '../../../nodepool/timer.ts';
import { fileRecords } from '../../fixtures/filerecords.ts';
import { cloudsThrough, type Meddler, openMeddler, sessionOf, twoNetworks, variablesOf } from './cloud.ts';

/** The provider against a real keystone, nova, neutron and glance: what it makes is there, and nothing of it stays. */

const clouds = inject('clouds');
const signal = new AbortController().signal;
const site = randomBytes(8).toString('hex');

const yaml = (more: string) => `
labels:
  - {name: devstack, image: jammy, providers: [cloud], min-ready: 0}
  - {name: small, image: tiny, providers: [cloud]}
providers:
  - name: cloud
    rate: 0
    networks: [private]
    port-cleanup-interval: 0
${more}
    images:
      - {name: jammy, image-name: ubuntu-jammy, flavor-name: devstack, config-drive: true, userdata: '#cloud-config'}
      - {name: tiny, image-name: ubuntu-jammy, min-ram: 400}
`;

describe.skipIf(clouds === undefined)('an OpenStack', () => {
  const file = clouds?.file ?? '';
  const cloud = clouds?.cloud ?? '';
  let dir: string;
  let meddler: Meddler;
  const open: Provider[] = [];
  let serial = 0;

  function poolOf(more = '') {
    const read = readPool({ name: 'nodepool.yaml', text: yaml(more) });
    const [provider] = read.config?.providers ?? [];
    if (read.config === undefined || provider === undefined) throw new Error(JSON.stringify(read.problems));
    return { config: read.config, provider };
  }

  function providerOf(
    more = '',
    through = file,
  ): { provider: Provider; order: (label?: string, more?: Partial<NodeOrder>) => NodeOrder } {
    const { provider: config } = poolOf(`    cloud: ${cloud}\n${more}`);
    if (config.given.driver !== 'openstack') throw new Error('not the provider that was meant');
    const provider = openOpenstackProvider(config.given, site, { env: { OS_CLIENT_CONFIG_FILE: through } });
    open.push(provider);
    return {
      provider,
      order(label = 'small', rest = {}) {
        const kind = config.kinds.get(label)?.kind;
        if (kind === undefined) throw new Error(`no label ${label}`);
        serial += 1;
        return { node: String(serial).padStart(10, '0'), site, kind, again: false, ...rest };
      },
    };
  }

  const listed = async (provider: Provider): Promise<readonly Machine[]> => {
    const answer = await provider.list(signal);
    if (answer.kind !== 'listed') throw new Error(JSON.stringify(answer));
    return answer.machines;
  };
  async function until<T>(what: string, ready: () => Promise<T | undefined | false>): Promise<T> {
    for (const end = Date.now() + 120_000; ; ) {
      const value = await ready();
      if (value !== undefined && value !== false) return value;
      if (Date.now() > end) throw new Error(`not in time: ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
  const active = (provider: Provider, node: string) =>
    until(`node ${node} is active`, async () =>
      (await listed(provider)).find((machine) => machine.node === node && machine.state === 'active'),
    );
  async function end(provider: Provider, node: string): Promise<void> {
    await until(
      `node ${node} is gone`,
      async () => (await provider.delete({ node }, signal)).kind === 'gone',
    );
  }

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'stackgate-openstack-'));
    const session = sessionOf(file, cloud);
    const nova = await session.endpoint('compute', signal);
    await session[Symbol.asyncDispose]();
    meddler = await openMeddler(nova);
    await cloudsThrough(file, cloud, meddler.url, join(dir, 'clouds.yaml'));
  });

  afterAll(async () => {
    if (dir === undefined) return;
    const { provider } = providerOf();
    for (const { node } of await listed(provider)) if (node !== undefined) await end(provider, node);
    for (let look = 0; look < 2; look++) await provider.sweep?.(signal);
    const session = sessionOf(file, cloud);
    const neutron = openNeutron(session);
    const left = [
      ...(await listed(provider)),
      ...(await neutron.floatingOf(site, signal)),
      ...(await neutron.portsOf(site, signal)),
    ];
    await session[Symbol.asyncDispose]();
    for (const each of open) await each[Symbol.asyncDispose]();
    await meddler[Symbol.asyncDispose]();
    await rm(dir, { recursive: true, force: true });
    expect(left).toEqual([]);
  });

  it('makes a server with our mark and a floating address, and takes everything away again', async () => {
    const { provider, order } = providerOf();
    const wish = order();
    const created = await provider.create(wish, signal);
    expect(created).toMatchObject({ kind: 'created', machine: { node: wish.node, state: 'building' } });
    const machine = await active(provider, wish.node);
    expect(machine.resources).toEqual({ instances: 1, cores: 1, ram: 512 });
    expect(machine.address).not.toBe(machine.privateAddress);
    const session = sessionOf(file, cloud);
    const neutron = openNeutron(session);
    const [floating] = (await neutron.floatingOf(site, signal)).filter(({ node }) => node === wish.node);
    expect(floating?.floating_ip_address).toBe(machine.address);
    await end(provider, wish.node);
    expect((await neutron.portsOf(site, signal)).filter(({ node }) => node === wish.node)).toEqual([]);
    expect((await neutron.floatingOf(site, signal)).filter(({ node }) => node === wish.node)).toEqual([]);
    await session[Symbol.asyncDispose]();
    expect(await provider.delete({ node: wish.node }, signal)).toEqual({ kind: 'gone' });
  });

  it('says what room there is, and what can never be made', async () => {
    const { provider, order } = providerOf();
    const kinds = [
      order('devstack').kind,
      { label: 'typo', image: 'ubuntu-jamy', flavor: 'm1.tiny', properties: {} },
      { label: 'vast', image: 'ubuntu-jammy', minRam: 1_000_000, properties: {} },
    ];
    const probed = await provider.probe(kinds, signal);
    expect(probed).toMatchObject({
      kind: 'probed',
      zones: ['nova'],
      kinds: {
        devstack: { instances: 1, cores: 8, ram: 8192 },
        typo: {
          never: expect.stringMatching(/no active image "ubuntu-jamy"; did you mean "ubuntu-jammy"\?/),
        },
        vast: { never: expect.stringMatching(/no flavor of 1000000 MiB/) },
      },
    });
    if (clouds?.lab === true)
      expect(probed).toMatchObject({ quota: { instances: 20, cores: 24, ram: 65_536 } });
  });

  it('finds what a lost reply left, and makes no second one', async () => {
    const { provider, order } = providerOf('', join(dir, 'clouds.yaml'));
    const wish = order();
    meddler.next = { method: 'POST', path: /\/servers$/, times: 1, how: 'lose' };
    expect(await provider.create(wish, signal)).toMatchObject({ kind: 'transient' });
    const again = await provider.create({ ...wish, again: true }, signal);
    expect(again).toMatchObject({ kind: 'created', machine: { node: wish.node } });
    expect((await listed(provider)).filter(({ node }) => node === wish.node)).toHaveLength(1);
    await end(provider, wish.node);
  });

  it('hears from nova that its quota is used up, and how long to wait when it is busy', async () => {
    const { provider, order } = providerOf('', join(dir, 'clouds.yaml'));
    if (clouds?.lab === true) {
      const wishes = Array.from({ length: 4 }, () => order('devstack'));
      const answers = [];
      for (const wish of wishes) answers.push(await provider.create(wish, signal));
      expect(answers.map(({ kind }) => kind)).toEqual(['created', 'created', 'created', 'quota']);
      expect(answers[3]).toMatchObject({ reason: expect.stringMatching(/Quota exceeded for cores/) });
      for (const { node } of wishes) await end(provider, node);
    }
    const busy = {
      status: 429,
      headers: { 'retry-after': '7' },
      body: { overLimit: { message: 'slow down' } },
    };
    meddler.next = { method: 'POST', path: /\/servers$/, times: 1, how: busy };
    const wish = order();
    expect(await provider.create(wish, signal)).toMatchObject({ kind: 'transient', retryAfter: 7_000 });
    meddler.next = { method: 'GET', path: /\/servers\/detail/, times: 1, how: { status: 503 } };
    expect(await provider.list(signal)).toMatchObject({ kind: 'transient' });
    await end(provider, wish.node);
  });

  it('logs in anew when its token is no longer known', async () => {
    const { provider } = providerOf('', join(dir, 'clouds.yaml'));
    await listed(provider);
    meddler.next = { method: 'GET', path: /\/servers\/detail/, times: 1, how: { status: 401 } };
    expect((await provider.list(signal)).kind).toBe('listed');
  });

  it.runIf(clouds?.lab === true)(
    'takes an application credential, and says what is wrong with a login',
    async () => {
      const of = (name: string) => {
        const { provider: config } = poolOf(`    cloud: ${name}`);
        if (config.given.driver !== 'openstack') throw new Error('not the provider that was meant');
        const provider = openOpenstackProvider(config.given, site, { env: { OS_CLIENT_CONFIG_FILE: file } });
        open.push(provider);
        return provider;
      };
      expect((await of('lab-appcred').list(signal)).kind).toBe('listed');
      expect(await of('lob').list(signal)).toMatchObject({
        kind: 'permanent',
        reason: expect.stringMatching(/has no cloud "lob"; did you mean lab\?/),
      });
      const wrong = openOpenstackProvider({ ...givenOf(poolOf('    cloud: envvars').provider.given) }, site, {
        env: { ...(await variablesOf(file, cloud)), OS_PASSWORD: 'wrong' },
      });
      open.push(wrong);
      expect(await wrong.list(signal)).toMatchObject({
        kind: 'permanent',
        reason: expect.stringMatching(/refuses our credentials/),
      });
    },
  );

  it('removes what belongs to nobody when it sees it twice, and nothing before', async () => {
    const { provider, order } = providerOf();
    const session = sessionOf(file, cloud);
    const neutron = openNeutron(session);
    const networks = await session.call('network', { path: '/networks' }, signal);
    const { inner, outer } = twoNetworks(networks);
    const lost = order();
    const port = await neutron.port(markText(site, lost.node), inner, [], signal);
    await neutron.floating(markText(site, lost.node), outer, port, signal);
    const alive = order();
    await provider.create(alive, signal);
    expect(await provider.sweep?.(signal)).toEqual([]);
    const removed = await provider.sweep?.(signal);
    expect(removed).toHaveLength(2);
    expect(removed?.every((words) => words.includes(lost.node))).toBe(true);
    expect((await neutron.portsOf(site, signal)).map(({ node }) => node)).toEqual([alive.node]);
    await session[Symbol.asyncDispose]();
    await end(provider, alive.node);
  });

  it('lends nodes to a pool, and keeps none that it did not want', async () => {
    const { config, provider: entry } = poolOf(`    cloud: ${cloud}`);
    const provider = openOpenstackProvider(givenOf(entry.given), site, {
      env: { OS_CLIENT_CONFIG_FILE: file },
    });
    open.push(provider);
    let tested = 0;
    await using launcher = await openLauncher({
      site,
      config,
      providers: [],
      open: () => provider,
      records: fileRecords(join(dir, 'records.json')),
      timer: wallClock,
      random: Math.random,
      // Nothing answers on these machines: the first is found unfit, the others are taken as they are.
      test: (node) => {
        tested += 1;
        return Promise.resolve(
          tested === 1
            ? { kind: 'unfit', reason: 'too small' }
            : { kind: 'fit', hostKeys: [node.machine.address ?? ''] },
        );
      },
    });
    const request = {
      id: 'acquire-1',
      build: 'build-1',
      job: 'tempest',
      pipeline: 'check',
      precedence: 'normal',
      nodes: { label: 'small', subnodes: 1 },
    } as const;
    const answer = await launcher.acquire(request, signal);
    if (answer.kind !== 'granted') throw new Error(answer.reason);
    expect(answer.lease.nodes).toHaveLength(2);
    expect(tested).toBe(3);
    await launcher.release(answer.lease.id);
    await until('every server is gone', async () => (await listed(provider)).length === 0);
  });
});

type Given = Parameters<typeof openOpenstackProvider>[0];

function givenOf(given: { readonly driver: string }): Given {
  if (!isOpenstack(given)) throw new Error('not the provider that was meant');
  return given;
}

function isOpenstack(given: { readonly driver: string }): given is Given {
  return given.driver === 'openstack';
}
