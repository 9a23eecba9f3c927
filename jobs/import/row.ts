import type { Place } from '../problem.ts';

/**
 * One line of the report of an import. `mapped`: it is in the new site. `assumed`: nothing said it, a default was taken.
 * `ignored`: it has no meaning here, and nothing is lost. `unsupported`: somebody must look at it. `missing`: the site cannot
 * work before it is filled in.
 */
export type Outcome = 'mapped' | 'assumed' | 'ignored' | 'unsupported' | 'missing';

export interface Row {
  readonly outcome: Outcome;
  readonly what: string;
  /** In one sentence: where it went, or why it did not. */
  readonly why: string;
  readonly at?: Place | undefined;
}

/** A setting that was found, with its place. */
export interface Setting {
  readonly name: string;
  readonly value: string;
  readonly at: Place;
}
