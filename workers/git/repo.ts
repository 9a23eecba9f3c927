import { existsSync } from 'node:fs';
import { copyFile, mkdir, readdir, readFile, rename, rm, stat, symlink } from 'node:fs/promises';
import { dirname, resolve, sep } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { crashpoint } from '../crashpoint.ts';
import { type GitCall, GitExit, git, gitFault, isCorruption } from './command.ts';
import { forgetOld, idOf, notePublished, oldIds } from './expire.ts';
import { isRevision, servedDir } from './names.ts';

/**
 * One project's repository: a bare copy of Gerrit's branches and tags, and in its folder `served` a second one, which shares
 * its objects and has besides what we published. Nodes fetch from `served`. Two, because a fetch from Gerrit looks at every
 * ref of the repository it fetches into: with 40,000 published states beside the branches it takes 0.6 s longer, every time.
 * For the same reason patchsets get no ref: they are found by their commit id.
 *
 * Nobody but its owner writes to it, and the owner does one thing at a time (the lock is in ../merger.ts). It survives a
 * missing or broken repository (cloned again, what was published saved from the old one where it can be read), a clone that
 * was killed (made beside, moved into place when whole), lock files of killed processes, branches that were rewritten,
 * deleted or replaced by a folder of branches.
 *
 * Every fetch arrives as a pack, moved into place when whole (`fetch.unpackLimit`): a commit that is there has all that it
 * needs. Objects are never pruned: a job may fetch a published state days later. `tidy` packs what is loose and keeps the
 * commit-graph fresh, which decides the speed of every merge base (3.5 times on a repository like neutron's).
 */
