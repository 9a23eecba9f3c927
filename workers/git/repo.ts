import { existsSync } from 'node:fs';
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, resolve, sep } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type GitCall, GitExit, git, gitFault, isCorruption } from './command.ts';
import { isRevision } from './names.ts';

/**
 * One bare repository of one project: a copy of Gerrit's branches and tags, the patchsets that were merged, and what we
 * published. Nobody but its owner writes to it, and the owner does one thing at a time (the lock is in ../merger.ts).
 *
 * What it survives: a missing or broken repository (cloned again, our refs saved from the old one where they can be read),
 * a clone that was killed (made beside, moved into place when whole), lock files of killed processes, branches that were
 * rewritten, deleted or replaced by a folder of branches (`+` and `--prune`).
 *
 * Objects are never pruned: a job may fetch a published ref days later. `tidy` packs what is loose and keeps the
 * commit-graph fresh, which decides the speed of every merge base (performance.md: 3.5 times on neutron).
 */
export interface Repo {
  readonly dir: string;
  readonly project: string;
  /** Makes the clone if there is none. Cheap when there is. */
  ensure(signal: AbortSignal): Promise<void>;
  /** Brings every branch up to date, new tags, and the refs named (`refs/changes/...`), in one conversation. */
  fetch(refs: readonly string[], signal: AbortSignal): Promise<FetchOutcome>;
  /** Commit ids of refs; those that do not exist, or whose object is not there, are absent. */
  resolve(refs: readonly string[], signal: AbortSignal): Promise<Map<string, string>>;
  /** What the merges need to know of commits, by id (and of others; a commit never changes, so it is asked for once). */
  describe(commits: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, CommitFacts>>;
  /**
   * Writes refs, one transaction after the other. Killed in between, a transaction may be written in part, but none of the
   * next is there.
   */
  publish(transactions: readonly ReadonlyMap<string, string>[], signal: AbortSignal): Promise<void>;
  /** Runs a command that takes no lock and is no conversation with Gerrit. */
  run(args: readonly string[], call: Omit<GitCall, 'dir'>): Promise<string>;
  /** Clones again and puts the result in place of the broken repository. */
  heal(signal: AbortSignal): Promise<void>;
  /** Upkeep, if it is time for it. */
  tidy(signal: AbortSignal): Promise<void>;
}

export type FetchOutcome =
  | { readonly kind: 'fetched' }
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
}

const followed = ['+refs/heads/*:refs/heads/*'];
const ours = ['+refs/zuul/*:refs/zuul/*', '+refs/stackgate/*:refs/stackgate/*'];
const mostKnown = 2_000;
const fetchArgs = ['fetch', '--verbose', '--prune', '--no-write-fetch-head', '--no-auto-maintenance'];

