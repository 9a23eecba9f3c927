import type { z } from 'zod';
import type { Publisher, PublisherOf } from '../../jobs/definition/publisher.ts';
import type { BuildAction } from '../../pipelines/action.ts';
import type { CollectedFile, LogFolder, Secrets, ShellExit, Store } from '../../pipelines/ports.ts';
import type { ArtifactLimits } from '../artifact.ts';
import type { Neighbours } from '../neighbours.ts';
import type { Verdict } from '../results/classify.ts';
import type { Mailer } from './mailer.ts';
import type { OwnPublishers } from './plugin.ts';
import type { ScpHost } from './scphost.ts';

/**
 * What a publisher may see and do. It may be run again from its beginning after a restart: what it says must be the same, what
 * it adds to the log folder replaces itself, and what cannot be done twice goes through `once`.
 */
export interface Publishing {
  readonly action: BuildAction;
  readonly folder: LogFolder;
  readonly exit: ShellExit;
  readonly url: string;
  /** The build's variables as we know them: without what its steps injected. */
  readonly env: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  readonly verdict: () => Verdict;
  /** Makes the verdict worse; a better one changes nothing. */
  readonly worsen: (result: string, detail: string) => void;
  /** Replaces the verdict, whatever it was. */
  readonly replace: (verdict: Verdict) => void;
  /** A line in the console. */
  readonly say: (text: string) => Promise<void>;
  /** A part of the manifest; lists of one name grow. */
  readonly note: (name: string, value: unknown) => void;
  /** Files of the workspace, secrets masked. */
  readonly collect: (include: readonly string[], exclude: readonly string[]) => AsyncIterable<CollectedFile>;
  /** The console so far, as people read it. */
  console(): AsyncIterable<Uint8Array>;
  /** The answer of `work`, which is written down and not asked for again; `work` may run again when it was killed before that. */
  once<T>(name: string, schema: z.ZodType<T>, work: () => Promise<T>): Promise<T>;
  /** Runs steps on the node in the workspace of the build; answers how they ended. */
  after(name: string, steps: PublisherOf<'after'>['steps']): Promise<ShellExit>;
}

/** What the site lends to its publishers. */
export interface Services {
  readonly artifacts: ArtifactLimits;
  readonly neighbours?: Neighbours;
  readonly scpHosts: ReadonlyMap<string, ScpHost>;
  readonly mailer?: Mailer;
  readonly own: OwnPublishers;
  readonly secrets?: Secrets;
}

export type Publish<K extends Publisher['kind']> = (
  publisher: PublisherOf<K>,
  publishing: Publishing,
  services: Services,
) => Promise<void>;

export type Effects = Pick<Store, 'effect' | 'saveEffect'>;

/** All of a file, if it is no larger than `limit` bytes. */
export async function wholeOf(file: CollectedFile, limit: number): Promise<Buffer | undefined> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of file.content) {
    size += part.length;
    if (size > limit) return undefined;
    parts.push(part);
  }
  return Buffer.concat(parts);
}

/** `$NAME` and `${NAME}` as Jenkins puts the build's variables into options; one that is not set stays as it is written. */
export function expanded(text: string, env: Readonly<Record<string, string>>): string {
  return text.replace(/\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))/g, (whole, braced?: string, bare?: string) => {
    const name = braced ?? bare ?? '';
    return Object.hasOwn(env, name) ? (env[name] ?? whole) : whole;
  });
}
