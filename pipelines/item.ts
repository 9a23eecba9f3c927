import type { ChangeRef } from './change.ts';
import type { JobTree } from './layout.ts';
import { unreachable } from './unreachable.ts';

/**
 * A place in a queue, and what is done about it. An item is one row of the world; its current build set and builds lie
 * inside, since they change together. Only unions of phases, no pairs of booleans.
 */

/** What an item is about. `none`: a job that a person runs on nothing in particular. */
export type Subject =
  | ({ readonly kind: 'change' } & ChangeRef & { readonly branch: string })
  | {
      readonly kind: 'ref';
      readonly connection: string;
      readonly project: string;
      readonly ref: string;
      readonly oldRev: string;
      readonly newRev: string;
    }
  | { readonly kind: 'timer'; readonly connection: string; readonly project: string }
  | {
      readonly kind: 'none';
      readonly connection: string;
      readonly project: string;
      readonly request: string;
    };

export type Merge =
  | { readonly phase: 'not-asked' }
  | { readonly phase: 'asked'; readonly action: string }
  | {
      readonly phase: 'merged';
      readonly commit: string;
      readonly url: string;
      readonly bases: readonly { project: string; branch: string; commit: string }[];
      readonly tree?: string | undefined;
      /** Tree that the change was merged onto. */
      readonly onto?: string | undefined;
    }
  | { readonly phase: 'conflict'; readonly change: string; readonly files: readonly string[] }
  | { readonly phase: 'failed'; readonly reason: string }
  /** Refs, timers and jobs on nothing stand on the branch tip. */
  | { readonly phase: 'not-needed' };

/** One run of one job: asked for nodes → has nodes, was sent → runs → done. */
export type Build =
  | (Launched & { readonly phase: 'waiting'; readonly acquire: string })
  | (Launched & { readonly phase: 'sent'; readonly acquire: string; readonly lease: string })
  | (Launched & {
      readonly phase: 'running';
      readonly acquire: string;
      readonly lease: string;
      readonly startedAt: number;
      readonly url: string;
      readonly node: string;
    })
  | Done;

export interface Launched {
  readonly uuid: string;
  /** Per job, from 1. */
  readonly number: number;
  readonly job: string;
  readonly launchedAt: number;
  readonly logPath: string;
}

export interface Done {
  readonly phase: 'done';
  readonly job: string;
  readonly result: string;
  /** Why, where the result alone does not say it. */
  readonly detail?: string;
  readonly url?: string;
  readonly startedAt?: number;
  readonly finishedAt?: number;
  readonly node?: string;
  /** Of a job that never ran (SKIPPED, NOT_REGISTERED, ...) there is none. */
  readonly launched?: Launched;
}

/** What is built and tested together, from the moment the base is chosen. A new base is a new build set. */
export interface BuildSet {
  /** From 1, per item. */
  readonly generation: number;
  /** `refs/zuul/<branch>/Z<32 hex>`; undefined until a merge was asked for. */
  readonly ref?: string;
  readonly merge: Merge;
  /** By job, in the order they came. */
  readonly builds: Readonly<Record<string, Build>>;
  /** Launches per job that was lost at least once. */
  readonly tries: Readonly<Record<string, number>>;
  /** Stopped because a needed change fails: of no use any more, even if that one recovers. */
  readonly halted?: true;
}

export type ItemPhase =
  | { readonly kind: 'testing' }
  /** Its votes are on the way to a gate’s Gerrit and decide whether it merged: `reports` have no answer yet. */
  | { readonly kind: 'submitting'; readonly reports: readonly string[]; readonly merged: boolean };

/** What a person’s request for one job changes. */
export interface ItemRun {
  readonly request: string;
  readonly by: string;
  readonly params: Readonly<Record<string, string>>;
  /** Names of parameters whose values lie in the store under the request. */
  readonly sealed?: readonly string[];
  /** Uuid of the build that asked for it: is stopped with that one. */
  readonly upstream?: string;
  /** Report with the reporters of this pipeline. */
  readonly reportAs?: string;
}

export interface Item {
  readonly id: string;
  /** Grows: tells the older of two. */
  readonly serial: number;
  readonly pipeline: string;
  readonly queue: string;
  readonly subject: Subject;
  /** False: only there for those behind it; has no jobs and no report. */
  readonly live: boolean;
  readonly ahead: string | null;
  readonly enqueuedAt: number;
  readonly active: boolean;
  /** The jobs that apply, parents before children. */
  readonly jobs: readonly JobTree[];
  readonly set: BuildSet;
  /** Why nobody may build on it, in Zuul’s words. */
  readonly failing: readonly string[];
  readonly phase: ItemPhase;
  readonly run?: ItemRun;
}

export const emptySet: BuildSet = {
  generation: 1,
  merge: { phase: 'not-asked' },
  builds: {},
  tries: {},
};

const keys = new WeakMap<Subject, string>();

/** Same thing: a change of the same patchset, a ref at the same commit, a project’s timer. Also a map key. */
export function subjectKey(subject: Subject): string {
  const known = keys.get(subject);
  if (known !== undefined) return known;
  const key = makeKey(subject);
  keys.set(subject, key);
  return key;
}

function makeKey(subject: Subject): string {
  switch (subject.kind) {
    case 'change':
      return `${subject.connection}/${subject.number},${subject.patchset}`;
    case 'ref':
      return `ref ${subject.connection}/${subject.project} ${subject.ref} ${subject.newRev}`;
    case 'timer':
      return `timer ${subject.project}`;
    case 'none':
      return `run ${subject.request}`;
  }
  return unreachable(subject);
}

/** `1234,5`, the new commit of a ref, or null: the id Zuul’s status page shows. */
export function subjectName(subject: Subject): string | null {
  switch (subject.kind) {
    case 'change':
      return `${subject.number},${subject.patchset}`;
    case 'ref':
      return subject.newRev;
    case 'timer':
    case 'none':
      return null;
  }
  return unreachable(subject);
}
