import type { NodeSpec, Precedence } from '../action.ts';

/**
 * Machines. `acquire` is idempotent by id: asked again (after a restart) it answers the same lease. A lease is ours until
 * `release`, whatever dies in between. `release` is idempotent and never throws for an unknown lease.
 */
export interface NodePool extends AsyncDisposable {
  acquire(
    request: NodeRequest,
    signal: AbortSignal,
  ): Promise<{ kind: 'granted'; lease: Lease } | { kind: 'refused'; reason: string }>;
  lease(id: string): Promise<Lease | undefined>;
  release(lease: string): Promise<void>;
  /** Why each waiting request waits, in words. */
  waiting(): Promise<readonly { id: string; job: string; since: number; why: string }[]>;
}

export interface NodeRequest {
  readonly id: string;
  readonly build: string;
  readonly job: string;
  readonly pipeline: string;
  readonly precedence: Precedence;
  readonly nodes: NodeSpec;
}

export interface Lease {
  readonly id: string;
  readonly nodes: readonly LeasedNode[];
}

export interface LeasedNode {
  readonly id: string;
  readonly name: string;
  readonly label: string;
  /** `primary` or a subnode's role. */
  readonly role: string;
  readonly provider: string;
  /** Address to reach it; `local` nodes have none. */
  readonly address?: string;
  /** All labels the node has (NODE_LABELS); `label` alone where absent. */
  readonly labels?: readonly string[];
  /** Which of the node's places for builds this is, from 0 (EXECUTOR_NUMBER). */
  readonly slot?: number;
  /** Where workspaces live on the node; empty: where its shell keeps them. */
  readonly root: string;
  /** The pool's id of it: ten digits. `id` may name a place that many nodes had before. */
  readonly node?: string;
  /** Its name in its node set: `primary`, `subnode-1`, `controller`. */
  readonly member?: string;
  /** Where its siblings reach it. */
  readonly privateAddress?: string;
  readonly region?: string;
  readonly zone?: string;
  /** The provider's id of its machine. */
  readonly machine?: string;
  /** How it is entered; `local` nodes have none. */
  readonly ssh?: SshAccess;
}

export interface SshAccess {
  readonly port: number;
  readonly user?: string;
  /** Lines of ssh-keyscan without the host; empty: not known. */
  readonly hostKeys: readonly string[];
  /** File of the private key, as nodepool.yaml has it. */
  readonly keyFile?: string;
  /** The account that steps run as; `user` where left out. */
  readonly jobUser?: string;
  /** Where builds lie there. */
  readonly workspaces?: string;
  /** We, and steps, may become root by sudo. */
  readonly sudo?: boolean;
}
