import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ADMINISTRATORS, DEFAULT_LABELS } from './access.ts';
import { gson, type Json } from './attributes.ts';
import { refUpdated } from './events.ts';
import type { Faults } from './faults.ts';
import { createRepo, repoPath, ZERO } from './git.ts';
import { type KeyPair, keptKeyPair, makeKeyPair } from './keys.ts';
import type { Account, Change, Command, Label, Project, Review, Rule, SubmitType } from './model.ts';
import { current } from './model.ts';
import {
  abandonChange,
  addReviewer,
  deleteChange,
  restoreChange,
  setFlag,
  setHashtags,
  setTopic,
} from './ops/edit.ts';
import { postReview } from './ops/review.ts';
import { submitChange } from './ops/submit.ts';
import { type Pushed, type PushSpec, pushChange } from './push.ts';
import { Refusal, Site } from './site.ts';
import { type Door, openDoor } from './ssh.ts';

/**
 * A Gerrit for tests, the demo and benchmarks: a real SSH server with real git repositories behind it. The control calls below do
 * what people do in the web UI; each sends the events that Gerrit would send.
 */

export interface GerritOptions {
  /** Folder that keeps everything, so that a server started on it again knows all it acknowledged. Default: a temporary one. */
  readonly dir?: string;
  /** Default 0: a free one. Always on loopback. */
  readonly port?: number;
  readonly version?: string;
  /** Canonical web URL, with a trailing slash. Nothing needs to listen there. */
  readonly webUrl?: string;
  readonly instanceId?: string;
  readonly submitWholeTopic?: boolean;
  readonly strictLabels?: boolean;
  readonly publishPatchSetLevelComment?: boolean;
  /** Most rows of one query. Default 500. */
  readonly queryLimit?: number;
  readonly firstChange?: number;
  /** ms since the epoch. */
  readonly now?: () => number;
}

export interface AccountSpec {
  readonly name?: string;
  readonly email?: string;
  readonly groups?: readonly string[];
  /** OpenSSH public key line. Without one a key pair is made. */
  readonly publicKey?: string;
}

export interface Login {
  readonly username: string;
  /** File with the private key, where the server made the pair. */
  readonly keyFile: string;
  readonly privateKey: string;
}

export interface ProjectSpec {
  readonly branch?: string;
  readonly branches?: readonly string[];
  readonly submitType?: SubmitType;
  readonly labels?: readonly Label[];
  readonly files?: Readonly<Record<string, string>>;
}

interface By {
  /** Username. Default: admin. */
  readonly user?: string;
  /** Default: the current one. */
  readonly patchset?: number;
}

export interface Gerrit extends AsyncDisposable {
  readonly host: '127.0.0.1';
  readonly port: number;
  readonly dir: string;
  readonly webUrl: string;
  /** The host's public key, `ssh-ed25519 AAAA...`. */
  readonly hostKey: string;
  readonly faults: Faults;
  readonly site: Site;

  account(username: string, spec?: AccountSpec): Login;
  createProject(name: string, spec?: ProjectSpec): Promise<void>;
  createBranch(project: string, branch: string, from?: string): Promise<string>;
  /** Adds an access rule; `revoke` removes all rules of a permission for a group. */
  allow(rule: Rule): void;
  revoke(permission: string, group: string): void;

  push(project: string, spec?: PushSpec): Promise<Pushed>;
  /** Posts text (and votes); `patchsetLevel` posts as the web UI's reply box does. */
  comment(change: number, text: string, options?: By & { patchsetLevel?: boolean }): Promise<void>;
  vote(change: number, labels: Record<string, number>, options?: By & { message?: string }): Promise<void>;
  abandon(change: number, options?: By & { reason?: string }): Promise<void>;
  restore(change: number, options?: By & { reason?: string }): Promise<void>;
  submit(change: number, options?: By): Promise<void>;
  topic(change: number, topic: string, options?: By): Promise<void>;
  hashtags(change: number, hashtags: readonly string[], options?: By): Promise<void>;
  flag(change: number, flag: 'wip' | 'private', on: boolean, options?: By): Promise<void>;
  reviewer(change: number, reviewer: string, options?: By): Promise<void>;
  remove(change: number, options?: By): Promise<void>;

  change(number: number): Change;
  changes(): Change[];
  /** Value of a user's vote on the current (or given) patch set, 0 if none. */
  voteOf(number: number, label: string, user: string, patchset?: number): number;
  /** Every review post ever accepted, in order; of one user or change where given. */
  reviews(filter?: { user?: string; change?: number }): Review[];
  commands(): readonly Command[];
  /** Lines of the last 1000 events, delivered or not. */
  events(): string[];
  /** Commit that a branch points at. */
  tip(project: string, branch: string): Promise<string | undefined>;
  file(project: string, commit: string, path: string): Promise<string | undefined>;
  /** Waits until `ready` answers something else than undefined and false; rejects after `deadline` ms. */
  waitFor<T>(ready: () => T | undefined | false, deadline?: number): Promise<T>;

