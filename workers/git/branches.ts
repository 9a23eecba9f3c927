import { GitExit, gitFault } from './command.ts';
import type { Repo } from './repo.ts';

/** The branches of one connection as its server has them now: asked for anew with every call. */
export interface Branches {
  /** Undefined: there is no such branch. */
  tip(project: string, branch: string, signal: AbortSignal): Promise<Tip | undefined>;
  /** The trees a branch came to hold after the commit `since`, along its first parents, newest first. */
  treesSince(project: string, branch: string, since: string, signal: AbortSignal): Promise<string[]>;
}

export interface Tip {
  readonly commit: string;
  readonly tree: string;
}

/** `alone` gives one caller at a time the project's repository. */
export function branchesOf(
  alone: <T>(
    project: string,
    outer: AbortSignal,
    work: (repo: Repo, signal: AbortSignal) => Promise<T>,
  ) => Promise<T>,
): Branches {
  const fresh = <T>(
    project: string,
    outer: AbortSignal,
    work: (repo: Repo, signal: AbortSignal) => Promise<T>,
  ): Promise<T> =>
    alone(project, outer, async (repo, signal) => {
      try {
        await repo.ensure(signal);
        await repo.fetch([], signal);
        return await work(repo, signal);
      } catch (caught) {
        if (caught instanceof GitExit) throw gitFault(caught, `cannot look at the branches of ${project}`);
        throw caught;
      }
    });
  return {
    tip: (project, branch, outer) =>
      fresh(project, outer, async (repo, signal) => {
        const name = `refs/heads/${branch}`;
        const commit = (await repo.resolve([name], signal)).get(name);
        if (commit === undefined) return undefined;
        const facts = (await repo.describe([commit], signal)).get(commit);
        return facts === undefined ? undefined : { commit, tree: facts.tree };
      }),
    treesSince: (project, branch, since, outer) =>
      fresh(project, outer, async (repo, signal) => {
        const range = [`^${since}`, `refs/heads/${branch}`];
        const out = await repo.run(['log', '--first-parent', '--format=%T', ...range, '--'], { signal });
        return out.split('\n').filter((line) => line !== '');
      }),
  };
}