export interface Repo {
  readonly dir: string;
  readonly project: string;
  /** Makes the clone if there is none. Cheap when there is. */
  ensure(signal: AbortSignal): Promise<void>;
  /** Brings every branch up to date, new tags, and the refs named (`refs/changes/...`), in one conversation. */
  fetch(refs: readonly string[], signal: AbortSignal): Promise<FetchOutcome>;
  /** Commit ids of branches and commits; those that are not there are absent. */
  resolve(names: readonly string[], signal: AbortSignal): Promise<Map<string, string>>;
  /** Commit ids of published refs; those that do not exist are absent. */
  published(refs: readonly string[], signal: AbortSignal): Promise<Map<string, string>>;
  /** What the merges need to know of commits, by id (and of others; a commit never changes, so it is asked for once). */
  describe(commits: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, CommitFacts>>;
  /**
   * Writes refs of what is served, one transaction after the other. Killed in between, a transaction may be written in part,
   * but none of the next is there.
   */
  publish(transactions: readonly RefUpdates[], signal: AbortSignal): Promise<void>;
  /** Runs a command that takes no lock and is no conversation with Gerrit. */
  run(args: readonly string[], call: Omit<GitCall, 'dir'>): Promise<string>;
  /** Clones again and puts the result in place of the broken repository. */
  heal(signal: AbortSignal): Promise<void>;
  /** Upkeep, if it is time for it. */
  tidy(signal: AbortSignal): Promise<void>;
}

/** Ref → commit; null deletes. */
export type RefUpdates = ReadonlyMap<string, string | null>;

export type FetchOutcome =
  /** What the refs asked for are, and every branch and tag. */
  | { readonly kind: 'fetched'; readonly commits: ReadonlyMap<string, string> }
  /** Gerrit has no such ref; nothing is said about the others. */
  | { readonly kind: 'absent'; readonly ref: string };

export interface CommitFacts {
  readonly commit: string;
  readonly tree: string;
  readonly parents: readonly string[];
  /** Seconds since the epoch. */
  readonly committedOn: number;
  readonly author: { readonly name: string; readonly email: string; readonly date: string };
  readonly message: string;
}

export interface RepoOptions {
  readonly dir: string;
  readonly project: string;
  /** Where it is fetched from; asked for each time, since a bridge over SSH has a new address after every start. */
  readonly url: () => string;
  readonly env: Readonly<Record<string, string>>;
  /** Lock files older than this (ms) belong to nobody. */
  readonly staleLock: number;
  /** Fetches after which `tidy` packs. */
  readonly tidyEvery: number;
  /** ms for which published states stay. */
  readonly keepRefs: number;
  /** ms since the epoch. */
  readonly now: () => number;
}

const branches = '+refs/heads/*:refs/heads/*';
const ours = ['+refs/zuul/*:refs/zuul/*', '+refs/stackgate/*:refs/stackgate/*'];
const mostKnown = 2_000;
const fetchArgs = ['fetch', '--verbose', '--prune', '--no-auto-maintenance'];

export function openRepo(options: RepoOptions): Repo {
  const { dir, project, env } = options;
  const served = servedDir(dir);
  let origin: string | undefined;
  let sinceTidy = 0;
  /** Branches and tags as `served` has them. Undefined: not known in this life. */
  let mirrored: Map<string, string> | undefined;
  const known = new Map<string, CommitFacts>();

  const call = (signal: AbortSignal, input?: string): GitCall => ({ dir, signal, input, env });
  const atServed = (signal: AbortSignal, input?: string): GitCall => ({ dir: served, signal, input });

  async function clone(into: string, signal: AbortSignal): Promise<void> {
    await rm(into, { recursive: true, force: true });
    await mkdir(into, { recursive: true, mode: 0o700 });
    const at: GitCall = { dir: into, signal, env };
    await git(['init', '--bare', '.'], at);
    await git(['config', 'remote.origin.url', options.url()], at);
    try {
      await git([...fetchArgs, 'origin', branches, '+refs/tags/*:refs/tags/*'], at);
      const head = /^ref: (refs\/heads\/\S+)\tHEAD$/m.exec(
        await git(['ls-remote', '--symref', 'origin', 'HEAD'], at),
      )?.[1];
      if (head !== undefined) await git(['symbolic-ref', 'HEAD', head], at);
    } catch (caught) {
      signal.throwIfAborted();
      throw gitFault(caught, `cannot clone ${project}`);
    }
    await git(['commit-graph', 'write', '--reachable', '--split=replace'], at);
    await serve(into, signal);
  }

  /** Makes the served repository, without a ref yet. Killed before HEAD is there, it is made again. */
  async function serve(at: string, signal: AbortSignal): Promise<void> {
    const target = servedDir(at);
    await rm(target, { recursive: true, force: true });
    await mkdir(target, { mode: 0o700 });
    await symlink('../objects', `${target}/objects`);
    await mkdir(`${target}/refs`);
    await git(['init', '--bare', '.'], { dir: target, signal });
    await copyFile(`${at}/HEAD`, `${target}/HEAD`);
  }

  async function ensure(signal: AbortSignal): Promise<void> {
    const url = options.url();
    if (origin === url && existsSync(`${served}/HEAD`) && existsSync(`${dir}/HEAD`)) return;
    await mkdir(dirname(dir), { recursive: true, mode: 0o700 });
    if (['HEAD', 'objects', 'refs'].every((part) => existsSync(`${dir}/${part}`))) {
      const configured = await git(['config', '--get', 'remote.origin.url'], call(signal)).catch(() => {
        signal.throwIfAborted();
        return '';
      });
      // A broken `config` file shows here.
      if (configured.trim() === '') await heal(signal);
      else if (configured.trim() !== url) await locking(call(signal), ['config', 'remote.origin.url', url]);
    } else {
      await heal(signal);
    }
    if (!existsSync(`${served}/HEAD`)) await serve(dir, signal);
    mirrored = undefined;
    await mirror(signal);
    origin = url;
  }

  async function heal(signal: AbortSignal): Promise<void> {
    known.clear();
    const fresh = `${dir}.new`;
    const broken = `${dir}.broken`;
    await clone(fresh, signal);
    // Killed between the two renames below, the old one is found under its other name.
    const old = servedDir(existsSync(dir) ? dir : broken);
    if (existsSync(old)) {
      for (const refspec of ours) {
        // What cannot be read is lost: it is merged again when it is asked for again.
        await git(['fetch', '--verbose', '--no-auto-maintenance', old, refspec], {
          dir: servedDir(fresh),
          signal,
        }).catch(() => signal.throwIfAborted());
      }
      await copyFile(`${old}/published`, `${servedDir(fresh)}/published`).catch(() => {});
    }
    if (existsSync(dir)) {
      await rm(broken, { recursive: true, force: true });
      await rename(dir, broken);
      crashpoint('merge.heal.between');
    }
    await rename(fresh, dir);
    await rm(broken, { recursive: true, force: true });
    mirrored = undefined;
    await mirror(signal);
  }

  /** Gives `served` the branches and tags that we have, and answers them. */
  async function mirror(signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
    const now = await listRefs(call(signal));
    const before = mirrored ?? (await listRefs(atServed(signal)));
    mirrored = undefined;
    const gone = [...before.keys()].filter((ref) => !now.has(ref));
    const moved = [...now].filter(([ref, id]) => before.get(ref) !== id);
    // First what goes: a branch may have made room for a folder of branches.
    await publish([new Map(gone.map((ref) => [ref, null])), new Map(moved)], signal);
    mirrored = now;
    return now;
  }

  async function describe(commits: readonly string[], signal: AbortSignal): Promise<typeof known> {
    if (known.size > mostKnown) known.clear();
    const unknown = commits.filter((commit) => !known.has(commit));
    if (unknown.length > 0) {
      const format = ['%H', '%T', '%P', '%ct', '%an', '%ae', '%ad', '%B'].join('%x1f');
      const out = await git(
        ['log', '--no-walk=unsorted', '--stdin', '-z', '--date=raw', `--format=${format}`],
        call(signal, unknown.map((commit) => `${commit}\n`).join('')),
      );
      for (const facts of out.split('\0').flatMap(readFacts)) known.set(facts.commit, facts);
    }
    return known;
  }

  async function publish(transactions: readonly RefUpdates[], signal: AbortSignal): Promise<void> {
    const lines = transactions
      .filter((refs) => refs.size > 0)
      .map((refs) => `start\0${[...refs].map(updateLine).join('')}commit\0`);
    // `start` and `commit` are answered: see the 50 ms in command.ts.
    if (lines.length > 0) await locking(atServed(signal, lines.join('')), ['update-ref', '-z', '--stdin']);
  }

  /** Deletes the refs of states that nobody fetches any more. */
  async function expire(signal: AbortSignal): Promise<void> {
    const { old, rest } = await oldIds(served, options.now() - options.keepRefs);
    if (old.size === 0) return;
    const refs = await listRefs(atServed(signal), 'refs/zuul/', 'refs/stackgate/');
    const gone = [...refs.keys()].filter((ref) => old.has(idOf(ref) ?? ''));
    await publish([new Map(gone.map((ref) => [ref, null]))], signal);
    await forgetOld(served, rest);
  }

  /**
   * Runs a command that writes refs or files under a lock. A lock file that nobody released is waited for until it is
   * older than any living owner would keep it (a git whose parent was killed may still be at work), then removed.
   */
  async function locking(how: GitCall, args: readonly string[]): Promise<string> {
    for (;;) {
      try {
        return await git(args, how);
      } catch (caught) {
        const lock = caught instanceof GitExit ? lockOf(how.dir, caught.stderr) : undefined;
        if (lock === undefined) throw caught;
        const age = await stat(lock).then(
          (found) => Date.now() - found.mtimeMs,
          () => 0, // released since
        );
        if (age > options.staleLock) await rm(lock, { force: true });
        else await pause(Math.max(20, Math.min(250, options.staleLock - age)), how.signal);
      }
    }
  }

  return {
    dir,
    project,
    ensure,
    heal,
    describe,
    async publish(transactions, signal) {
      await notePublished(
        served,
        transactions.flatMap((refs) => [...refs.keys()]),
        options.now(),
      );
      await publish(transactions, signal);
    },
    run: (args, how) => git(args, { ...how, dir }),
    resolve: (names, signal) => lookUp(names, (lines) => call(signal, lines)),
    published: (refs, signal) => lookUp(refs, (lines) => atServed(signal, lines)),

    async fetch(refs, signal) {
      sinceTidy += 1;
      try {
        await locking(call(signal), [...fetchArgs, 'origin', branches, ...refs]);
      } catch (caught) {
        if (isCorruption(caught) || !(caught instanceof GitExit)) throw caught;
        const ref = /couldn't find remote ref (\S+)/.exec(caught.stderr)?.[1];
        if (ref !== undefined) return { kind: 'absent', ref };
        throw gitFault(caught, `cannot fetch ${project}`);
      }
      const heads = refs.length === 0 ? '' : await readFile(`${dir}/FETCH_HEAD`, 'utf8');
      const commits = new Map(
        [...heads.matchAll(/^([0-9a-f]{40})\t[^\t]*\t'(refs\/changes\/[^']+)' of /gm)].map(
          ([, id = '', ref = '']) => [ref, id],
        ),
      );
      // What came is asked for next, so it is read meanwhile; what is wrong with it is told to who asks.
      const read = describe([...commits.values()], signal).catch(() => undefined);
      const [tips] = await Promise.all([mirror(signal), read]);
      return { kind: 'fetched', commits: new Map([...tips, ...commits]) };
    },

    async tidy(signal) {
      if (sinceTidy < options.tidyEvery) return;
      sinceTidy = 0;
      const now = call(signal);
      await removeLeftovers(`${dir}/objects/pack`);
      await expire(signal);
      await locking(atServed(signal), ['pack-refs', '--all']);
      // The task first deletes what is packed, then packs what is loose: nothing is lost in between, reachable or not.
      await locking(now, ['maintenance', 'run', '--task=pack-refs', '--task=loose-objects']);
      await locking(now, ['repack', '--geometric=2', '-d', '--quiet']);
      await locking(now, ['commit-graph', 'write', '--reachable', '--split']);
    },
  };
}

