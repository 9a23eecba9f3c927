import type { Builder } from './definition.ts';

/**
 * Builders and publishers of the site's own, beside Jenkins'. They come from one file that the site names (`plugins:`), never
 * from a patch; docs/jobs.md has an example.
 */
export interface OwnParts {
  /** By the name jobs use: what the builder does, in builders that exist. `complain` tells a mistake at the place of the part. */
  readonly builders: Readonly<
    Record<string, (options: unknown, complain: (message: string) => void) => readonly Builder[]>
  >;
  /** By name: checks the options of a publisher. What it does is the executor's business. */
  readonly publishers: Readonly<
    Record<string, (options: unknown, complain: (message: string) => void) => void>
  >;
}

export const noOwnParts: OwnParts = { builders: {}, publishers: {} };
