import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { MergeAction, MergeEntry } from '../pipelines/action.ts';
import { asFault, Fault, stopped } from '../pipelines/fault.ts';
import type { Merger, StagedRepository } from '../pipelines/ports.ts';
import { type Branches, branchesOf } from './git/branches.ts';
import { GitExit, gitFault, isCorruption } from './git/command.ts';
import { createKeyedLock } from './git/lock.ts';
import type { MergeIdentity } from './git/merge.ts';
import { isConnection, isProject, locateRepo, repoDir, servedDir } from './git/names.ts';
import { openRepo, type Repo } from './git/repo.ts';
import type { GitSource } from './git/source.ts';
import { speculate } from './git/speculate.ts';

export interface MergerOptions {
  /** Folder of the repositories; this process alone writes there. */
  readonly dir: string;
  /** By connection name. The order is the order in which `/p/<project>` is looked up. */
  readonly sources: Readonly<Record<string, GitSource>>;
  /** Base URL under which the git door (git/serve.ts) is reached from nodes: `http://zm01:8001/p`. */
  readonly url: () => string;
  readonly identity?: MergeIdentity;
  /** ms for one merge, waiting for its projects included. */
  readonly deadline?: number;
  /** ms when a project must be cloned first. */
  readonly cloneDeadline?: number;
  /** ms after which a lock file belongs to nobody. */
  readonly staleLock?: number;
  /** Merges of a project after which its repository is packed. */
  readonly tidyEvery?: number;
  /** ms for which published states can be fetched; two months by default. */
  readonly keepRefs?: number;
  /** ms since the epoch. */
  readonly now?: () => number;
  /** Told about what was healed or could not be tidied. */
  readonly warn?: (message: string) => void;
}

export interface GitMerger extends Merger {
  /** The repository behind `/p/<path>`, for the git door. */
  readonly locate: (path: string) => string | undefined;
  /** What the branches of a connection hold now. */
  readonly branches: (connection: string) => Branches;
  /** Branches and tags of a project as Gerrit has them now, for machines that are to have them beforehand. */
  readonly mirror: (connection: string, project: string, signal: AbortSignal) => Promise<StagedRepository>;
}

const minute = 60_000;

/**
 * The Merger port on bare repositories. Merges of different projects overlap, merges that share a project wait for each
 * other. What will not get better by trying again is an outcome (`conflict`, `failed`); what may is thrown as a Fault with
 * `retry`, and the same action is given again later.
 */
