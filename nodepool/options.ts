import type { PoolConfig, ProviderConfig } from './config/config.ts';
import type { Say } from './desk.ts';
import type { Ended } from './holds.ts';
import type { Joiner } from './joiner.ts';
import type { LaunchEnd, NodeTest } from './life.ts';
import type { NodeRecord, RequestRecord } from './node.ts';
import type { Provider } from './provider.ts';
import type { PoolRecords } from './records.ts';
import type { Timer } from './timer.ts';

/** What the launcher of a site is made of. */

export interface LauncherOptions {
  /** 16 hex: the mark of our machines. */
  readonly site: string;
  /** What nodepool.yaml says at the start. */
  readonly config: PoolConfig;
  /** Those that no nodepool.yaml has: this machine. */
  readonly providers: readonly { readonly provider: Provider; readonly config: ProviderConfig }[];
  readonly open: (config: ProviderConfig) => Provider;
  readonly records: PoolRecords;
  readonly timer: Timer;
  /** In [0, 1): spreads what is tried again. */
  readonly random: () => number;
  readonly test: NodeTest;
  /** Joins the nodes of a lease before it is granted. */
  readonly join?: Joiner | undefined;
  /** How a build ended, when somebody wants its nodes held. */
  readonly ended?: ((build: string) => Promise<Ended | undefined>) | undefined;
  readonly events?: Partial<LauncherEvents> | undefined;
  /** Told the names of the durable steps as they are passed: `node.building.before`, `request.granted.after` ... */
  readonly passed?: ((name: string) => void) | undefined;
  readonly log?: Say | undefined;
}

/** What metrics count. */
export interface LauncherEvents {
  launched(node: NodeRecord, end: LaunchEnd, ms: number): void;
  granted(request: RequestRecord, ms: number): void;
  leaked(provider: string): void;
}
