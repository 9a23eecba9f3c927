import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, test } from 'vitest';
import { readCloud } from './clouds.ts';
import { machineOf } from './machine.ts';
import { CloudError, CloudMistake, setbackOf } from './refusal.ts';
import { authBody, identityOf } from './session.ts';
import { Server } from './wire.ts';

describe('clouds.yaml', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'stackgate-clouds-'));
  });
  afterEach(async () => {
    await rm(dir, { recursive: true, force: true });
  });

  async function read(
    name: string | undefined,
    files: { clouds?: string; secure?: string },
    more: object = {},
  ) {
    const env: Record<string, string> = {
      OS_CLIENT_CONFIG_FILE: join(dir, 'clouds.yaml'),
      OS_CLIENT_SECURE_FILE: join(dir, 'secure.yaml'),
      ...more,
    };
    await writeFile(join(dir, 'clouds.yaml'), files.clouds ?? '');
    await writeFile(join(dir, 'secure.yaml'), files.secure ?? 'clouds: {}\n');
    return await readCloud(name, env);
  }

  const clouds =
    'clouds:\n  lab: {auth: {auth_url: http://k:5000, username: me, project_name: p}, region_name: R1}\n';

  it('is laid over by secure.yaml', async () => {
    const secure = 'clouds:\n  lab: {auth: {password: hidden}}\n';
    const found = await read('lab', { clouds, secure });
    expect(found).toMatchObject({
      kind: 'cloud',
      cloud: { region_name: 'R1', auth: { username: 'me', password: 'hidden' } },
    });
    expect(await read(undefined, { clouds, secure }, { OS_CLOUD: 'lab' })).toEqual(found);
  });

  it('says what is missing', async () => {
    expect(await read('lab', { clouds })).toMatchObject({
      reason: expect.stringMatching(/neither a password/),
    });
    expect(await read('lap', { clouds })).toMatchObject({
      reason: expect.stringMatching(/did you mean lab\?/),
    });
    expect(await read('lab', { clouds: 'clouds: [\n' })).toMatchObject({
      kind: 'wrong',
      reason: expect.stringMatching(/clouds\.yaml:\d+: /),
    });
  });

  it('may be the environment alone', async () => {
    const env = { OS_AUTH_URL: 'http://k', OS_USERNAME: 'me', OS_PASSWORD: 'x', OS_REGION_NAME: 'R2' };
    expect(await read(undefined, {}, env)).toMatchObject({
      kind: 'cloud',
      cloud: { region_name: 'R2', auth: { auth_url: 'http://k', username: 'me' } },
    });
  });
});

test.each([
  ['http://host/identity', 'http://host/identity/v3'],
  ['http://host:5000/v3/', 'http://host:5000/v3'],
  ['http://host:5000/v2.0', 'http://host:5000/v3'],
])('keystone of %s', (given, wanted) => {
  expect(identityOf(given)).toBe(wanted);
});

describe('a login', () => {
  it('by password has a scope, and names live in domains', () => {
    expect(authBody({ username: 'me', password: 'x', project_name: 'p', user_domain_name: 'D' })).toEqual({
      identity: {
        methods: ['password'],
        password: { user: { name: 'me', domain: { name: 'D' }, password: 'x' } },
      },
      scope: { project: { name: 'p', domain: { name: 'D' } } },
    });
    expect(authBody({ user_id: 'u', password: 'x', project_id: 'p' })).toMatchObject({
      identity: { password: { user: { id: 'u' } } },
      scope: { project: { id: 'p' } },
    });
  });

  it('by application credential has none', () => {
    const body = authBody({
      application_credential_id: 'i',
      application_credential_secret: 's',
      project_name: 'p',
    });
    expect(body).toEqual({
      identity: { methods: ['application_credential'], application_credential: { id: 'i', secret: 's' } },
    });
  });
});

describe('what a cloud says', () => {
  it.each([
    [403, 'Quota exceeded for cores: Requested 8, but already used 24 of 24 cores', 'quota'],
    [403, 'Maximum number of ports exceeded', 'quota'],
    [409, 'Quota exceeded for resources: [floatingip]', 'quota'],
    [500, 'No valid host was found. There are not enough hosts available.', 'full'],
    [409, 'No more IP addresses available on network x', 'full'],
    [401, 'The request you have made requires authentication.', 'permanent'],
    [403, "Policy doesn't allow os_compute_api:servers:create", 'permanent'],
    [400, 'Invalid imageRef provided.', 'permanent'],
    [409, 'Conflict', 'transient'],
    [429, 'slow down', 'transient'],
    [503, 'no', 'transient'],
    [0, 'no answer', 'transient'],
  ])('%s %s is %s', (status, words, kind) => {
    expect(setbackOf(new CloudError(status, words))).toMatchObject({ kind });
  });

  it('is told apart from our own mistakes and bugs', () => {
    expect(setbackOf(new CloudMistake('no such flavor'))).toEqual({
      kind: 'permanent',
      reason: 'no such flavor',
    });
    expect(() => setbackOf(new TypeError('x'))).toThrow(TypeError);
    const lying = Server.safeParse({ id: 7 }).error;
    expect(setbackOf(lying)).toMatchObject({
      kind: 'transient',
      reason: expect.stringMatching(/unexpected/),
    });
  });
});

describe('a server', () => {
  const looks = {
    ipv6: false,
    outside: new Set(['public']),
    floating: new Map([['0000000001', '203.0.113.9']]),
  };
  const server = (more: object) =>
    Server.parse({
      id: 'uuid',
      name: 'stackgate-0000000001',
      status: 'ACTIVE',
      metadata: { stackgate_site: 's', stackgate_node: '0000000001' },
      addresses: {
        private: [
          { addr: '10.0.0.5', version: 4, 'OS-EXT-IPS:type': 'fixed' },
          { addr: 'fd00::5', version: 6, 'OS-EXT-IPS:type': 'fixed' },
        ],
      },
      ...more,
    });

  it('is reached at its access address, else outside, else at the floating one, else at any', () => {
    const address = (more: object, how = {}) => machineOf(server(more), { ...looks, ...how })?.address;
    expect(address({ accessIPv4: '198.51.100.1' })).toBe('198.51.100.1');
    const outside = [{ addr: '203.0.113.7', version: 4, 'OS-EXT-IPS:type': 'fixed' }];
    expect(address({ addresses: { public: outside } })).toBe('203.0.113.7');
    expect(address({})).toBe('203.0.113.9');
    expect(address({}, { floating: new Map() })).toBe('10.0.0.5');
    expect(address({}, { ipv6: true, floating: new Map() })).toBe('fd00::5');
    expect(machineOf(server({}), looks)?.privateAddress).toBe('10.0.0.5');
  });

  it('without an address yet still builds', () => {
    expect(machineOf(server({ addresses: {} }), { ...looks, floating: new Map() })?.state).toBe('building');
  });

  it('that failed says why, and whether that was for want of room', () => {
    const fault = { message: 'No valid host was found. ' };
    expect(machineOf(server({ status: 'ERROR', fault }), looks)).toMatchObject({
      state: 'failed',
      quota: true,
    });
    expect(machineOf(server({ status: 'ERROR', fault: { message: 'boom' } }), looks)).toMatchObject({
      reason: 'boom',
      quota: false,
    });
    expect(machineOf(server({ status: 'SHUTOFF' }), looks)).toMatchObject({
      reason: 'its status is SHUTOFF',
    });
    expect(machineOf(server({ status: 'DELETED' }), looks)).toBeUndefined();
  });
});
