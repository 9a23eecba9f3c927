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
  /** Where workspaces live on the node. */
  readonly root: string;
}
