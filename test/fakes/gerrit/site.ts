import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { DEFAULT_RULES } from './access.ts';
import { apply, emptyState } from './apply.ts';
import { refUpdated } from './events.ts';
import { openRepo, type Repo, repoPath, ZERO } from './git.ts';
import { type Journal, openJournal } from './journal.ts';
import type { Account, Change, Entry, State } from './model.ts';
import { type Faults, noFaults } from './specs.ts';
import { StreamHub } from './stream.ts';

export interface SiteOptions {
  /** Root folder: journal, host key, repositories. */
  readonly dir: string;
  /** Keep a journal, so that a server started again on the folder knows everything that was acknowledged. */
  readonly durable: boolean;
  readonly webUrl: string;
  readonly version: string;
  readonly instanceId: string | undefined;
  readonly submitWholeTopic: boolean;
  /** Answer votes on unknown labels or values with 400 instead of ignoring them (`change.strictLabels`). */
  readonly strictLabels: boolean;
  /** `event.comment-added.publishPatchSetLevelComment`. */
  readonly publishPatchSetLevelComment: boolean;
  readonly queryLimit: number;
  /** `sshd.maxConnectionsPerUser`. */
  readonly maxConnectionsPerUser: number;
  readonly firstChange: number;
  readonly now: () => number;
}

/** A request that Gerrit refuses; `status` is what REST would answer. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly status: 400 | 403 | 404 | 409;

  constructor(status: Refusal['status'], message: string) {
    super(message);
    this.status = status;
  }
}

/** Everything the operations work on: state, journal, repositories, streams, knobs. */
export class Site implements Disposable {
  readonly options: SiteOptions;
  readonly faults: Faults = noFaults();
  readonly hub: StreamHub;
  readonly state: State;
  readonly #journal: Journal;
  readonly #repos = new Map<string, Repo>();
  readonly #waiting = new Set<() => void>();
  /** The index as queries see it while they lag: a state of its own and the entries it has not taken yet. */
  #lagging: { state: State; pending: { entry: Entry; at: number }[] } | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #metas = new Map<number, string>();

  constructor(options: SiteOptions) {
    this.options = options;
    this.state = emptyState(options.firstChange);
    this.hub = new StreamHub(this.faults, options.now, options.instanceId);
    this.#journal = openJournal(options.durable ? join(options.dir, 'journal.jsonl') : undefined);
    for (const entry of this.#journal.entries) apply(this.state, entry);
    if (this.state.rules.length === 0) {
      for (const rule of DEFAULT_RULES) this.record({ kind: 'rule', rule });
    }
  }

  now(): number {
    return this.options.now();
  }

  /** Makes a mutation durable, then visible. */
  record(entry: Entry): void {
    this.#journal.append(entry);
    if (this.faults.queryLag > 0 && this.#lagging === undefined) {
      this.#lagging = { state: structuredClone(this.state), pending: [] };
    }
    apply(this.state, entry);
    this.#lagging?.pending.push({ entry, at: Date.now() });
    for (const wake of this.#waiting) wake();
  }

  /** What queries see. */
  index(): State {
    const lagging = this.#lagging;
    if (lagging === undefined) return this.state;
    const seen = Date.now() - this.faults.queryLag;
    while (lagging.pending[0] !== undefined && lagging.pending[0].at <= seen) {
      apply(lagging.state, lagging.pending[0].entry);
      lagging.pending.shift();
    }
    if (lagging.pending.length === 0) this.#lagging = undefined;
    return lagging.state;
  }

  /** Calls `wake` after every mutation until the answer is called. */
  onRecord(wake: () => void): () => void {
    this.#waiting.add(wake);
    return () => this.#waiting.delete(wake);
  }

  repo(project: string): Repo {
    const known = this.#repos.get(project);
    if (known !== undefined) return known;
    const repo = openRepo(repoPath(this.options.dir, project));
    this.#repos.set(project, repo);
    return repo;
  }

  /**
   * Runs mutations one after another. Each lets the streams write before the next begins: a mutation of the real server takes
   * longer than that, and a loop of votes must not overflow queues that are being read.
   */
  async exclusive<T>(work: () => Promise<T>): Promise<T> {
    const run = this.#last.then(work);
    this.#last = run.catch(() => undefined).then(() => new Promise<void>((resolve) => setImmediate(resolve)));
    return run;
  }

  account(username: string): Account {
    const account = this.state.accounts.get(username);
    if (account === undefined) throw new Refusal(404, `Account '${username}' not found`);
    return account;
  }

  change(number: number): Change {
    const change = this.state.changes.get(number);
    if (change === undefined) throw new Refusal(404, `no such change ${number}`);
    return change;
  }

  /**
   * Emits the ref-updated of the change's meta ref, the noise every NoteDb write makes. Only the event is real: the meta
   * commits themselves are not kept in the repository.
   */
  emitMeta(change: Change, by: string | undefined): void {
    const ref = `refs/changes/${shard(change.number)}/${change.number}/meta`;
    const oldRev = this.#metas.get(change.number) ?? ZERO;
    const newRev = createHash('sha1').update(`${ref} ${oldRev} ${change.updatedOn}`).digest('hex');
    this.#metas.set(change.number, newRev);
    this.hub.emit(refUpdated(this.state, change.project, by, { ref, oldRev, newRev }));
  }

  [Symbol.dispose](): void {
    for (const repo of this.#repos.values()) repo[Symbol.dispose]();
    this.#journal.close();
  }
}

/** Last two digits of a change number. */
export function shard(number: number): string {
  return String(number % 100).padStart(2, '0');
}

export function patchSetRef(number: number, patchset: number): string {
  return `refs/changes/${shard(number)}/${number}/${patchset}`;
}
