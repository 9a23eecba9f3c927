import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { NodeAccess, PoolNodes } from '../../server/contract/nodes.ts';
import { type Client, type ClientOptions, CommandError, connect } from '../client.ts';
import { enterWorkspace } from './localshell.ts';

/**
 * `stackgate ssh NODE [-- COMMAND]`: this machine's ssh, with the node's address, key and host keys. On a place of this machine the
 * shell of the job's user in the workspace.
 */
export function addNodeShell(
  main: Command,
  remote: (command: Command) => Command,
  end: (code: number) => void,
): void {
  remote(main.command('ssh').alias('hijack'))
    .description(
      'log in to a node; its number, or the id or UUID of the build that runs on it, or ran when it is held',
    )
    .argument('<node|build>')
    .argument('[command...]', 'what to run there instead of a shell')
    .option('--user <name>', 'as this user')
    .addHelpText('after', '\nExamples:\n  stackgate ssh 12\n  stackgate ssh 0abc123 -- ip addr show br-ex')
    .action(async (what: string, words: string[], options: ClientOptions & { user?: string }) => {
      const client = connect(options);
      const access = await client.get(`/api/v1/nodes/${await find(client, what)}/access`, NodeAccess);
      const { address, folder } = access;
      if (address !== null) end(await enter({ ...access, address }, words, options.user));
      else if (options.user !== undefined)
        throw new CommandError("on this machine the shell is always that of the job's user", 2);
      else if (folder !== null) end(await enterWorkspace(folder, words));
    });
}

async function find(client: Client, what: string): Promise<string> {
  if (/^\d{1,10}$/.test(what)) return what;
  const { nodes } = await client.get('/api/v1/nodes', PoolNodes);
  const uuid = what.replace(/^build-/, '');
  const found = nodes.filter((node) => uuid.length >= 4 && node.build?.startsWith(`build-${uuid}`) === true);
  const [first] = found;
  if (first !== undefined) return first.id;
  throw new CommandError(`no node runs the build ${what}`, 3, '`stackgate nodes --detail` lists them');
}

async function enter(
  access: NodeAccess & { readonly address: string },
  words: readonly string[],
  as: string | undefined,
): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'stackgate-ssh-'));
  try {
    const known = join(folder, 'known_hosts');
    const name = access.port === 22 ? access.address : `[${access.address}]:${access.port}`;
    await writeFile(known, access.hostKeys.map((key) => `${name} ${key}\n`).join(''), { mode: 0o600 });
    const user = as ?? access.user;
    const options = [
      '-p',
      `${access.port}`,
      '-o',
      `UserKnownHostsFile=${known}`,
      '-o',
      `StrictHostKeyChecking=${access.hostKeys.length > 0 ? 'yes' : 'accept-new'}`,
    ];
    if (access.keyFile !== null) options.push('-i', access.keyFile, '-o', 'IdentitiesOnly=yes');
    if (user !== null) options.push('-l', user);
    return await run('ssh', [...options, '--', access.address, ...words]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function run(file: string, args: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { stdio: 'inherit' });
    child.once('error', (error) => reject(new CommandError(`cannot run ${file}: ${error.message}`, 5)));
    child.once('close', (code) => resolve(code ?? 255));
  });
}
