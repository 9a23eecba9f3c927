import { existsSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { asFault, Fault } from '../../pipelines/fault.ts';
import type { StagedRepository } from '../../pipelines/ports.ts';
import { GitExit, git, gitFault, isCorruption } from './command.ts';
import { createKeyedLock } from './lock.ts';
import { isBranch, isProject, zuulId, zuulRef } from './names.ts';
import { holdsState, stagedFor, touched } from './staged.ts';

/**
 * The repositories of a build whose change was merged on another machine. As with Zuul's mergers, each serves what it merged
 * at its own door, and `ZUUL_URL` of the build names that door. What is fetched from there lies in a folder of its own, beside
 * the repositories that this machine's merger owns, and borrows their objects, so that little has to travel.
 */
export interface ElsewhereOptions {
  /** Folder of what was fetched; processes of one machine share it. */
  readonly dir: string;
  /** The repository of this machine for a project. */
  readonly locate: (project: string) => string | undefined;
}

/** Answers the repositories to lay beside a build, from here or from elsewhere. Throws Fault `git-failed` with `retry`. */
export type RepositoriesOf = (
  params: Readonly<Record<string, string>>,
  signal: AbortSignal,
) => Promise<StagedRepository[]>;

/** States that are kept; all of them can be fetched again. */
const MOST_STATES = 500;

export function repositoriesOf({ dir, locate }: ElsewhereOptions): RepositoriesOf {
  const locks = createKeyedLock();

  /** Brings branches, tags and the states named into our copy, and answers its folder. */
  async function bring(from: string, project: string, states: readonly string[], signal: AbortSignal) {
    const folder = join(dir, `${project.replaceAll('/', '%2F')}.git`);
    const release = await locks.hold([folder], signal);
    try {
      return await bringInto(folder, from, project, states, signal);
    } catch (caught) {
      if (!isCorruption(caught)) throw caught;
      // What it borrowed is gone: without it, it is only a copy of what can be fetched again.
      await rm(folder, { recursive: true, force: true });
      return await bringInto(folder, from, project, states, signal);
    } finally {
      release();
    }
  }

  async function bringInto(
    folder: string,
    from: string,
    project: string,
    states: readonly string[],
    signal: AbortSignal,
  ): Promise<string> {
    await prepare(folder, locate(project), signal);
    await forget(folder, signal);
    const refs = [
      '+refs/heads/*:refs/heads/*',
      '+refs/tags/*:refs/tags/*',
      ...states.map((ref) => `+${ref}:${ref}`),
    ];
    await git(['fetch', '--verbose', '--no-auto-maintenance', `${from}/${project}`, ...refs], {
      dir: folder,
      signal,
      env: { GIT_ALLOW_PROTOCOL: 'http:https' },
    });
    return folder;
  }

  return async (params, signal) => {
    const here = await stagedFor(params, locate, signal);
    if (holdsState(params, here)) return here;
    const from = doorOf(params['ZUUL_URL']);
    const { ZUUL_BRANCH: branch = '', ZUUL_REF: ref = '', ZUUL_PROJECT: project = '' } = params;
    const id = zuulId(ref, branch) ?? '';
    const folders = new Map<string, string>();
    try {
      for (const [name, branches] of touched(params['ZUUL_CHANGES'], project, branch)) {
        if (!isProject(name) || !branches.every(isBranch)) continue;
        const states = branches.map((each) => zuulRef(each, id));
        folders.set(name, await bring(from, name, states, signal));
      }
    } catch (caught) {
      signal.throwIfAborted();
      const fault = caught instanceof GitExit ? gitFault(caught, 'it cannot be fetched') : asFault(caught);
      throw new Fault('git-failed', `${ref} was merged at ${from}: ${fault.message}`, {
        retry: true,
        hint: 'Workers fetch from each other: check roles.worker.url, and that this machine reaches that address.',
        cause: caught,
      });
    }
    return stagedFor(params, (name) => folders.get(name), signal);
  };
}

/** The address is part of the parameters, which a person who runs a job may set: nothing but web addresses is fetched from. */
function doorOf(url: string | undefined): string {
  const parsed = url === undefined || !URL.canParse(url) ? undefined : new URL(url);
  if (parsed === undefined || !/^https?:$/.test(parsed.protocol)) {
    throw new Fault('git-failed', `what was merged for this build is not here, and ZUUL_URL names no door`, {
      hint: 'ZUUL_URL is set by the merge; a parameter function or `--param` must leave it alone.',
    });
  }
  return parsed.href.replace(/\/+$/, '');
}

async function prepare(folder: string, borrowed: string | undefined, signal: AbortSignal): Promise<void> {
  if (existsSync(join(folder, 'HEAD'))) return;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await git(['init', '--bare', '.'], { dir: folder, signal });
  if (borrowed === undefined) return;
  await mkdir(join(folder, 'objects', 'info'), { recursive: true });
  await writeFile(join(folder, 'objects', 'info', 'alternates'), `${join(borrowed, 'objects')}\n`);
}

/** Forgets all states when they are many; their objects stay, so that a build that is being laid down keeps what it needs. */
async function forget(folder: string, signal: AbortSignal): Promise<void> {
  const lines = await git(['for-each-ref', '--format=delete %(refname)', 'refs/zuul'], {
    dir: folder,
    signal,
  });
  if (lines.split('\n').length < MOST_STATES) return;
  await git(['update-ref', '--stdin'], { dir: folder, signal, input: lines });
}
