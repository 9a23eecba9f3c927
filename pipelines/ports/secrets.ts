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
 * Values of password parameters between the one who asks for a build and the build. Outside they are encrypted under the key of
 * the site; facts and actions have their names only.
 */
export interface SealedParams {
  /** Keeps them under a request that is about to be filed; keeping twice keeps the first. Throws Fault `secret-unreadable`. */
  keep(request: string, params: Readonly<Record<string, string>>): Promise<void>;
  /** Undefined: the request has ended long ago, or had none. Throws Fault `secret-unreadable`. */
  open(request: string): Promise<Readonly<Record<string, string>> | undefined>;
}

/**
 * The secrets of the site by the names jobs use, kept outside the configuration. Called when a build begins, so that what is
 * changed counts from the next build on.
 */
export interface Secrets {
  /** Undefined: there is none of that name, or it is not bound to this job and pipeline. */
  reveal(name: string, asker: SecretAsker, signal: AbortSignal): Promise<Secret | undefined>;
}
