import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { z } from 'zod';
import { readPool } from '../../../nodepool/config/read.ts';
import type { NodeOrder, Provider } from '../../../nodepool/provider.ts';
import { openOpenstackProvider } from '../../../nodepool/providers/openstack/provider.ts';
import type { Session } from '../../../nodepool/providers/openstack/session.ts';
import { Images } from '../../../nodepool/providers/openstack/wire.ts';
import { sessionOf, variablesOf } from './cloud.ts';

/**
 * Images of servers, as `stackgate node prepare` makes them. The lab's hypervisor has no disks: nova asks it to save one, and it says that
 * it did; what it would upload to glance is uploaded here.
 */

const clouds = inject('clouds');
const Booted = z.object({
  servers: z.array(
    z.object({
      metadata: z.record(z.string(), z.string()),
      image: z.object({ id: z.string() }).or(z.literal('')),
    }),
  ),
});
const signal = new AbortController().signal;
const site = randomBytes(8).toString('hex');
const yaml = (cloud: string) => `
labels:
  - {name: small, image: tiny, providers: [cloud], prepare: {}}
providers:
  - name: cloud
    cloud: ${cloud}
    rate: 0
    networks: [private]
    auto-floating-ip: false
    images:
      - {name: tiny, image-name: ubuntu-jammy, min-ram: 400}
`;

describe.skipIf(clouds?.lab !== true)('images of an OpenStack', () => {
  const file = clouds?.file ?? '';
  const cloud = clouds?.cloud ?? '';
  let provider: Provider;
  let session: Session;
  let kind: NodeOrder['kind'];

  beforeAll(() => {
    const { config } = readPool({ name: 'nodepool.yaml', text: yaml(cloud) });
    const own = config?.providers[0];
    const found = own?.kinds.get('small')?.kind;
    if (own?.given.driver !== 'openstack' || found === undefined)
      throw new Error('not the one that was meant');
    kind = found;
    provider = openOpenstackProvider(own.given, site, { env: { OS_CLIENT_CONFIG_FILE: file } });
    session = sessionOf(file, cloud);
  });
  afterAll(async () => {
    await provider?.[Symbol.asyncDispose]();
    await session?.[Symbol.asyncDispose]();
  });

  async function until<T>(what: string, ready: () => Promise<T | undefined>): Promise<T> {
    for (const end = Date.now() + 120_000; ; ) {
      const value = await ready();
      if (value !== undefined) return value;
      if (Date.now() > end) throw new Error(`not in time: ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
  async function boot(node: string, image = kind.image) {
    const { 'image-name': _, ...properties } = kind.properties;
    const order = { node, site, kind: { ...kind, image, properties }, again: false };
    const created = await provider.create(order, signal);
    expect(created).toMatchObject({ kind: 'created' });
    return await until(`${node} is active`, async () => {
      const answer = await provider.list(signal);
      if (answer.kind !== 'listed') throw new Error(JSON.stringify(answer));
      return answer.machines.find((machine) => machine.node === node && machine.state === 'active');
    });
  }
  const gone = (node: string) =>
    until(`${node} is gone`, async () =>
      (await provider.delete({ node }, signal)).kind === 'gone' ? true : undefined,
    );
  const named = async (name: string) =>
    Images.parse(await session.call('image', { path: '/images', query: { name } }, signal)).images;
  const saved = async () => {
    const answer = await provider.images?.(signal);
    if (answer?.kind !== 'images') throw new Error(JSON.stringify(answer));
    return answer.images;
  };

  /** What the hypervisor would do: it uploads the disk to the image that nova made for it. */
  async function upload(name: string, after: ReadonlySet<string>): Promise<void> {
    const image = await until(`${name} is queued`, async () =>
      (await named(name)).find(({ id, status }) => status === 'queued' && !after.has(id)),
    );
    const token = await tokenOf();
    const url = `${await session.endpoint('image', signal)}/images/${image.id}`;
    const headers = { 'x-auth-token': token };
    const formats = ['disk_format', 'container_format'].map((key, index) => ({
      op: 'replace',
      path: `/${key}`,
      value: ['raw', 'bare'][index],
    }));
    await fetch(url, {
      method: 'PATCH',
      headers: { ...headers, 'content-type': 'application/openstack-images-v2.1-json-patch' },
      body: JSON.stringify(formats),
    });
    const answer = await fetch(`${url}/file`, {
      method: 'PUT',
      headers: { ...headers, 'content-type': 'application/octet-stream' },
      body: randomBytes(4096),
    });
    expect(answer.status).toBe(204);
  }

  async function tokenOf(): Promise<string> {
    const of = await variablesOf(file, cloud);
    const user = {
      name: of['OS_USERNAME'],
      password: of['OS_PASSWORD'],
      domain: { name: of['OS_USER_DOMAIN_NAME'] },
    };
    const project = { name: of['OS_PROJECT_NAME'], domain: { name: of['OS_PROJECT_DOMAIN_NAME'] } };
    const auth = { identity: { methods: ['password'], password: { user } }, scope: { project } };
    const answer = await fetch(`${of['OS_AUTH_URL']}/auth/tokens`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ auth }),
    });
    return answer.headers.get('x-subject-token') ?? '';
  }

  it('a server becomes an image of our site, others boot from it, and it goes again', async () => {
    const name = `stackgate-${site.slice(0, 8)}-small-0000000003`;
    expect(await saved()).toEqual([]);
    const machine = await boot('0000000001');
    const of = { node: '0000000001', id: machine.id };
    const [answer] = await Promise.all([provider.snapshot?.(of, name, signal), upload(name, new Set())]);
    expect(answer).toEqual({ kind: 'saved', image: name });
    expect(await saved()).toEqual([name]);
    // Asked again after a crash, the new one takes the place of the one before.
    const before = new Set((await named(name)).map(({ id }) => id));
    await Promise.all([provider.snapshot?.(of, name, signal), upload(name, before)]);
    const now = await named(name);
    expect(now).toHaveLength(1);
    expect(before.has(now[0]?.id ?? '')).toBe(false);
    await gone('0000000001');
    await boot('0000000002', name);
    const listed = await session.call('compute', { path: '/servers/detail' }, signal);
    const { servers } = Booted.parse(listed);
    const server = servers.find(({ metadata }) => metadata['stackgate_node'] === '0000000002');
    expect(server?.image).toMatchObject({ id: now[0]?.id });
    await gone('0000000002');
    // Another site's look is not ours.
    const own = readPool({ name: 'nodepool.yaml', text: yaml(cloud) }).config?.providers[0];
    if (own?.given.driver !== 'openstack') throw new Error('not the one that was meant');
    const env = { OS_CLIENT_CONFIG_FILE: file };
    await using stranger = openOpenstackProvider(own.given, randomBytes(8).toString('hex'), { env });
    expect(await stranger.images?.(signal)).toEqual({ kind: 'images', images: [] });
    expect(await stranger.deleteImage?.(name, signal)).toEqual({ kind: 'gone' });
    expect(await saved()).toEqual([name]);
    expect(await provider.deleteImage?.(name, signal)).toEqual({ kind: 'gone' });
    expect(await provider.deleteImage?.(name, signal)).toEqual({ kind: 'gone' });
    expect(await saved()).toEqual([]);
  });
});
