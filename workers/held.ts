import { z } from 'zod';
import type { PlannedStep } from '../jobs/script.ts';
import type { BuildAction } from '../pipelines/action.ts';
import type { SealedParams, Shell, Store } from '../pipelines/ports.ts';

import type { Neighbours } from './neighbours.ts';

/** A step that is held until we settle it, and what it is settled with. */

export interface WaitsFor {
  readonly action: BuildAction;
  readonly shell: Shell;
  /** The supervised build whose steps these are. */
  readonly build: string;
  readonly steps: readonly PlannedStep[];
  readonly neighbours: Neighbours | undefined;
  readonly secrecy: Secrecy;
  readonly effects: Pick<Store, 'effect' | 'saveEffect'>;
}

/** What of a build's parameters nobody may read, and how they are handed on. */
export interface Secrecy {
  /** Password parameters of this build. */
  readonly given: Readonly<Record<string, string>>;
  /** Texts that must stand nowhere. */
  readonly hidden: readonly string[];
  /** Names of the password parameters of a job. */
  passwords(job: string): Promise<readonly string[]>;
  readonly sealed: SealedParams | undefined;
}

export const Settled = z.object({
  /** What the step says and ends with. */
  message: z.string(),
  code: z.number(),
  /** Variables for later steps. */
  variables: z.record(z.string(), z.string()),
  /** What it makes of the build. */
  result: z.enum(['UNSTABLE', 'FAILURE']).optional(),
  /** Where artifacts are taken from. */
  from: z.string().optional(),
});
export type Settled = z.infer<typeof Settled>;
