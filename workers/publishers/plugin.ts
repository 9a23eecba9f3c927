import type { CollectedFile } from '../../pipelines/ports.ts';

/** What a publisher of the site's own gets to do with a build. docs/jobs.md has an example. */
export interface OwnPublishing {
  readonly job: string;
  readonly number: number;
  readonly uuid: string;
  readonly result: string;
  readonly url: string;
  readonly env: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** A line in the console. */
  say(text: string): Promise<void>;
  /** Makes the result worse: `UNSTABLE` or `FAILURE`, with a sentence. */
  worsen(result: 'UNSTABLE' | 'FAILURE', detail: string): void;
  /** Files of the workspace by ANT patterns, secrets masked. */
  collect(include: readonly string[]): AsyncIterable<CollectedFile>;
  /** Adds a file to the build's folder on the log site. */
  add(path: string, content: string | Uint8Array): Promise<void>;
}

/** By the name jobs use. It may be run again after a restart, and must be content with that. */
export type OwnPublishers = Readonly<
  Record<string, (options: unknown, build: OwnPublishing) => Promise<void> | void>
>;
