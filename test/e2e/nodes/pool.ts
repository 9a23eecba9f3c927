import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jobUser, openNode } from './node.ts';

/** Machines over ssh for a site: one OpenSSH server with so many places for builds. */
export interface SshNodes extends AsyncDisposable {
  /** A nodepool.yaml that has them. */
  readonly nodepool: string;
}

export async function sshNodes(count: number): Promise<SshNodes> {
  const node = await openNode();
  const folder = await mkdtemp(join(tmpdir(), 'stackgate-pool-'));
  const { address, port, user, key, hostKeys } = node.sshd.target;
  const keyFile = join(folder, 'id_node');
  await writeFile(keyFile, key, { mode: 0o600 });
  const machine = {
    // Name and label that this machine has in the stories when it lends itself.
    name: 'local',
    host: address,
    labels: ['local', 'master'],
    'max-parallel-jobs': count,
    'connection-port': port,
    username: user,
    'private-key': keyFile,
    'host-key': hostKeys.map((line) => line.trim()),
    workspaces: node.root,
    ...(jobUser === undefined ? {} : { 'job-user': jobUser }),
  };
  return {
    // YAML reads JSON.
    nodepool: JSON.stringify({ providers: [{ driver: 'static', name: 'rack', nodes: [machine] }] }),
    async [Symbol.asyncDispose]() {
      await node[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
