import type { z } from 'zod';
import type { Builder, JobDefinition } from './definition.ts';

/** What the executor runs for a job. */
export interface JobScript {
  /** In order, in one workspace, until one fails. */
  readonly steps: readonly { readonly name: string; readonly script: string }[];
  /** Variables and parameters of the job, then those of the run, then the variable of the timeout. */
  readonly env: Readonly<Record<string, string>>;
  /** ms; undefined: the site's own limit. */
  readonly timeoutMs?: number;
}

/**
 * The steps of a job. `params` are the ZUUL_* parameters and those a person gave; they win over the job's defaults, as
 * they do in Jenkins. Jenkins hands the limit to scripts in milliseconds (`timeout-var`), and devstack-gate counts on it.
 */
export function planScript(job: JobDefinition, params: Readonly<Record<string, string>>): JobScript {
  const { timeout } = job;
  const env: Record<string, string> = { ...job.environment, ...job.parameters, ...params };
  if (timeout?.variable !== undefined) env[timeout.variable] = String(timeout.limit);
  const steps = job.builders.map((builder, index) => ({
    name: stepName(builder, index),
    script: scriptOf(builder),
  }));
  return { steps, env, ...(timeout === undefined ? {} : { timeoutMs: timeout.limit }) };
}

function scriptOf(builder: z.infer<typeof Builder>): string {
  switch (builder.kind) {
    case 'shell':
      break;
  }
  return builder.script;
}

/** Number and first telling line: `2: ./safe-devstack-vm-gate-wrap.sh`. */
function stepName(builder: z.infer<typeof Builder>, index: number): string {
  const line = scriptOf(builder)
    .split('\n')
    .map((text) => text.trim())
    .find((text) => text !== '' && !text.startsWith('#') && !/^set [-+]/.test(text));
  // oxlint-disable-next-line no-control-regex -- control characters must not reach a terminal
  const shown = (line ?? builder.kind).replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, ' ').slice(0, 60);
  return `${index + 1}: ${shown}`;
}
