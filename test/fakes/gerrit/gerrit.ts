import type { Json } from './attributes.ts';
import type { Change, Command, Review } from './model.ts';
import type { Pushed } from './push.ts';
import type { Site } from './site.ts';
import type {
  AccountSpec,
  By,
  CommentSpec,
  Faults,
  ProjectSpec,
  PushSpec,
  ReasonSpec,
  Rule,
  VoteSpec,
} from './specs.ts';

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
  /** More logins of one user at once are disconnected. Default 64. */
  readonly maxConnectionsPerUser?: number;
  readonly firstChange?: number;
  /** ms since the epoch. */
  readonly now?: () => number;
}

export interface Login {
  readonly username: string;
  /** File with the private key, where the server made the pair. */
  readonly keyFile: string;
  readonly privateKey: string;
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
  comment(change: number, text: string, options?: CommentSpec): Promise<void>;
  vote(change: number, labels: Record<string, number>, options?: VoteSpec): Promise<void>;
  abandon(change: number, options?: ReasonSpec): Promise<void>;
  restore(change: number, options?: ReasonSpec): Promise<void>;
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
  reviews(filter?: { user?: string | undefined; change?: number | undefined }): Review[];
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
