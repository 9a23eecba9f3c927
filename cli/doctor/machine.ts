import { execFile } from 'node:child_process';
import { constants, existsSync } from 'node:fs';
import { access, statfs } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { usersOf } from '../../nodepool/providers/local.ts';
import { Fault } from '../../pipelines/fault.ts';
import { serverUrl } from '../addresses.ts';
import { localNodes } from '../nodepool.ts';
import type { Site } from '../sitekeys.ts';
import { type Finding, look } from './finding.ts';

/** What this machine must have. */

/** git's merge-tree with --write-tree, on which speculative merges stand. */
const oldestGit = [2, 38] as const;
/** Bytes: below the first the database refuses to write, below the second a few builds fill the rest. */
const least = 64 * 2 ** 20;
const scarce = 5 * 2 ** 30;

export function lookAtMachine(site: Site, data: string): Promise<Finding[]> {
  return Promise.all([
    look('git', gitVersion),
    look('data directory', () => roomIn(data)),
    look('web server', () => doorOf(site.listen, data)),
    ...(localNodes(site) === undefined ? [] : [look('job user', () => jobUser(site))]),
  ]);
}

async function gitVersion(): Promise<string> {
  const { stdout } = await promisify(execFile)('git', ['--version']).catch((caught: unknown) => {
    throw new Fault('git-failed', 'there is no git', { hint: 'Install git 2.38 or newer.', cause: caught });
  });
  const [, major = 0, minor = 0] = (/(\d+)\.(\d+)/.exec(stdout) ?? []).map(Number);
  const [most, next] = oldestGit;
  if (major > most || (major === most && minor >= next)) return stdout.trim().replace('git version ', '');
  throw new Fault('git-failed', `${stdout.trim()} cannot merge in memory`, {
    hint: `Install git ${oldestGit.join('.')} or newer.`,
  });
}

async function roomIn(data: string): Promise<string | Omit<Finding, 'what'>> {
  let folder = data;
  while (!existsSync(folder) && dirname(folder) !== folder) folder = dirname(folder);
  await access(folder, constants.W_OK).catch((caught: unknown) => {
    throw new Fault('config-invalid', `${folder} cannot be written by this account`, {
      hint: 'Run it as the account that Stackgate runs as, or give that account the directory.',
      cause: caught,
    });
  });
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  const says = `${data}, ${Math.floor(free / 2 ** 30)} GiB free`;
  if (free > scarce) return says;
  const hint =
    'Logs and repositories of a few builds fill so little: give it more, or keep logs for a shorter time.';
  return { state: free < least ? 'bad' : 'warning', says, hint };
}

async function doorOf(listen: string, data: string): Promise<string> {
  const running = serverUrl(data);
  const answers = await fetch(new URL('/healthz', running ?? 'http://127.0.0.1:9'), {
    signal: AbortSignal.timeout(3_000),
  }).then(
    () => true,
    () => false,
  );
  if (running !== undefined && answers) return `Stackgate runs at ${running}`;
  const [, host = '', port = ''] = /^(.*):(\d+)$/.exec(listen) ?? [];
  await new Promise<void>((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(Number(port), host.replace(/^\[|\]$/g, ''), () => server.close(() => resolve()));
  }).catch((caught: unknown) => {
    throw new Fault('config-invalid', `cannot listen on ${listen}: ${String(caught)}`, {
      hint: 'Give `listen:` another port, or end whoever has this one.',
    });
  });
  return `${listen} is free`;
}

async function jobUser(site: Site): Promise<string | Omit<Finding, 'what'>> {
  const local = localNodes(site);
  const users = await usersOf({
    users: local?.user === undefined ? undefined : [local.user].flat(),
    allowSameUser: local?.['allow-same-user'],
  });
  if (users.length > 0) return `jobs run as ${users.map(({ name }) => name).join(', ')}`;
  return {
    state: 'warning',
    says: 'jobs run as our own user: a patch could read the keys of this CI',
    hint: 'Fine for patches of your own people. Otherwise name a user for them: nodes: local: user:',
  };
}
