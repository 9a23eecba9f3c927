import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ADMINISTRATORS } from './access.ts';
import { gson } from './attributes.ts';
import type { Gerrit, GerritOptions, Login } from './gerrit.ts';
import { type KeyPair, keptKeyPair, makeKeyPair } from './keys.ts';
import type { Account } from './model.ts';
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
import { createBranch, createProject } from './ops/project.ts';
import { postReview } from './ops/review.ts';
import { submitChange } from './ops/submit.ts';
import { pushChange } from './push.ts';
import { Refusal, Site } from './site.ts';
import type { AccountSpec, By } from './specs.ts';
import { type Door, openDoor } from './ssh.ts';

export type { Gerrit, GerritOptions, Login } from './gerrit.ts';
export type { AccountSpec, ProjectSpec, PushSpec } from './specs.ts';

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
    maxConnectionsPerUser: options.maxConnectionsPerUser ?? 64,
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
    if (temporary) rmSync(dir, { recursive: true, force: true });
    throw error;
  }
  const { port } = door;

  const account = (username: string, spec: AccountSpec = {}): Login => {
    if (!/^[\w.@-]+$/.test(username)) throw new Refusal(400, `Username '${username}' must be plain`);
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
      httpPassword: spec.httpPassword ?? known?.httpPassword,
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
        const said =
          given?.patchsetLevel === true
            ? { comments: { '/PATCHSET_LEVEL': [{ message: text }] } }
            : { message: text };
        const input = { ...said, labels: given?.labels, tag: given?.tag };
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
