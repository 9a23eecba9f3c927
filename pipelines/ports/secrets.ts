/** Who wants a secret. */
export interface SecretAsker {
  readonly job: string;
  readonly pipeline: string;
}

/** A pair of user and password is the text `user:password`. */
export type Secret =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'file'; readonly name: string; readonly content: Uint8Array };

/**
 * The secrets of the site by the names jobs use, kept outside the configuration. Called when a build begins, so that what is
 * changed counts from the next build on.
 */
export interface Secrets {
  /** Undefined: there is none of that name, or it is not bound to this job and pipeline. */
  reveal(name: string, asker: SecretAsker, signal: AbortSignal): Promise<Secret | undefined>;
}
