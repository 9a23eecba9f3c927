import type { Lease } from '../pipelines/ports.ts';
import type { Shape } from './shape.ts';

/** Joins the nodes of a lease (network, /etc/nodepool) and parts them. Both are idempotent. */
export interface Joiner {
  /** `node`: the pool's id of the one to blame, where one is. */
  up(ties: Ties, lease: Lease, signal: AbortSignal): Promise<Joined>;
  /** For machines that outlive their lease. */
  down(ties: Ties, lease: Lease, signal: AbortSignal): Promise<void>;
}

/** What makes several nodes one set. */
export type Ties = Pick<Shape, 'network' | 'ready'> & Partial<Pick<Shape, 'groups'>>;

export type Joined =
  | { readonly kind: 'joined' }
  /** Never with these nodes: what nodepool.yaml says of the set is wrong. */
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'failed'; readonly node?: string | undefined; readonly reason: string };
