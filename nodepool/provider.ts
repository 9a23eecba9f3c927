/**
 * A provider makes machines and takes them away: a cloud, a rack of hosts that are always there, this machine, the site's own
 * executables. It decides nothing, keeps no durable state and never waits for a machine to come up. The launcher does all
 * that; it alone calls a provider, from one process at a time.
 *
 * One node, in time order:
 *
 *     record (phase building, our id)
 *       → create(order)             again with `again: true` after a crash, a lost reply or a timeout, until the answer is known
 *       → list() … list()           one call for all nodes; the machine is `building`, then `active` or `failed`
 *       → ssh, host keys, preflight, build
 *       → delete(machine)           again until `gone`; while it answers `going`, list() tells when it has vanished
 *     record dropped
 *
 * The record is written before `create` and dropped after the machine is known to be gone, so what the provider has and no
 * record knows is a leak: seen in two lists in a row it is deleted like any other machine.
 *
 * - **Identity.** A machine carries `site` and `node` of its order from its first moment on (server metadata, tags, a file of the
 *   site's own). A provider that cannot mark atomically with the creation names the machine by them.
 * - **Idempotence.** `create` with `again` first looks for a machine with this mark and answers it; without `again` it may save that
 *   call. `delete` of what is gone, or never was, is `gone`. `list` and `probe` change nothing.
 * - **Overlap.** Calls for different nodes overlap freely, also with `list` and `probe`; calls for one node never do. A machine may be
 *   missing from a list that was asked for before its `create` was answered, and from none after.
 * - **Refusals are values** (`Setback`): only a bug throws. An aborted call may have had its effect; the launcher asks again.
 * - **Deadlines.** Every signal carries the launcher's deadline (`api-timeout`); no call outlives it.
 * - **Politeness.** The launcher spaces calls by the provider's `rate`; one call of this port should be one call of the API.
 */
export interface Provider extends AsyncDisposable {
  /** Its name in nodepool.yaml, in records, logs and pages. */
  readonly name: string;
  /** `openstack`, `static`, `command`, `local`. */
  readonly driver: string;
  /**
   * Machines that are always there, one entry for each build that fits on one at a time. Undefined for providers that make
   * machines. With places, `create` readies the place that the order names, and `delete` cleans it: it answers `gone` when the
   * place is clean and free, and `permanent` when it must not be used again before a person looked (quarantine).
   */
  readonly places?: readonly Place[];
  create(order: NodeOrder, signal: AbortSignal): Promise<{ kind: 'created'; machine: Machine } | Setback>;
  /** Every machine that carries the mark of our site, whichever life or version of us made it. Places that are in order. */
  list(signal: AbortSignal): Promise<{ kind: 'listed'; machines: readonly Machine[] } | Setback>;
  /** With everything that came with it: floating addresses, ports, volumes. With an id that machine alone, never another one of the node. */
  delete(of: MachineRef, signal: AbortSignal): Promise<{ kind: 'gone' } | { kind: 'going' } | Setback>;
  /**
   * How much room there is and which of `kinds` can be made at all. Asked at start, every few minutes and after a quota
   * refusal. A provider that cannot know leaves things out.
   */
  probe(kinds: readonly NodeKind[], signal: AbortSignal): Promise<Probed | Setback>;
  /**
   * Removes what is left of machines that are gone: ports, addresses, volumes with our mark that belong to no machine. It counts
   * its own sightings and removes what it saw in two calls. Answers what it removed, in words, for the log.
   */
  sweep?(signal: AbortSignal): Promise<readonly string[]>;
  /**
   * Saves the disk of a machine as an image of this name, which nobody gave before, for `stackgate node prepare`; answers when it
   * can be booted, and how an order names it. Asked again it replaces what was saved under the name. With it come `images` and
   * `deleteImage`.
   */
  snapshot?(
    of: MachineRef,
    image: string,
    signal: AbortSignal,
  ): Promise<{ kind: 'saved'; image: string } | Setback>;
  /** Names of all images that carry the mark of our site, those that are still being saved among them. */
  images?(signal: AbortSignal): Promise<{ kind: 'images'; images: readonly string[] } | Setback>;
  /** Deletes an image of ours. What is gone is `gone`; one that machines still need may be a setback, and is asked for again. */
  deleteImage?(image: string, signal: AbortSignal): Promise<{ kind: 'gone' } | Setback>;
}

