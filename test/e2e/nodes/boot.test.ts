import { writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { NodeRecord } from '../../../nodepool/node.ts';
import { openReach } from '../../../nodepool/reach.ts';
import { until } from '../../conformance/ports/shell.ts';
import { jobUser, openNode, type TestNode } from './node.ts';
import { missing, silentServer } from './sshd.ts';

/** What a launcher makes of a machine that dies while it boots, while its host keys are asked for, and of one that comes back. */

const why = missing();

describe.skipIf(why !== undefined)(`a machine that boots${why === undefined ? '' : ` (${why})`}`, () => {
  let node: TestNode;
  let key = '';
  beforeAll(async () => {
    node = await openNode();
    key = join(node.sshd.folder, 'login');
  });
  afterAll(() => node?.[Symbol.asyncDispose]());

  const reach = () => openReach({ path: () => key, script: () => undefined, log: () => undefined });
  function look(port: number, signal: AbortSignal) {
    const record = NodeRecord.parse({
      id: '0000000001',
      provider: 'cloud',
      label: 'small',
      resources: { instances: 1, cores: 1, ram: 1 },
      createdAt: 0,
      phaseAt: 0,
      state: { phase: 'testing' },
    });
    const machine = { id: 'm', address: '127.0.0.1', port };
    const login = { user: node.sshd.target.user, keyFile: 'key', jobUser, workspaces: node.root };
    return reach().test({ ...record, machine }, login, signal);
  }

  test('that dies in every key exchange, and then comes up, is fit, with the keys it has now', async () => {
    await node.sshd.stop();
    const dying = await dyingServer(node.sshd.port);
    const answer = look(node.sshd.port, AbortSignal.timeout(60_000));
    await until(async () => dying.count() >= 2);
    await dying.close();
    await node.sshd.changeHostKey();
    await node.sshd.start();
    const found = await answer;
    expect(found).toMatchObject({ kind: 'fit' });
    if (found.kind === 'fit') expect(found.hostKeys).toHaveLength(2);
  }, 90_000);

  test('that dies in every key exchange for good is of no use when its time is over', async () => {
    const dying = await dyingServer(0);
    expect(await look(dying.port, AbortSignal.timeout(2_500))).toMatchObject({ kind: 'unfit' });
    expect(dying.count()).toBeGreaterThan(1);
    await dying.close();
  }, 60_000);

  test('that accepts and never shows a key is of no use when its time is over', async () => {
    const quiet = await silentServer();
    expect(await look(quiet.port, AbortSignal.timeout(1_500))).toMatchObject({ kind: 'unfit' });
    await quiet.close();
  }, 60_000);

  test('whose key is not let in is refused at once, in words', async () => {
    const other = await openNode();
    try {
      await writeFile(join(other.sshd.folder, 'authorized_keys'), '');
      const began = Date.now();
      expect(await look(other.sshd.port, AbortSignal.timeout(60_000))).toMatchObject({ kind: 'unfit' });
      expect(Date.now() - began).toBeLessThan(30_000);
    } finally {
      await other[Symbol.asyncDispose]();
    }
  }, 90_000);
});

/** Greets as an sshd does and is gone when it hears the first packet. */
async function dyingServer(port: number) {
  const sockets = new Set<Socket>();
  let met = 0;
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.write('SSH-2.0-OpenSSH_9.2p1\r\n');
    socket.once('data', () => {
      met += 1;
      socket.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    count: () => met,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