export function createMerger(options: MergerOptions): GitMerger {
  const connections = Object.keys(options.sources);
  const identity = options.identity ?? { name: 'Stackgate', email: 'stackgate@localhost' };
  const warn = options.warn ?? (() => {});
  const locks = createKeyedLock();
  const repos = new Map<string, Repo>();
  const closing = new AbortController();
  const upkeep = new Set<Promise<void>>();

  function repoOf(connection: string, project: string): Repo {
    const source = options.sources[connection];
    if (source === undefined) {
      throw new Fault('git-failed', `there is no connection named ${connection}`, {
        hint: 'The configuration that asked for this merge names a connection that this merger does not have.',
      });
    }
    const dir = repoDir(options.dir, connection, project);
    const repo =
      repos.get(dir) ??
      openRepo({
        dir,
        project,
        url: () => source.url(project),
        env: source.env,
        staleLock: options.staleLock ?? 2 * minute,
        tidyEvery: options.tidyEvery ?? 50,
        keepRefs: options.keepRefs ?? 60 * 24 * 60 * minute,
        now: options.now ?? Date.now,
      });
    repos.set(dir, repo);
    return repo;
  }

  function foldersOf(stack: readonly MergeEntry[]): string[] {
    // Names that are no names are refused by `speculate` with a sentence; they have no folder to lock.
    return stack
      .filter((entry) => isConnection(entry.connection) && isProject(entry.project))
      .map((entry) => repoDir(options.dir, entry.connection, entry.project));
  }

  function urlOf(connection: string): string {
    const base = options.url().replace(/\/+$/, '');
    return connection === connections[0] ? base : `${base}/~${connection}`;
  }

  async function attempt(action: MergeAction, signal: AbortSignal): ReturnType<Merger['merge']> {
    const outcome = await speculate(action.stack, repoOf, identity, signal);
    const own = action.stack.at(-1);
    return outcome.kind === 'merged' ? { ...outcome, url: urlOf(own?.connection ?? '') } : outcome;
  }

  async function tidy(folders: readonly string[]): Promise<void> {
    const signal = AbortSignal.any([closing.signal, AbortSignal.timeout(30 * minute)]);
    for (const folder of folders) {
      await repos
        .get(folder)
        ?.tidy(signal)
        .catch((caught: unknown) => {
          if (!closing.signal.aborted) warn(`cannot tidy ${folder}: ${asFault(caught).message}`);
        });
    }
  }

  async function merge(action: MergeAction, outer: AbortSignal): ReturnType<Merger['merge']> {
    const folders = [...new Set(foldersOf(action.stack))];
    const cloned = folders.every((folder) => existsSync(join(folder, 'HEAD')));
    const limit = cloned ? (options.deadline ?? 10 * minute) : (options.cloneDeadline ?? 120 * minute);
    const late = AbortSignal.timeout(limit);
    const signal = AbortSignal.any([outer, closing.signal, late]);
    let release: (() => void) | undefined;
    try {
      release = await locks.hold(folders, signal);
      try {
        return await attempt(action, signal);
      } catch (caught) {
        if (!isCorruption(caught) || !(caught instanceof GitExit)) throw caught;
        const broken = [...repos.values()].find(
          ({ dir }) => caught.dir === dir || caught.dir === servedDir(dir),
        );
        if (broken === undefined) throw caught;
        warn(`the repository ${caught.dir} is broken and is cloned again: ${caught.message}`);
        await broken.heal(signal);
        return await attempt(action, signal);
      }
    } catch (caught) {
      // The reason says whether the action was cancelled or the process ends (`stopReason`).
      if (outer.aborted && outer.reason instanceof Fault) throw outer.reason;
      if (late.aborted && !outer.aborted) {
        throw new Fault('deadline', `the merge ${action.id} took longer than ${limit / 1000} s`, {
          retry: true,
          cause: caught,
        });
      }
      if (signal.aborted) throw stopped();
      const fault = caught instanceof GitExit ? gitFault(caught, 'the merge failed') : asFault(caught);
      if (fault.retry || fault.code === 'bug') throw fault;
      return { kind: 'failed', reason: fault.message };
    } finally {
      // The answer does not wait for upkeep; the next merge of these projects does.
      const work = tidy(folders).finally(() => release?.());
      upkeep.add(work);
      void work.finally(() => upkeep.delete(work));
    }
  }

  /** One look at a project's repository, between its merges. */
  async function alone<T>(
    connection: string,
    project: string,
    outer: AbortSignal,
    work: (repo: Repo, signal: AbortSignal) => Promise<T>,
    limit = options.deadline ?? 10 * minute,
  ): Promise<T> {
    if (!isProject(project)) {
      throw new Fault('git-failed', `not a project name: ${JSON.stringify(project)}`);
    }
    const repo = repoOf(connection, project);
    const late = AbortSignal.timeout(limit);
    const signal = AbortSignal.any([outer, closing.signal, late]);
    const release = await locks.hold([repo.dir], signal);
    try {
      return await work(repo, signal);
    } catch (caught) {
      if (late.aborted && !outer.aborted) {
        throw new Fault('deadline', `a look at ${project} took too long`, { retry: true, cause: caught });
      }
      if (closing.signal.aborted) throw stopped();
      throw caught;
    } finally {
      release();
    }
  }

  return {
    merge,
    branches: (connection) => branchesOf((project, outer, work) => alone(connection, project, outer, work)),
    mirror: (connection, project, outer) =>
      alone(
        connection,
        project,
        outer,
        async (repo, signal) => {
          await repo.ensure(signal);
          await repo.fetch([], signal);
          return await mirrored(repo, signal);
        },
        options.cloneDeadline ?? 120 * minute,
      ),
    locate: (path) => locateRepo(options.dir, connections, path),
    async [Symbol.asyncDispose]() {
      closing.abort(stopped());
      await Promise.allSettled(upkeep);
      // Whoever still holds a lock sees the signal and gives it back.
      const all = await locks.hold(repos.keys(), new AbortController().signal);
      all();
    },
  };
}

async function mirrored(repo: Repo, signal: AbortSignal): Promise<StagedRepository> {
  const names = ['--format=%(objectname) %(refname)', 'refs/heads', 'refs/tags'];
  const lines = await repo.run(['for-each-ref', ...names], { signal });
  const refs = Object.fromEntries(
    lines.split('\n').flatMap((line) => (line === '' ? [] : [[line.slice(41), line.slice(0, 40)]])),
  );
  const head = (await repo.run(['symbolic-ref', 'HEAD'], { signal })).trim();
  return { project: repo.project, path: repo.dir, refs, head };
}