  connections(): number;
  streams(): number;
  cut(which?: 'streams' | 'all', how?: 'rst' | 'fin'): void;
  freeze(which?: 'streams' | 'all'): void;
  thaw(): void;
  rekey(): void;
  /** Lets stalled streams go on after `faults.stallStreams` was set back. */
  wake(): void;
  /** Bytes (or an object as a line) to every stream, past all filters. */
  inject(line: Uint8Array | Json): void;
  /** Delivers the last events again. */
  repeat(count: number, options?: { reversed?: boolean }): void;
  /** Goes away (port closed, connections cut) and comes back on the same port. */
  down(): Promise<void>;
  up(options?: { newHostKey?: boolean }): Promise<void>;
}

export async function startGerrit(options: GerritOptions = {}): Promise<Gerrit> {
  const temporary = options.dir === undefined;
  const dir = options.dir ?? mkdtempSync(join(tmpdir(), 'gerrit-'));
  mkdirSync(dir, { recursive: true });
  const site = new Site({
    dir,
    durable: !temporary,
    webUrl: options.webUrl ?? 'http://gerrit.example.org/',
    version: options.version ?? '3.10.2',
    instanceId: options.instanceId,
    submitWholeTopic: options.submitWholeTopic ?? false,
    strictLabels: options.strictLabels ?? false,
    publishPatchSetLevelComment: options.publishPatchSetLevelComment ?? true,
    queryLimit: options.queryLimit ?? 500,
    firstChange: options.firstChange ?? 1,
    now: options.now ?? Date.now,
  });
  let hostKey = keptKeyPair(join(dir, 'host_key'), 'gerrit');
  const open = async (port: number) => openDoor(site, { port, hostKey });
  let door: Door | undefined;
  try {
    door = await open(options.port ?? 0);
  } catch (error) {
    site[Symbol.dispose]();
    throw error;
  }
  const { port } = door;

  const account = (username: string, spec: AccountSpec = {}): Login => {
    const keyFile = join(dir, 'keys', username);
    const pair: KeyPair | undefined =
      spec.publicKey === undefined ? keptKeyPair(keyFile, spec.email ?? username) : undefined;
    const known = site.state.accounts.get(username);
    const wanted: Account = {
      id: known?.id ?? 1_000_000 + site.state.accounts.size,
      username,
      name: spec.name ?? known?.name ?? username,
      email: spec.email ?? known?.email ?? `${username}@example.org`,
      keys: [spec.publicKey ?? pair?.publicKey ?? ''],
      groups: spec.groups ?? known?.groups ?? [],
    };
    if (JSON.stringify(known) !== JSON.stringify(wanted)) site.record({ kind: 'account', account: wanted });
    return { username, keyFile, privateKey: pair?.privateKey ?? '' };
  };
  account('admin', { name: 'Administrator', email: 'admin@example.org', groups: [ADMINISTRATORS] });

  const by = (given: By | undefined) => site.account(given?.user ?? 'admin');
  const serially = async (work: () => void) =>
    site.exclusive(async () => {
      work();
    });

  return {
    host: '127.0.0.1',
    port,
    dir,
    webUrl: site.options.webUrl,
    get hostKey() {
      return hostKey.publicKey;
    },
    faults: site.faults,
    site,

    account,
    createProject: async (name, spec) => createProject(site, name, spec ?? {}),
    createBranch: async (project, branch, from) => createBranch(site, project, branch, from),
    allow: (rule) => {
      site.record({ kind: 'rule', rule });
    },
    revoke: (permission, group) => {
      site.record({ kind: 'revoke', permission, group });
    },

    push: async (project, spec) => pushChange(site, project, spec ?? {}),
    comment: async (change, text, given) =>
      serially(() => {
        const patchset = given?.patchset ?? current(site.change(change)).number;
        const input =
          given?.patchsetLevel === true
            ? { comments: { '/PATCHSET_LEVEL': [{ message: text }] } }
            : { message: text };
        postReview(site, by(given), change, patchset, input);
      }),
    vote: async (change, labels, given) =>
      serially(() => {
        const patchset = given?.patchset ?? current(site.change(change)).number;
        postReview(site, by(given), change, patchset, { labels, message: given?.message });
      }),
    abandon: async (change, given) =>
      serially(() => {
        abandonChange(site, by(given), change, given?.reason);
      }),
    restore: async (change, given) =>
      serially(() => {
        restoreChange(site, by(given), change, given?.reason);
      }),
    submit: async (change, given) => submitChange(site, by(given), change),
    topic: async (change, topic, given) =>
      serially(() => {
        setTopic(site, by(given), change, topic);
      }),
    hashtags: async (change, hashtags, given) =>
      serially(() => {
        setHashtags(site, by(given), change, hashtags);
      }),
    flag: async (change, flag, on, given) =>
      serially(() => {
        setFlag(site, by(given), change, flag, on);
      }),
    reviewer: async (change, reviewer, given) =>
      serially(() => {
        addReviewer(site, by(given), change, reviewer);
      }),
    remove: async (change, given) =>
      serially(() => {
        deleteChange(site, by(given), change);
      }),

    change: (number) => site.change(number),
    changes: () => [...site.state.changes.values()],
    voteOf: (number, label, user, patchset) => {
      const change = site.change(number);
      const wanted = patchset ?? current(change).number;
      return (
        change.votes.find((v) => v.label === label && v.by === user && v.patchset === wanted)?.value ?? 0
      );
    },
    reviews: (filter) =>
      site.state.reviews.filter(
        (r) =>
          (filter?.user === undefined || r.by === filter.user) &&
          (filter?.change === undefined || r.number === filter.change),
      ),
    commands: () => site.state.commands,
    events: () => site.hub.recent(),
    tip: async (project, branch) => site.repo(project).resolve(`refs/heads/${branch}`),
    file: async (project, commit, path) => site.repo(project).file(commit, path),
    waitFor: async (ready, deadline) => waitFor(site, ready, deadline ?? 10_000),

    connections: () => door?.connections() ?? 0,
    streams: () => site.hub.streams.length,
    cut: (which, how) => door?.cut(which ?? 'streams', how ?? 'rst'),
    freeze: (which) => door?.freeze(which ?? 'all'),
    thaw: () => door?.thaw(),
    rekey: () => door?.rekey(),
    wake: () => {
      site.hub.wake();
    },
    inject: (line) => {
      site.hub.inject(line instanceof Uint8Array ? Buffer.from(line) : Buffer.from(`${gson(line)}\n`));
    },
    repeat: (count, given) => {
      site.hub.repeat(count, given?.reversed ?? false);
    },
    down: async () => {
      const closing = door;
      door = undefined;
      await closing?.close();
    },
    up: async (given) => {
      if (door !== undefined) throw new Error('the server is up');
      if (given?.newHostKey === true) hostKey = makeKeyPair('gerrit');
      door = await open(port);
    },
    [Symbol.asyncDispose]: async () => {
      const closing = door;
      door = undefined;
      await closing?.close();
      // Work that was begun ends before the repositories go.
      await site.exclusive(async () => undefined);
      site[Symbol.dispose]();
      if (temporary) rmSync(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
    },
  };
}

async function waitFor<T>(site: Site, ready: () => T | undefined | false, deadline: number): Promise<T> {
  const until = Date.now() + deadline;
  for (;;) {
    const value = ready();
    if (value !== undefined && value !== false) return value;
    const left = until - Date.now();
    if (left <= 0) throw new Error(`not so within ${deadline} ms: ${ready.toString().slice(0, 200)}`);
    await new Promise<void>((resolve) => {
      // Woken by every mutation; the timer is for what is no mutation (connections, time).
      const timer = setTimeout(done, Math.min(left, 20));
      const stop = site.onRecord(done);
      function done() {
        clearTimeout(timer);
        stop();
        resolve();
      }
    });
  }
}

export function isProjectName(name: string): boolean {
  return /^[\w][\w./+-]*$/.test(name) && !/\.\.|\/\/|\/$|\.git$/.test(name);
}

async function createProject(site: Site, name: string, spec: ProjectSpec): Promise<void> {
  if (!isProjectName(name)) throw new Refusal(400, `invalid project name: ${name}`);
  if (site.state.projects.has(name)) throw new Refusal(409, `Project "${name}" already exists.`);
  await site.exclusive(async () => {
    const head = spec.branch ?? 'master';
    createRepo(repoPath(site.options.dir, name), head);
    const repo = site.repo(name);
    const gerrit = { name: 'Gerrit Code Review', email: 'gerrit@localhost' };
    const tree = await repo.edit(undefined, spec.files ?? {});
    const sha = repo.create(
      { tree, parents: [], author: gerrit, committer: gerrit, message: 'Initial empty repository\n' },
      site.now(),
    );
    const branches = [...new Set([head, ...(spec.branches ?? [])])];
    await repo.update(branches.map((branch) => ({ ref: `refs/heads/${branch}`, new: sha })));
    const project: Project = {
      name,
      head,
      submitType: spec.submitType ?? 'MERGE_IF_NECESSARY',
      labels: spec.labels ?? DEFAULT_LABELS,
    };
    site.record({ kind: 'project', project });
    for (const branch of branches) {
      const update = { ref: `refs/heads/${branch}`, oldRev: ZERO, newRev: sha };
      site.hub.emit(refUpdated(site.state, name, 'admin', update));
    }
    site.hub.emit({
      type: 'project-created',
      fields: { projectName: name, headName: `refs/heads/${head}` },
      visibleTo: () => true,
    });
  });
}

async function createBranch(site: Site, project: string, branch: string, from?: string): Promise<string> {
  return site.exclusive(async () => {
    const repo = site.repo(project);
    const base = from ?? site.state.projects.get(project)?.head ?? 'master';
    const sha = (await repo.resolve(`refs/heads/${base}`)) ?? (await repo.resolve(base));
    if (sha === undefined) throw new Refusal(409, `invalid revision "${base}"`);
    const ref = `refs/heads/${branch}`;
    await repo.update([{ ref, new: sha, old: ZERO }]);
    site.hub.emit(refUpdated(site.state, project, 'admin', { ref, oldRev: ZERO, newRev: sha }));
    return sha;
  });
}
