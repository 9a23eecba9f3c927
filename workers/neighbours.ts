import type { CollectedFile } from '../pipelines/ports.ts';

/** What a build knows of other builds: the past of its own job, artifacts of others, and builds that it asks for. */
export interface Neighbours {
  /** Finished builds of a job, the newest first. */
  past(job: string, limit: number): Promise<readonly PastBuild[]>;
  /** Artifacts of a finished build, without its console. Patterns are ANT's. */
  artifacts(
    build: Pick<PastBuild, 'logPath'>,
    include: readonly string[],
    exclude: readonly string[],
    signal: AbortSignal,
  ): AsyncIterable<CollectedFile>;
  /** What its manifest says of its tests. */
  tests(build: Pick<PastBuild, 'logPath'>): Promise<unknown>;
  /** Asks for a build of a job; asking twice under one id is asking once. */
  request(asked: AskedBuild): Promise<void>;
  /** Undefined: it has not ended yet. */
  outcome(id: string): Promise<BuildOutcome | undefined>;
}

export interface PastBuild {
  readonly uuid: string;
  readonly number: number;
  readonly result: string;
  readonly logPath: string;
  readonly startedAt: number | undefined;
  readonly finishedAt: number;
}

export interface AskedBuild {
  readonly id: string;
  readonly job: string;
  readonly params: Readonly<Record<string, string>>;
  /** Names of further ones, sealed under `id`. */
  readonly sealed?: readonly string[];
  /** Uuid of the build that asks. */
  readonly upstream: string;
  /** Who asks, for the ledger. */
  readonly by: string;
}

export interface BuildOutcome {
  readonly result: string;
  readonly url?: string;
  readonly number?: number;
}

/** Jenkins' words for results that only we know: the others fail as much. */
export function jenkinsResult(result: string): 'SUCCESS' | 'UNSTABLE' | 'FAILURE' | 'NOT_BUILT' | 'ABORTED' {
  switch (result) {
    case 'SUCCESS':
    case 'UNSTABLE':
    case 'NOT_BUILT':
    case 'ABORTED':
      return result;
    case 'TIMED_OUT':
    case 'CANCELED':
      return 'ABORTED';
    default:
      return 'FAILURE';
  }
}

/** Worse results have higher ranks. */
export function rankOf(result: string): number {
  return ['SUCCESS', 'UNSTABLE', 'FAILURE', 'NOT_BUILT', 'ABORTED'].indexOf(jenkinsResult(result));
}
