import type { NodeSpec } from '../action.ts';
import type { Layout } from '../layout.ts';
import type { KnownAccounts } from '../robots.ts';

/** Everything a validated configuration says, stored under its digest (sha256 of its sources). */
export interface SiteConfig {
  readonly digest: string;
  readonly layout: Layout;
  /** Job definitions by name, as jobs/ resolved them. */
  readonly jobs: Readonly<Record<string, unknown>>;
  /** Defaults of password parameters, which `jobs` have not: job → name → value, encrypted under the key of the site. */
  readonly sealed?: string;
  /** What the kernel must know of a job definition. */
  readonly needs: Readonly<Record<string, NodeSpec>>;
  /** The machines: `nodepool.yaml` as it was read, for whoever lends them (nodepool/config/files.ts). */
  readonly pool?: unknown;
  /** Of the site itself; `defaultSettings` (rules.ts) where absent. */
  readonly settings?: SiteSettings;
}

/** What the kernel must know of the site. */
export interface SiteSettings {
  /** Our own usernames per connection: what they write starts nothing by its text. */
  readonly accounts: Readonly<Record<string, readonly string[]>>;
  /** Accounts per connection that are CIs, or people, against what their names say. */
  readonly known?: Readonly<Record<string, KnownAccounts>>;
  /** Base URL of the git server with the speculative refs: ZUUL_URL of builds that need no merge. */
  readonly gitUrl: string;
  /** Second line of start reports. */
  readonly statusUrl?: string;
  /** Link of a job in reports, in Python's format (`{change.number}`, `{build.parameters[LOG_PATH]}`); without it the build's own. */
  readonly urlPattern?: string;
  readonly jobNameInReport: boolean;
  readonly reportTimes: boolean;
  /** What the layout's parameter functions do, by name. */
  readonly parameterRules?: Readonly<Record<string, ParameterRule>>;
}

/** Stands where Zuul v2 called a Python function on the parameters of a job. */
export interface ParameterRule {
  /** `{NAME}` stands for a parameter the job has already. */
  readonly set: Readonly<Record<string, string>>;
  readonly unset: readonly string[];
  /** Label to run on instead of the job's own. */
  readonly node?: string | undefined;
}
