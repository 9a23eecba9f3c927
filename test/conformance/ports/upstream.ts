import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { MergeEntry, MergeMode } from '../../../pipelines/action.ts';

/** A place where Gerrit's repositories would be: bare repositories with branches and `refs/changes/...`, made by fast-import. */
export interface Upstream {
  readonly root: string;
  readonly url: string;
  /** Makes a project whose `branch` (master) holds `files`. Answers the commit. */
  project(name: string, files: Files, branch?: string): string;
  /** A commit on a branch; `null` deletes a file. */
  commit(project: string, branch: string, files: Files, options?: CommitOptions): string;
  /** A patchset, by default on the tip of master as it is now, and the entry that merges it. */
  change(project: string, number: number, files: Files, options?: ChangeOptions): MergeEntry;
  git(project: string, ...args: string[]): string;
}

export type Files = Readonly<Record<string, string | null>>;

export interface CommitOptions {
  readonly parents?: readonly string[];
  readonly message?: string;
  readonly author?: string;
  readonly at?: number;
}

export interface ChangeOptions extends CommitOptions {
  readonly branch?: string;
  readonly patchset?: number;
  readonly mode?: MergeMode;
  readonly connection?: string;
  /** Z id; by default from number and patchset. */
  readonly z?: string;
}

export function createUpstream(root: string): Upstream {
  const dirOf = (project: string) => join(root, `${project}.git`);
  const git = (project: string, ...args: string[]) =>
    execFileSync('git', args, {
      cwd: dirOf(project),
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    }).trim();
  let clock = 1_700_000_000;

  function write(project: string, ref: string, files: Files, options: CommitOptions): string {
    clock += 60;
    const when = `${options.at ?? clock} +0000`;
    const message = options.message ?? `Change of ${Object.keys(files).join(', ')}\n`;
    const lines = [`commit ${ref}`];
    if (options.author !== undefined) lines.push(`author ${options.author} ${when}`);
    lines.push(`committer Ann <ann@example.org> ${when}`, data(message));
    const [first, ...others] = options.parents ?? [];
    if (first !== undefined) lines.push(`from ${first}`);
    for (const parent of others) lines.push(`merge ${parent}`);
    for (const [path, content] of Object.entries(files)) {
      if (content === null) lines.push(`D ${path}`);
      else lines.push(`M 100644 inline ${path}`, data(content));
    }
    const reset = first === undefined ? `reset ${ref}\n` : '';
    execFileSync('git', ['fast-import', '--quiet', '--force'], {
      cwd: dirOf(project),
      input: `${reset}${lines.join('\n')}\n\ndone\n`,
      stdio: ['pipe', 'ignore', 'pipe'],
    });
    return git(project, 'rev-parse', ref);
  }

  return {
    root,
    url: `file://${root}`,
    git,
    project(name, files, branch = 'master') {
      mkdirSync(dirname(dirOf(name)), { recursive: true });
      execFileSync('git', ['init', '--quiet', '--bare', '--initial-branch', branch, dirOf(name)]);
      return write(name, `refs/heads/${branch}`, files, {});
    },
    commit(project, branch, files, options = {}) {
      const ref = `refs/heads/${branch}`;
      return write(project, ref, files, { parents: [git(project, 'rev-parse', ref)], ...options });
    },
    change(project, number, files, options = {}) {
      const { branch = 'master', patchset = 1, mode = 'merge', connection = 'gerrit' } = options;
      const id = String(number);
      const refspec = `refs/changes/${id.padStart(2, '0').slice(-2)}/${id}/${patchset}`;
      const parents = options.parents ?? [git(project, 'rev-parse', `refs/heads/${branch}`)];
      const revision = write(project, refspec, files, { ...options, parents });
      const z = options.z ?? `Z${`${number}${patchset}`.padStart(32, '0')}`;
      const ref = `refs/zuul/${branch}/${z}`;
      return {
        connection,
        project,
        branch,
        number: id,
        patchset: `${patchset}`,
        refspec,
        revision,
        mode,
        ref,
      };
    },
  };
}

function data(text: string): string {
  return `data ${Buffer.byteLength(text)}\n${text}`;
}
