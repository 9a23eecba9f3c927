import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FileStat } from './model.ts';
import { type Commit, decodeCommit, decodeTree, encodeCommit, encodeTree, writeObject } from './objects.ts';
import { GitSession, runGit } from './process.ts';

/** One bare repository of the server. */
export interface Repo extends Disposable {
  readonly path: string;
  /** Commit that a ref or a name points at. */
  resolve(name: string): Promise<string | undefined>;
  commit(sha: string): Promise<Commit>;
  /** Text of the file, undefined when the commit has none there. */
  file(commit: string, path: string): Promise<string | undefined>;
  /** The tree `base` with files written (`null`: removed). */
  edit(base: string | undefined, files: Readonly<Record<string, string | null>>): Promise<string>;
  /** Stores a commit object; `at` in ms. */
  create(commit: Commit, at: number): string;
  /** Files that differ between the commit and its (first) parent, COMMIT_MSG not included. */
  stat(sha: string, parent: string | undefined): Promise<FileStat[]>;
  /** Sets refs in one transaction; a new value of `null` deletes, `old` is checked where it is given. */
  update(refs: readonly { ref: string; new: string | null; old?: string }[]): Promise<void>;
  isAncestor(ancestor: string, of: string): Promise<boolean>;
  /** Tree of the three-way merge of two commits, undefined on a conflict. */
  merge(ours: string, theirs: string): Promise<string | undefined>;
  /** Tree of `commit` replayed on `onto`, undefined on a conflict. */
  replay(commit: string, onto: string): Promise<string | undefined>;
  git(args: readonly string[], stdin?: Buffer | string): ReturnType<typeof runGit>;
}

export const ZERO = '0'.repeat(40);

interface Found {
  readonly sha: string;
  readonly type: string;
  readonly content: Buffer;
}

function parseCatFile(bytes: Buffer): { value: Found | undefined; used: number } | undefined {
  const end = bytes.indexOf(0x0a);
  if (end < 0) return undefined;
  const [sha = '', type = '', size = ''] = bytes.subarray(0, end).toString().split(' ');
  if (!/^[0-9a-f]{40}$/.test(sha) || size === '') return { value: undefined, used: end + 1 };
  const used = end + 1 + Number(size) + 1;
  if (bytes.length < used) return undefined;
  return { value: { sha, type, content: Buffer.from(bytes.subarray(end + 1, used - 1)) }, used };
}

const TYPES: Readonly<Record<string, FileStat['type']>> = {
  A: 'ADDED',
  D: 'DELETED',
  R: 'RENAMED',
  C: 'COPIED',
};

/** Reads `diff-tree -z --raw --numstat`: first every file's kind, then every file's counts, in the same order. */
function parseStat(fields: string[]): FileStat[] {
  const kinds: { type: FileStat['type']; file: string; fileOld?: string }[] = [];
  const stats: FileStat[] = [];
  let at = 0;
  while (fields[at]?.startsWith(':')) {
    const letter = fields[at]?.split(' ').at(-1)?.charAt(0) ?? 'M';
    const type = TYPES[letter] ?? 'MODIFIED';
    const first = fields[at + 1] ?? '';
    const moved = type === 'RENAMED' || type === 'COPIED';
    kinds.push(moved ? { type, file: fields[at + 2] ?? '', fileOld: first } : { type, file: first });
    at += moved ? 3 : 2;
  }
  for (const kind of kinds) {
    const [insertions = '', deletions = '', path = ''] = fields[at]?.split('\t') ?? [];
    stats.push({ ...kind, insertions: Number(insertions) || 0, deletions: Number(deletions) || 0 });
    at += path === '' ? 3 : 1;
  }
  return stats;
}

/** What `git init --bare` makes, without the fork. */
export function createRepo(path: string, head: string): void {
  for (const folder of ['objects/info', 'objects/pack', 'refs/heads', 'refs/tags']) {
    mkdirSync(join(path, folder), { recursive: true });
  }
  const config = [
    '[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n\tlogAllRefUpdates = false\n',
    '[gc]\n\tauto = 0\n',
    '[uploadpack]\n\tallowAnySHA1InWant = true\n',
  ];
  writeFileSync(join(path, 'config'), config.join(''));
  writeFileSync(join(path, 'HEAD'), `ref: refs/heads/${head}\n`);
}

