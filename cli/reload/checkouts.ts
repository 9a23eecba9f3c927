import { readFileSync } from 'node:fs';
import { mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Fault } from '../../pipelines/fault.ts';
import { complaint, GitExit, git } from '../../workers/git/command.ts';

/**
 * The site's data repository, as a bare clone, and checkouts of single commits beside it. A commit that is tried out lies in a
 * folder of its own; `current` names the one in force, so that a restart finds the last good one whatever the branch holds.
 */
export interface Checkouts {
  /** The newest commit of the branch. Throws Fault `git-failed`. */
  fetch(signal: AbortSignal): Promise<string>;
  /** The files of a commit: the folder they lie in. */
  checkout(commit: string, signal: AbortSignal): Promise<string>;
  /** Puts a commit in force and forgets the others. */
  use(commit: string): Promise<void>;
}

export interface RepositorySettings {
  readonly url: string;
  /** Without one, the branch that HEAD of the repository points at. */
  readonly branch: string | undefined;
  /** Private key for ssh; without one what ssh finds by itself. */
  readonly key: string | undefined;
}

const HASH = /^[0-9a-f]{40,64}$/;
const DEADLINE = 120_000;

export function openCheckouts(data: string, { url, branch, key }: RepositorySettings): Checkouts {
  const home = join(data, 'configuration');
  const bare = join(home, 'repository.git');
  const run = async (args: readonly string[], signal: AbortSignal): Promise<string> => {
    const within = AbortSignal.any([signal, AbortSignal.timeout(DEADLINE)]);
    try {
      return await git(args, { dir: bare, signal: within, env: { GIT_SSH_COMMAND: sshCommand(key) } });
    } catch (caught) {
      signal.throwIfAborted();
      const late = within.aborted ? `no answer within ${DEADLINE / 1000} s` : undefined;
      const said = late ?? (caught instanceof GitExit ? complaint(caught.stderr) : String(caught));
      throw new Fault('git-failed', `the configuration repository cannot be read: ${said}`, {
        retry: true,
        hint: 'check `repository:` in stackgate.yaml, and that this account may read it',
        cause: caught,
      });
    }
  };
  return {
    async fetch(signal) {
      if ((await stat(join(bare, 'HEAD')).catch(() => undefined)) === undefined) {
        await mkdir(bare, { recursive: true, mode: 0o700 });
        await run(['init', '--quiet', '--bare', bare], signal);
      }
      const from = branch === undefined ? 'HEAD' : `refs/heads/${branch}`;
      await run(['fetch', '--quiet', '--no-tags', '--', url, `+${from}:refs/stackgate/newest`], signal);
      return (await run(['rev-parse', 'refs/stackgate/newest'], signal)).trim();
    },
    async checkout(commit, signal) {
      const folder = join(home, commit);
      if ((await stat(folder).catch(() => undefined)) !== undefined) return folder;
      const aside = `${folder}.new`;
      await rm(aside, { recursive: true, force: true });
      await mkdir(aside, { recursive: true, mode: 0o700 });
      await rm(join(bare, 'index'), { force: true });
      await run([`--work-tree=${aside}`, 'checkout', '--quiet', '--force', commit, '--', '.'], signal);
      await rename(aside, folder);
      return folder;
    },
    async use(commit) {
      await writeFile(join(home, 'current.new'), `${commit}\n`);
      await rename(join(home, 'current.new'), join(home, 'current'));
      for (const name of await readdir(home)) {
        if (HASH.test(name.replace(/\.new$/, '')) && name !== commit)
          await rm(join(home, name), { recursive: true, force: true });
      }
    },
  };
}

/** The commit in force and its folder. Undefined: none was, yet. */
export function currentCheckout(data: string): { commit: string; folder: string } | undefined {
  const home = join(data, 'configuration');
  const commit = readName(join(home, 'current'));
  return HASH.test(commit) ? { commit, folder: join(home, commit) } : undefined;
}

export function checkoutInForce(data: string): string | undefined {
  return currentCheckout(data)?.folder;
}

function readName(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return '';
  }
}

function sshCommand(key: string | undefined): string {
  const options = ['-o BatchMode=yes', '-o ConnectTimeout=20', '-o StrictHostKeyChecking=yes'];
  if (key !== undefined) options.push('-o IdentitiesOnly=yes', `-i '${key.replaceAll("'", `'\\''`)}'`);
  return `ssh ${options.join(' ')}`;
}
