import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { ProviderGiven } from '../../../nodepool/config/config.ts';
import { readPool } from '../../../nodepool/config/read.ts';
import { openCommandProvider } from '../../../nodepool/providers/command.ts';
import { openLocalProvider, openLocalShells } from '../../../nodepool/providers/local.ts';
import { openStaticProvider } from '../../../nodepool/providers/static.ts';
import { fakeCloud } from '../../fakes/cloud/cloud.ts';
import { orderOf, providerSuite } from './provider.ts';

const asRoot = process.geteuid?.() === 0;
const soon = () => AbortSignal.timeout(30_000);
let directory = '';
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'stackgate-provider-'));
  await chmod(directory, 0o711);
});
afterAll(() => rm(directory, { recursive: true, force: true }));

function given<D extends ProviderGiven['driver']>(
  text: object,
  driver: D,
): Extract<ProviderGiven, { driver: D }> {
  const { config, problems } = readPool({
    name: 'nodepool.yaml',
    text: JSON.stringify({ providers: [text] }),
  });
  const found = config?.providers[0]?.given;
  if (found?.driver !== driver) throw new Error(JSON.stringify(problems));
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- its driver was compared
  return found as Extract<ProviderGiven, { driver: D }>;
}

describe('local provider', () => {
  const options = () => ({
    root: join(directory, 'builds'),
    maxParallelJobs: 2,
    labels: ['small'],
    ...(asRoot ? { users: ['nobody'] } : { allowSameUser: true }),
  });
  providerSuite(() => ({
    open: async () => openLocalProvider(options(), await openLocalShells(options()), new Set()),
    label: 'small',
    room: 2,
    boot: 0,
  }));
});

describe('command provider', () => {
  let machines = '';
  beforeEach(async () => {
    machines = await mkdtemp(join(directory, 'machines-'));
  });
  const program = fileURLToPath(new URL('../../fixtures/cloudcommand.ts', import.meta.url));
  const argv = (verb: string) => [process.execPath, '--import', 'tsx', program, machines, verb, '3'];
  const entry = () => ({
    name: 'lab',
    driver: 'command',
    create: argv('create'),
    list: argv('list'),
    delete: argv('delete'),
    limits: argv('limits'),
  });
  const open = async (more: object = {}) =>
    openCommandProvider(given({ ...entry(), ...more }, 'command'), '5a1ce0de5a1ce0de');
  const fixture = { open, label: 'small', room: 3, boot: 30_000 };
  providerSuite(() => fixture);

  test('tells errors, never and a missing program apart, in the words of the program', async () => {
    const provider = await open();
    const order = (image: string) =>
      orderOf(provider, fixture, { kind: { label: 'small', image, properties: {} } });
    expect(await provider.create(order('broken'), soon())).toEqual({
      kind: 'failed',
      reason: 'the image is broken',
    });
    expect(await provider.create(order('unknown'), soon())).toEqual({
      kind: 'permanent',
      reason: 'no such image',
    });
    const missing = await open({ create: ['/no/such/program'] });
    expect(await missing.create(order('image'), soon())).toMatchObject({ kind: 'permanent' });
    const babble = await open({ list: ['/bin/echo', '[{"id": 3}]'] });
    expect(await babble.list(soon())).toMatchObject({
      kind: 'transient',
      reason: expect.stringContaining('0.state'),
    });
    expect(await provider.probe([], soon())).toMatchObject({ capacity: { instances: 3, cores: 8 } });
  }, 60_000);

  test('a program that hangs is ended by the deadline', async () => {
    const hangs = await open({ list: ['/bin/sleep', '300'] });
    await expect(hangs.list(AbortSignal.timeout(300))).rejects.toThrow('timeout');
  });
});

describe('static provider', () => {
  let server: Server;
  let port = 0;
  const forgotten: string[] = [];
  beforeAll(async () => {
    server = createServer((socket) => {
      // Who looks whether a host is there says no goodbye.
      socket.on('error', () => undefined);
      socket.end('SSH-2.0-test\r\n');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    port = typeof address === 'object' && address !== null ? address.port : 0;
  });
  afterAll(() => server.close());
  afterEach(() => forgotten.splice(0));
  const open = async (more: object = {}) => {
    const nodes = [
      {
        name: 'array',
        host: '127.0.0.1',
        labels: ['small'],
        'connection-port': port,
        'max-parallel-jobs': 2,
        ...more,
      },
    ];
    return openStaticProvider(given({ name: 'rack', driver: 'static', nodes }, 'static'), {
      forget: async (host, build) => void forgotten.push(`${host.address} ${build}`),
    });
  };
  const fixture = { open, label: 'small', room: 2, boot: 0 };
  providerSuite(() => fixture);

  test('a host that is away or not healthy waits; one that cannot be cleaned is for a person', async () => {
    const away = await open({ 'connection-port': 1 });
    expect(await away.create(orderOf(away, fixture), soon())).toMatchObject({
      kind: 'full',
      reason: /does not answer/,
    });
    const sick = await open({ 'health-check': ['/bin/sh', '-c', 'echo no luns >&2; exit 1'] });
    expect(await sick.create(orderOf(sick, fixture), soon())).toMatchObject({
      kind: 'full',
      reason: /no luns/,
    });
    const told = join(directory, 'told');
    const cleaned = await open({ cleanup: ['/bin/sh', '-c', `cat > ${told}`] });
    const of = { node: '1', id: 'array/0', build: 'build-1' };
    expect(await cleaned.delete(of, soon())).toEqual({ kind: 'gone' });
    expect(forgotten).toEqual(['127.0.0.1 build-1']);
    expect(JSON.parse(await readFile(told, 'utf8'))).toMatchObject({
      node: '1',
      name: 'array',
      build: 'build-1',
    });
    await writeFile(told, '');
    const dirty = await open({ cleanup: ['/bin/sh', '-c', 'echo volumes left >&2; exit 1'] });
    expect(await dirty.delete(of, soon())).toMatchObject({ kind: 'permanent', reason: /volumes left/ });
  });
});

describe('the cloud of the tests', () => {
  const timer = {
    now: Date.now,
    sleep: (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms / 100)),
  };
  const cloud = fakeCloud('fake', '5a1ce0de5a1ce0de', {
    quota: 3,
    bootTime: () => 100,
    latency: () => 1,
    random: Math.random,
    timer,
  });
  providerSuite(() => ({ open: async () => cloud, label: 'small', room: 3, boot: 30_000 }));
});
