import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Problem } from '../jobs/problem.ts';
import type { ChangeFetched } from '../pipelines/event.ts';
import type { Filed, History, SiteConfig, Sweep } from '../pipelines/ports.ts';
import type {
  AutoholdRequest,
  NodeAccess,
  NodeRequests,
  PoolHolds,
  PoolLabels,
  PoolNodeView,
  PoolProviders,
} from './contract/nodes.ts';
import type { BuildView, HealthView, RunView, ZuulStatus } from './contract.ts';
import type { PreparePort } from './preparing.ts';
import type { NodeTold } from './told.ts';

/**
 * What the door needs of the house behind it. The composition root wires these; the door itself decides nothing, keeps
 * nothing and reads no configuration.
 */
export interface ServerPorts {
  /** Shown on pages and in /readyz. */
  readonly version: string;
  /** Zuul v2's status, at `now` (ms). Asked at most once a second. */
  readonly status: (now: number) => ZuulStatus | Promise<ZuulStatus>;
  /** Another value whenever what pages show may have changed. Asked once a second. */
  readonly revision: () => unknown;
  /** Finished builds, items and reports, and the ledger. */
  readonly history: History;
  /** Comparisons of the ledger with Gerrit, newest first. */
  readonly sweeps: (limit: number) => Promise<readonly Sweep[]>;
  /** What a job usually takes for a project, ms. */
  readonly estimate: (job: string, project: string) => number | undefined;
  /** Builds that wait or run now. */
  readonly live: () => readonly LiveBuild[] | Promise<readonly LiveBuild[]>;
  /** A run somebody asked for (POST /api/v1/run). Undefined: nobody did. */
  readonly run: (id: string) => Promise<RunView | undefined>;
  /** The configuration in force, for saying at once that a pipeline or job does not exist. Undefined: none yet. */
  readonly config: () => SiteConfig | undefined;
  /** What was wrong when the files were last read, and whether they were taken. */
  readonly problems: () => ConfigProblems;
  /** A change as Gerrit shows it to us now (CodeReview.fetch); without a connection, of the first Gerrit. */
  readonly look: (of: ChangeLook, signal: AbortSignal) => Promise<ChangeFetched['outcome']>;
  /** Files facts (Store.file): answers how many were new. The only way in which the door changes anything. */
  readonly file: (facts: readonly Filed[]) => Promise<number>;
  /** Keeps secret parameters of a request that is about to be filed (SealedParams.keep). */
  readonly seal: (request: string, params: Readonly<Record<string, string>>) => Promise<void>;
  /** Reads the configuration again (POST /api/v1/reload). Undefined: this process cannot, another one plans. */
  readonly reload?: (signal: AbortSignal) => Promise<ReloadOutcome | undefined>;
  /** What must work for this process to be of use, each asked with a deadline. */
  readonly probes: Readonly<Record<string, Probe>>;
  readonly logs: LogPort;
  /** Directory of the built web application. */
  readonly web?: string;
  /** Prometheus text. */
  readonly metrics: { readonly contentType: string; metrics(): Promise<string> };
  /** Answers requests under `/p/`: the git door of workers/git/serve.ts. */
  readonly git?: (req: IncomingMessage, res: ServerResponse) => boolean;
  /** The node pool; undefined: this process knows nothing of it. */
  readonly pool?: PoolPort;
  /** Preparing machines; undefined: this process is not the launcher. */
  readonly prepare?: () => PreparePort | undefined;
  /** Who may ask for things. None: nobody may. */
  readonly tokens: readonly TokenRule[];
  /** ms since the epoch. */
  readonly now: () => number;
  /** Told about what went wrong with a request, without what strangers wrote. */
  readonly log?: (entry: { readonly message: string; readonly error?: unknown }) => void;
}

export interface ConfigProblems {
  /** When the files were read, ms. */
  readonly at: number;
  /** False: an older configuration stays in force. */
  readonly taken: boolean;
  readonly problems: readonly Problem[];
}

export type ReloadOutcome =
  | { readonly kind: 'applied'; readonly summary: string; readonly changes: readonly string[] }
  | { readonly kind: 'same' }
  | { readonly kind: 'refused'; readonly errors: number; readonly report: string }
  | { readonly kind: 'failed'; readonly message: string; readonly hint: string | undefined };

export interface ChangeLook {
  readonly connection?: string;
  readonly number: string;
  readonly patchset?: string;
}

export interface LiveBuild {
  readonly build: BuildView;
  /** Where its console grows: `34/1234/5/check/job/0abc123`. */
  readonly logPath: string;
  readonly branch?: string;
  /** Per job, from 1. */
  readonly number?: number;
}

/** Throws, or answers `ok: false`, when a part is not ready; `detail` says what it is or what to do. */
export type Probe = (signal: AbortSignal) => Promise<HealthView['parts'][string]>;

export interface LogPort {
  /** Directory of the log site. */
  readonly root: string;
  /** The console in the folder of a build from byte `offset` on, as it grows; ends with the build (workers/logs/live.ts). */
  readonly follow: (folder: string, offset: number, signal: AbortSignal) => AsyncIterable<Uint8Array>;
  /** ms that a console is still followed after its build ended, if its logs do not become final. */
  readonly grace?: number;
}

export interface TokenRule {
  /** Who it belongs to: written into every fact that it files. */
  readonly name: string;
  /** sha256 of the token, hex; the token itself is nowhere. */
  readonly sha256: string;
}

/** What people see of the node pool: from its records, in any process. */
export interface PoolPort {
  nodes(): Promise<readonly PoolNodeView[]>;
  requests(): Promise<readonly ReadonlyList<NodeRequests['requests'][number], 'nodes'>[]>;
  labels(): Promise<readonly ReadonlyList<PoolLabels['labels'][number], 'providers'>[]>;
  providers(): Promise<readonly ReadonlyList<PoolProviders['providers'][number], 'hosts'>[]>;
  holds(): Promise<readonly PoolHolds['holds'][number][]>;
  access(id: string): Promise<ReadonlyList<NodeAccess, 'hostKeys'> | undefined>;
  /** What changes it; undefined: this process is not the launcher. */
  admin(): NodeAdminPort | undefined;
}

type ReadonlyList<T, K extends keyof T> = Omit<T, K> & { readonly [P in K]: Readonly<T[P]> };

/** Each answers what became of it, in a sentence. */
export interface NodeAdminPort {
  hold(id: string, reason: string, by: string, expires?: number): Promise<NodeTold>;
  release(id: string): Promise<NodeTold>;
  delete(id: string, now: boolean): Promise<NodeTold>;
  offline(provider: string, host: string | undefined, reason: string, by: string): Promise<NodeTold>;
  online(provider: string, host: string | undefined): Promise<NodeTold>;
  autohold(wish: AutoholdRequest & { readonly by: string }): Promise<NodeTold>;
  autoholdDelete(id: string): Promise<NodeTold>;
}
