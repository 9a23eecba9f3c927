import type { z } from 'zod';
import type { NetworkSpec } from '../../jobs/definition/network.ts';
import type { NodeNeeds } from '../preflight.ts';
import type { NodeKind, Resources } from '../provider.ts';
import { noFiles, type PoolFiles } from './files.ts';
import type { Prepare } from './prepare.ts';
import type { CommandProvider, OpenstackProvider, StaticProvider } from './schema.ts';

/** `nodepool.yaml` as the pool uses it: names resolved, ms everywhere. */

/** What a label that can be prepared is called where a machine of its base image is wanted; no label of a file has an `@`. */
export const baseLabel = (label: string, provider: string): string => `${label}@${provider}`;

export interface PoolConfig {
  readonly labels: ReadonlyMap<string, LabelConfig>;
  readonly sets: ReadonlyMap<string, SetConfig>;
  readonly providers: readonly ProviderConfig[];
  readonly maxCoresPerJob?: number | undefined;
  /** Where all of it stands. */
  readonly files: PoolFiles;
  /** ms; 0: held nodes stay until somebody deletes them. */
  readonly maxHoldAge: number;
}

export interface LabelConfig {
  readonly name: string;
  readonly providers: readonly string[];
  /** 0: none kept ready. */
  readonly minReady: number;
  /** It is out of use (`min-ready: -1`). */
  readonly disabled: boolean;
  /** ms; 0: never too old. */
  readonly maxReadyAge: number;
  readonly subnodes: number;
  readonly readyScript?: string | undefined;
  readonly network?: NetworkSpec | undefined;
  readonly prepare?: Prepare | undefined;
  /** It stands for the machines of this label as they are before they are prepared. */
  readonly base?: string | undefined;
}

export interface SetConfig {
  readonly name: string;
  /** The primary first. */
  readonly nodes: readonly { readonly name: string; readonly label: string }[];
  readonly groups: Readonly<Record<string, readonly string[]>>;
  readonly readyScript?: string | undefined;
  readonly network?: NetworkSpec | undefined;
}

export interface ProviderConfig {
  readonly name: string;
  /** The provider that it is a pool of; else its own name. */
  readonly family: string;
  readonly driver: string;
  readonly priority: number;
  /** What the site allows, beside what the provider has. */
  readonly limits: Partial<Resources>;
  /** Why it takes no nodes at all. */
  readonly disabled?: string | undefined;
  /** Launches at a time, of the whole family. */
  readonly concurrency: number;
  /** ms between calls. */
  readonly rate: number;
  readonly apiTimeout: number;
  readonly bootTimeout: number;
  readonly launchTimeout: number;
  readonly launchRetries: number;
  readonly zones: readonly string[];
  /** What it makes, by label; empty for providers with places. */
  readonly kinds: ReadonlyMap<string, KindConfig>;
  /** Of places: how each host is entered. */
  readonly hosts: ReadonlyMap<string, LoginConfig>;
  /** The entry as written, for the driver. */
  readonly given: ProviderGiven;
}

export type ProviderGiven =
  | z.output<typeof OpenstackProvider>
  | z.output<typeof CommandProvider>
  | z.output<typeof StaticProvider>
  /** This machine: it stands in stackgate.yaml. */
  | { readonly driver: 'local' };

export interface KindConfig {
  readonly kind: NodeKind;
  /** What one takes, where the provider does not say. */
  readonly resources: Resources;
  readonly login: LoginConfig;
}

/** How a node is entered. */
export interface LoginConfig {
  readonly user?: string | undefined;
  readonly keyFile?: string | undefined;
  readonly port?: number | undefined;
  readonly jobUser?: string | undefined;
  /** Where builds lie on it. */
  readonly workspaces?: string | undefined;
  readonly sudo?: boolean | undefined;
  /** What builds need of it: asked before it is ready. */
  readonly needs?: Omit<NodeNeeds, 'root' | 'sudo'> | undefined;
}

/** A pool that has nothing to make: this machine alone. */
export const noPool: PoolConfig = {
  labels: new Map(),
  sets: new Map(),
  providers: [],
  maxHoldAge: 0,
  files: noFiles,
};
