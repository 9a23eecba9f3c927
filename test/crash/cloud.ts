import { appendFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { openHosts } from '../lab/hosts.ts';
import type { Machines } from './machines.ts';

/**
 * The node lab as a cloud: a build runs on a node set of two machines that are made for it, joined by an overlay, and deleted
 * afterwards. What a build finds of a set that is joined by half ends it, and is a wrong vote.
 */
export async function openCloud(dir: string, marks: string): Promise<Machines> {
  await mkdir(dir, { recursive: true });
  const { lab, key, [Symbol.asyncDispose]: close } = await openHosts();
  const keyFile = join(dir, 'node-key');
  await writeFile(keyFile, key, { mode: 0o600 });
  const ear = await listenFor(marks, lab.gateway);
  const program = join(import.meta.dirname, '..', 'lab', 'cloud');
  return {
    label: 'pair',
    nodepool: nodepool(lab.id, program, keyFile),
    lines: [],
    roots: [],
    tell: [
      `tell() { exec 3<>/dev/tcp/${lab.gateway}/${ear.port}; echo "$ZUUL_UUID $*" >&3; cat <&3; exec 3>&-; }`,
      'ssh -o BatchMode=yes -i /etc/nodepool/id_rsa "$(cat /etc/nodepool/sub_nodes_private)" grep -x sub /etc/nodepool/role',
      'ping -q -c 1 -W 5 -M do -s 1422 172.24.4.2',
    ].join('\n          '),
    soiled: () => [],
    left: async () => (await lab.nodes()).map(({ node }) => `machine of node ${node}`),
    async [Symbol.asyncDispose]() {
      await ear[Symbol.asyncDispose]();
      await close();
    },
  };
}

function nodepool(lab: string, program: string, key: string): string {
  const run = (command: string) => [program, command, lab];
  return JSON.stringify({
    labels: [{ name: 'host', providers: ['lab'] }],
    'node-sets': [
      { name: 'pair', primary: 'host', subnodes: 1, network: { topology: 'dvr', driver: 'linux' } },
    ],
    providers: [
      {
        name: 'lab',
        driver: 'command',
        'max-servers': 4,
        username: 'zuul',
        'private-key': key,
        create: run('create'),
        list: run('list'),
        delete: run('delete'),
      },
    ],
  });
}

/** Nodes see no folder of ours: a build says its marks on a line, and goes on when they are written. */
async function listenFor(
  marks: string,
  address: string,
): Promise<AsyncDisposable & { readonly port: number }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    let said = '';
    socket.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      if (!said.includes('\n')) return;
      note(marks, said.trim().split(' '));
      socket.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a TCP server has no other address
  const { port } = server.address() as AddressInfo;
  return {
    port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function note(marks: string, [uuid = '', name = '', value = '']: readonly string[]): void {
  if (!/^[0-9a-f]{32}$/.test(uuid) || (name !== 'what' && name !== 'end')) return;
  const folder = join(marks, uuid);
  if (name === 'what' && existsSync(folder)) appendFileSync(join(folder, `again.${Date.now()}`), '');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, name), `${value}\n`);
}