function updateLine([ref, commit]: [string, string | null]): string {
  return commit === null ? `delete ${ref}\0\0` : `update ${ref}\0${commit}\0\0`;
}

const day = 86_400_000;

/** What fetches left that were killed. A whole pack has another name. */
async function removeLeftovers(packs: string): Promise<void> {
  for (const name of await readdir(packs)) {
    if (!name.startsWith('tmp_')) continue;
    const { mtimeMs } = await stat(`${packs}/${name}`);
    if (Date.now() - mtimeMs > day) await rm(`${packs}/${name}`, { force: true });
  }
}

/** Branches and tags, or other refs. */
async function listRefs(call: GitCall, ...under: readonly string[]): Promise<Map<string, string>> {
  const prefixes = under.length === 0 ? ['refs/heads/', 'refs/tags/'] : under;
  const format = '--format=%(objectname) %(refname)';
  const out = await git(['for-each-ref', format, ...prefixes], call);
  return new Map(
    out.split('\n').flatMap((line) => (line === '' ? [] : [[line.slice(41), line.slice(0, 40)]])),
  );
}

/** Which of the names are commits, and which. */
async function lookUp(
  names: readonly string[],
  callWith: (input: string) => GitCall,
): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  if (names.length === 0) return found;
  const lines = names.map((name) => `${name}\n`).join('');
  const out = await git(['cat-file', '--batch-check=%(objectname) %(objecttype)'], callWith(lines));
  out.split('\n').forEach((line, index) => {
    const [id, type] = line.split(' ');
    const name = names[index];
    if (name !== undefined && id !== undefined && isRevision(id) && type === 'commit') found.set(name, id);
  });
  return found;
}

function readFacts(record: string): CommitFacts[] {
  const [commit, tree, parents, committedOn, name, email, date, ...message] = record.split('\x1f');
  if (commit === undefined || tree === undefined || !isRevision(commit)) return [];
  return [
    {
      commit,
      tree,
      parents: (parents ?? '').split(' ').filter((parent) => parent !== ''),
      committedOn: Number(committedOn),
      author: { name: name ?? '', email: email ?? '', date: date ?? '' },
      message: message.join('\x1f'),
    },
  ];
}

/** The lock file that git complains about, if it lies in our repository. */
export function lockOf(dir: string, stderr: string): string | undefined {
  const path = /Unable to create '([^'\n]+\.lock)': File exists/i.exec(stderr)?.[1];
  if (path === undefined) return undefined;
  const full = resolve(dir, path);
  return full.startsWith(resolve(dir) + sep) ? full : undefined;
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => signal.throwIfAborted());
}
