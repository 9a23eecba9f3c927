import { asFault } from '../../pipelines/fault.ts';
import type { StagedRepository } from '../../pipelines/ports.ts';
import type { NodeConnection } from './connection.ts';
import { readHave, sendRepository } from './repositories.ts';
import { saidBy, script } from './script.ts';

/**
 * Fills `/opt/git` of a machine: whole clones of repositories, sent over the connection that we have, so a machine that reaches no
 * Gerrit has them, too. What is there is brought up to date; what is broken is sent anew.
 */

export interface CachedRepository extends StagedRepository {
  /** Where people would clone it from: what `origin` says. */
  readonly origin: string;
}

export interface CacheOwner {
  readonly uid: number;
  readonly gid: number;
}

const minute = 60_000;

/** The commits that `/opt/git` of a machine has, by project. */
export async function cachedCommits(
  connection: NodeConnection,
  projects: readonly string[],
  signal: AbortSignal,
): Promise<Map<string, string[]>> {
  const deadline = 10 * minute;
  const asked = await connection.run(script('cache', ['have', ...projects]), { signal, deadline });
  return readHave(saidBy(asked, 'cannot look for repositories in /opt/git'));
}

/** Brings one up to date; answers the bytes sent, and why it was sent whole although something was there. */
export async function cacheRepository(
  connection: NodeConnection,
  repository: CachedRepository,
  had: readonly string[],
  to: { readonly root: string; readonly owner: CacheOwner | undefined },
  signal: AbortSignal,
): Promise<{ bytes: number; anew?: string }> {
  const { project, head, origin } = repository;
  const { uid, gid } = to.owner ?? { uid: '', gid: '' };
  const sending = {
    repository,
    take: script('cache', ['take', project, head, origin, uid, gid]),
    packedRefs: packedRefs(repository.refs),
    what: `cannot lay ${project} in /opt/git`,
  };
  try {
    return { bytes: await sendRepository(connection, { ...sending, had }, signal) };
  } catch (caught) {
    const fault = asFault(caught);
    // Something of it is missing that it should have; without a full disk or a cut connection that is healed by sending all.
    if (signal.aborted || had.length === 0 || fault.code !== 'node-lost') throw caught;
    const dropped = await connection.run(script('cache', ['drop', to.root, project]), {
      signal,
      deadline: 10 * minute,
    });
    saidBy(dropped, `cannot remove the broken ${project} from /opt/git`);
    return {
      bytes: await sendRepository(connection, { ...sending, had: [] }, signal),
      anew: fault.message,
    };
  }
}

/** Branches both as the clone's own and as its origin's. */
function packedRefs(refs: Readonly<Record<string, string>>): string {
  const all = Object.entries(refs).flatMap(([name, commit]): [string, string][] =>
    name.startsWith('refs/heads/')
      ? [
          [name, commit],
          [`refs/remotes/origin/${name.slice('refs/heads/'.length)}`, commit],
        ]
      : [[name, commit]],
  );
  return all
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, commit]) => `${commit} ${name}\n`)
    .join('');
}
