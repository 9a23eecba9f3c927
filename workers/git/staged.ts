import type { StagedRepository } from '../../pipelines/ports.ts';
import { git } from './command.ts';
import { isBranch, zuulId, zuulRef } from './names.ts';

/**
 * The repositories a build may ask `$ZUUL_URL` for: those of its own change and of the changes ahead (ZUUL_CHANGES), or for
 * refs and timers that of its project. Each shows branches, tags and, of all published states, only the build's own.
 */
export async function stagedFor(
  params: Readonly<Record<string, string>>,
  locate: (project: string) => string | undefined,
  signal: AbortSignal,
): Promise<StagedRepository[]> {
  const { ZUUL_BRANCH: branch = '', ZUUL_REF: ref = '', ZUUL_PROJECT: project = '' } = params;
  const id = zuulId(ref, branch);
  const found: StagedRepository[] = [];
  for (const [name, branches] of touched(params['ZUUL_CHANGES'], project, branch)) {
    const path = locate(name);
    if (path === undefined) continue;
    const wanted = id === undefined ? [] : branches.map((each) => zuulRef(each, id));
    const lines = await git(
      ['for-each-ref', '--format=%(objectname) %(refname)', 'refs/heads', 'refs/tags', ...wanted],
      { dir: path, signal },
    );
    const refs = Object.fromEntries(
      lines.split('\n').flatMap((line) => (line === '' ? [] : [[line.slice(41), line.slice(0, 40)]])),
    );
    found.push({ project: name, path, refs, head: `refs/heads/${isBranch(branch) ? branch : 'master'}` });
  }
  return found;
}

/** Does it hold the state that the build is to test? Where nothing was merged for it there is none. */
export function holdsState(
  params: Readonly<Record<string, string>>,
  repositories: readonly StagedRepository[],
): boolean {
  const { ZUUL_BRANCH: branch = '', ZUUL_REF: ref = '', ZUUL_COMMIT: commit = '' } = params;
  if (zuulId(ref, branch) === undefined) return true;
  const own = repositories.find(({ project }) => project === params['ZUUL_PROJECT']);
  return own?.refs[ref] === commit;
}

/** `project:branch:refspec` joined by `^` → the branches of each project, the build's own project always among them. */
export function touched(changes: string | undefined, project: string, branch: string): Map<string, string[]> {
  const all = new Map<string, string[]>();
  const entries = (changes ?? '').split('^').filter((entry) => entry !== '');
  for (const [name = '', on = ''] of [...entries.map((entry) => entry.split(':')), [project, branch]]) {
    const branches = all.get(name) ?? [];
    if (on !== '' && !branches.includes(on)) branches.push(on);
    if (name !== '') all.set(name, branches);
  }
  return all;
}