export function openRepo(options: RepoOptions): Repo {
  const { dir, project, env } = options;
  let origin: string | undefined;
  let sinceTidy = 0;
  const known = new Map<string, CommitFacts>();

  const call = (signal: AbortSignal, input?: string): GitCall => ({ dir, signal, input, env });

  async function clone(into: string, signal: AbortSignal): Promise<void> {
    await rm(into, { recursive: true, force: true });
    await mkdir(into, { recursive: true, mode: 0o700 });
    const at: GitCall = { dir: into, signal, env };
    await git(['init', '--bare', '.'], at);
    await git(['config', 'remote.origin.url', options.url()], at);
    try {
      await git([...fetchArgs, 'origin', ...followed, '+refs/tags/*:refs/tags/*'], at);
      const head = /^ref: (refs\/heads\/\S+)\tHEAD$/m.exec(
        await git(['ls-remote', '--symref', 'origin', 'HEAD'], at),
      )?.[1];
      if (head !== undefined) await git(['symbolic-ref', 'HEAD', head], at);
    } catch (caught) {
      signal.throwIfAborted();
      throw gitFault(caught, `cannot clone ${project}`);
    }
    await git(['commit-graph', 'write', '--reachable', '--split=replace'], at);
  }

  async function ensure(signal: AbortSignal): Promise<void> {
    const url = options.url();
    if (origin === url && existsSync(`${dir}/HEAD`)) return;
    await mkdir(dirname(dir), { recursive: true, mode: 0o700 });
    const whole = ['HEAD', 'objects', 'refs'].every((part) => existsSync(`${dir}/${part}`));
    if (whole) {
      const configured = await git(['config', '--get', 'remote.origin.url'], call(signal)).catch(() => {
        signal.throwIfAborted();
        return '';
      });
      // A broken `config` file shows here.
      if (configured.trim() === '') await heal(signal);
      else if (configured.trim() !== url) await locking(['config', 'remote.origin.url', url], signal);
    } else {
      await heal(signal);
    }
    origin = url;
  }

  async function heal(signal: AbortSignal): Promise<void> {
    known.clear();
    const fresh = `${dir}.new`;
    const broken = `${dir}.broken`;
    await clone(fresh, signal);
    if (existsSync(dir)) {
      for (const refspec of ours) {
        // What cannot be read is lost: it is merged again when it is asked for again.
        await git(['fetch', '--verbose', '--no-write-fetch-head', `file://${dir}`, refspec], {
          dir: fresh,
          signal,
        }).catch(() => signal.throwIfAborted());
      }
      await rm(broken, { recursive: true, force: true });
      await rename(dir, broken);
    }
    await rename(fresh, dir);
    await rm(broken, { recursive: true, force: true });
  }

  /**
   * Runs a command that writes refs or files under a lock. A lock file that nobody released is waited for until it is
   * older than any living owner would keep it (a git whose parent was killed may still be at work), then removed.
   */
  async function locking(args: readonly string[], signal: AbortSignal, input?: string): Promise<string> {
    for (;;) {
      try {
        return await git(args, call(signal, input));
      } catch (caught) {
        const lock = caught instanceof GitExit ? lockOf(dir, caught.stderr) : undefined;
        if (lock === undefined) throw caught;
        const age = await stat(lock).then(
          (found) => Date.now() - found.mtimeMs,
          () => 0,
        );
        if (age > options.staleLock) await rm(lock, { force: true });
        else await pause(Math.max(20, Math.min(250, options.staleLock - age)), signal);
      }
    }
  }

  return {
    dir,
    project,
    ensure,
    heal,
    run: (args, how) => git(args, { ...how, dir }),

    async fetch(refs, signal) {
      const refspecs = refs.map((ref) => `+${ref}:${ref}`);
      sinceTidy += 1;
      try {
        await locking([...fetchArgs, 'origin', ...followed, ...refspecs], signal);
        return { kind: 'fetched' };
      } catch (caught) {
        if (isCorruption(caught) || !(caught instanceof GitExit)) throw caught;
        const ref = /couldn't find remote ref (\S+)/.exec(caught.stderr)?.[1];
        if (ref !== undefined) return { kind: 'absent', ref };
        throw gitFault(caught, `cannot fetch ${project}`);
      }
    },

    async resolve(refs, signal) {
      const found = new Map<string, string>();
      if (refs.length === 0) return found;
      const lines = refs.map((ref) => `${ref}\n`).join('');
      const out = await git(['cat-file', '--batch-check=%(objectname) %(objecttype)'], call(signal, lines));
      out.split('\n').forEach((line, index) => {
        const [id, type] = line.split(' ');
        const ref = refs[index];
        if (ref !== undefined && id !== undefined && isRevision(id) && type === 'commit') found.set(ref, id);
      });
      return found;
    },

    async describe(commits, signal) {
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
    },

    async publish(transactions, signal) {
      // `start` and `commit` are answered: see the 50 ms in command.ts.
      const lines = transactions
        .filter((refs) => refs.size > 0)
        .map((refs) => {
          const updates = [...refs].map(([ref, commit]) => `update ${ref}\0${commit}\0\0`).join('');
          return `start\0${updates}commit\0`;
        });
      if (lines.length > 0) await locking(['update-ref', '-z', '--stdin'], signal, lines.join(''));
    },

    async tidy(signal) {
      if (sinceTidy < options.tidyEvery) return;
      sinceTidy = 0;
      // The task first deletes what is packed, then packs what is loose: nothing is lost in between, reachable or not.
      await locking(['maintenance', 'run', '--task=pack-refs', '--task=loose-objects'], signal);
      await locking(['repack', '--geometric=2', '-d', '--quiet'], signal);
      await locking(['commit-graph', 'write', '--reachable', '--split'], signal);
    },
  };
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
