import type { NodeRecord } from './node.ts';
import type { Place, Resources } from './provider.ts';

/** A provider as it is now. */
export interface ProviderView {
  readonly name: string;
  /** Pools of one provider launch at one pace. */
  readonly family: string;
  readonly priority: number;
  /** Launches that may fail here for one request. */
  readonly retries: number;
  /** By label, for providers that make machines: what one takes, or why it can never be made. */
  readonly offers: ReadonlyMap<string, Resources | { readonly never: string }>;
  readonly places?: readonly Place[] | undefined;
  /** At least one; '' is the nameless zone. */
  readonly zones: readonly string[];
  /** What may be taken now, and what could ever be. */
  readonly limits: Partial<Resources>;
  readonly most: Partial<Resources>;
  /** Nodes that may be on their way at a time (Nodepool's `max-concurrency`). */
  readonly concurrency: number;
  /** Why it gives nothing new now, in words: paused, offline, disabled, not asked yet. */
  readonly closed?: string | undefined;
  /** Zones and hosts that are out for now, and why. */
  readonly out: ReadonlyMap<string, string>;
}

/** Nodes between their order and their test, in the whole family. */
export interface Pace {
  launching: number;
}

/** What is taken at a provider while the plan is made. */
export interface Ground {
  readonly view: ProviderView;
  used: Resources;
  /** Promised to requests that do not fit yet. */
  reserved: Resources;
  isWanted: boolean;
  readonly pace: Pace;
  readonly takenPlaces: Set<string>;
  /** Nodes that are here. */
  readonly nodes: readonly NodeRecord[];
}