/** What kind of machine: what nodepool.yaml says about a label at this provider. */
export interface NodeKind {
  readonly label: string;
  readonly image?: string | undefined;
  /** Name or id of a flavor; with `minRam` a part of its name. */
  readonly flavor?: string | undefined;
  /** MiB: the smallest flavor with at least so much. */
  readonly minRam?: number | undefined;
  /** Everything else the configuration says of it (key-name, networks, user-data ...), as the provider's own schema read it. */
  readonly properties: Readonly<Record<string, unknown>>;
}

export interface NodeOrder {
  /** Our id, given before anything is created: ten digits. */
  readonly node: string;
  /** Our site's id, 16 hex. */
  readonly site: string;
  readonly kind: NodeKind;
  /** Availability zone; left out: the provider's choice. */
  readonly zone?: string | undefined;
  /** `Place.id`, where the provider has places. */
  readonly place?: string | undefined;
  /** It was ordered before, and nobody knows what became of that: look for it first. */
  readonly again: boolean;
}

export interface Machine {
  /** The provider's id: server uuid, place. */
  readonly id: string;
  /** Our id, from its mark. Undefined: marked as our site's, but of no node (a snapshot in the making): left alone. */
  readonly node?: string | undefined;
  readonly state: 'building' | 'active' | 'failed';
  /** Why it failed, in the provider's words. `quota`: a full provider found out late (a server in ERROR), no fault of the node. */
  readonly reason?: string | undefined;
  readonly quota?: boolean | undefined;
  /** Where we reach it: public or preferred. An active machine has one. */
  readonly address?: string | undefined;
  /** Where its siblings reach it; `address` where left out. */
  readonly privateAddress?: string | undefined;
  readonly ssh?: SshDoor | undefined;
  readonly zone?: string | undefined;
  readonly region?: string | undefined;
  readonly resources?: Resources | undefined;
}

export interface SshDoor {
  readonly port?: number | undefined;
  readonly user?: string | undefined;
  /** File of the private key on our machine. */
  readonly keyFile?: string | undefined;
  /** `ssh-ed25519 AAAA...`, when the provider knows them from the console or from its own table; else they are scanned. */
  readonly hostKeys?: readonly string[] | undefined;
}

export interface MachineRef {
  readonly node: string;
  /** Undefined when `create` never answered: it is looked for by its mark. */
  readonly id?: string | undefined;
  /** The build that ran on it, whose workspace is cleared where the machine stays. */
  readonly build?: string | undefined;
}

/** Why a call did not do what was asked. Each is handled otherwise; none is thrown. */
export type Setback =
  /** Our own quota is used up: the provider is paused, the order tried again, no attempt counted. */
  | { readonly kind: 'quota'; readonly reason: string }
  /** No room now in this zone (no valid host), or this host does not answer: as `quota`, but others may be tried. */
  | { readonly kind: 'full'; readonly reason: string }
  /** Away, timed out, 5xx, told to slow down: tried again with backoff. Whether it took effect is not known. */
  | { readonly kind: 'transient'; readonly reason: string; readonly retryAfter?: number /* ms */ }
  /** This order failed, another one may do: counted as a launch. What is left of it is deleted by its mark. */
  | { readonly kind: 'failed'; readonly reason: string }
  /** Never like this: no such image or flavor, wrong credentials, a place in quarantine. A person must look. */
  | { readonly kind: 'permanent'; readonly reason: string };

/** Instances, vCPUs and MiB. */
export interface Resources {
  readonly instances: number;
  readonly cores: number;
  readonly ram: number;
}

export interface Probed {
  readonly kind: 'probed';
  /** What our machines may take together: the quota less what others use of it. Left out: no limit known. */
  readonly capacity: Partial<Resources>;
  /** The quota itself, whoever uses it: what never fits into it is refused, what only does not fit now waits. */
  readonly quota?: Partial<Resources>;
  /** Zones machines can be made in; empty: one nameless zone. */
  readonly zones: readonly string[];
  /** By label: what one takes, or why it can never be made here. */
  readonly kinds: Readonly<Record<string, Resources | { readonly never: string }>>;
}

export interface Place {
  /** Stable over restarts: `host/0`. */
  readonly id: string;
  /** The host it is on: nodes of one set never share it. */
  readonly host: string;
  readonly labels: readonly string[];
  readonly zone?: string | undefined;
}