export function openRepo(path: string): Repo {
  const objects = new GitSession(path, ['cat-file', '--batch']);
  const refs = new GitSession(path, ['update-ref', '--stdin']);
  const diff = 'diff-tree --stdin -r -M --root --raw --numstat --no-commit-id -z';
  const diffs = new GitSession(path, diff.split(' '));
  let asked = 0;

  const read = async (name: string) => objects.ask(`${name}\n`, parseCatFile);
  const need = async (name: string): Promise<Found> => {
    const found = await read(name);
    if (found === undefined) throw new Error(`${path}: no object ${name}`);
    return found;
  };

  async function edit(base: string | undefined, files: ReadonlyMap<string, string | null>): Promise<string> {
    const entries = new Map(
      base === undefined ? [] : decodeTree((await need(base)).content).map((e) => [e.name, e]),
    );
    const folders = new Map<string, Map<string, string | null>>();
    for (const [file, content] of files) {
      const slash = file.indexOf('/');
      if (slash >= 0) {
        const folder = folders.get(file.slice(0, slash)) ?? new Map<string, string | null>();
        folders.set(file.slice(0, slash), folder.set(file.slice(slash + 1), content));
      } else if (content === null) {
        entries.delete(file);
      } else {
        const sha = writeObject(path, 'blob', Buffer.from(content));
        entries.set(file, { mode: entries.get(file)?.mode ?? '100644', name: file, sha });
      }
    }
    for (const [name, inside] of folders) {
      const old = entries.get(name);
      const sha = await edit(old?.mode === '40000' ? old.sha : undefined, inside);
      if (sha === EMPTY_TREE) entries.delete(name);
      else entries.set(name, { mode: '40000', name, sha });
    }
    return writeObject(path, 'tree', encodeTree([...entries.values()]));
  }

  const repo: Repo = {
    path,
    resolve: async (name) => (await read(`${name}^{commit}`))?.sha,
    commit: async (sha) => decodeCommit((await need(sha)).content),
    file: async (commit, file) => (await read(`${commit}:${file}`))?.content.toString(),
    edit: async (base, files) => edit(base, new Map(Object.entries(files))),
    create: (commit, at) => writeObject(path, 'commit', encodeCommit(commit, Math.floor(at / 1000))),
    stat: async (sha, parent) => {
      const end = `end-${asked++}\n`;
      const text = await diffs.ask(`${parent === undefined ? sha : `${sha} ${parent}`}\n${end}`, (bytes) => {
        const at = bytes.indexOf(end);
        return at < 0 ? undefined : { value: bytes.subarray(0, at).toString(), used: at + end.length };
      });
      return parseStat(text.split('\0'));
    },
    update: async (changes) => {
      const lines = changes.map((change) => {
        const old = change.old === undefined ? '' : ` ${change.old}`;
        return change.new === null
          ? `delete ${change.ref}${old}\n`
          : `update ${change.ref} ${change.new}${old}\n`;
      });
      const done = 'start: ok\nprepare: ok\ncommit: ok\n';
      await refs.ask(`start\n${lines.join('')}prepare\ncommit\n`, (bytes) =>
        bytes.length < done.length ? undefined : { value: undefined, used: done.length },
      );
    },
    isAncestor: async (ancestor, of) =>
      (await repo.git(['merge-base', '--is-ancestor', ancestor, of])).code === 0,
    merge: async (ours, theirs) => {
      const merged = await repo.git(['merge-tree', '--write-tree', '--no-messages', ours, theirs]);
      if (merged.code === 0) return merged.stdout.toString().trim();
      if (merged.code === 1) return undefined;
      throw new Error(`git merge-tree (needs git 2.38 or newer): ${merged.stderr.trim()}`);
    },
    replay: async (commit, onto) => {
      // merge-tree finds its base in history, so give both sides a history whose only common commit is the base wanted.
      const { parents, tree } = await repo.commit(commit);
      const side = (of: string) =>
        repo.create({ tree: of, parents, author: NOBODY, committer: NOBODY, message: '' }, 0);
      return repo.merge(side((await repo.commit(onto)).tree), side(tree));
    },
    git: async (args, stdin) => runGit(path, args, stdin),
    [Symbol.dispose]: () => {
      objects.close();
      refs.close();
      diffs.close();
    },
  };
  return repo;
}

const NOBODY = { name: 'nobody', email: 'nobody@localhost' };
const EMPTY_TREE = '4b825dc642cb6eb9a060e54bf8d69288fbee4904';

/** Where the repository of a project lies. Names with `..` never get here: see validProjectName. */
export function repoPath(root: string, project: string): string {
  return join(root, 'git', `${project}.git`);
}
