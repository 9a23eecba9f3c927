import type { Copy, Trigger } from './definition/builder.ts';
import type { Builder, JobDefinition } from './definition.ts';
import { conditionScript } from './script/condition.ts';
import { agentScript, answeredScript, copyScript, injectScript, prepareScript } from './script/generated.ts';

/** A step of the node. */
export interface PlannedStep {
  readonly name: string;
  readonly script: string;
  /** The next so many steps run only if this one ends with 0; with 1 they are left out. */
  readonly guards?: number;
  /** What must be done elsewhere before it runs. */
  readonly waitsFor?: Trigger | Copy;
}

/** What the executor runs for a job. */
export interface JobScript {
  /** In order, in one workspace, until one fails. */
  readonly steps: readonly PlannedStep[];
  /** Variables and parameters of the job, then those of the run, then the variable of the timeout. */
  readonly env: Readonly<Record<string, string>>;
  /** ms; undefined: the site's own limit. */
  readonly timeoutMs?: number;
  /** ms without output. */
  readonly quietMs?: number;
}

/**
 * The steps of a job. `params` are the ZUUL_* parameters and those a person gave; they win over the job's defaults, as
 * they do in Jenkins. Jenkins hands the limit to scripts in milliseconds (`timeout-var`), and devstack-gate counts on it.
 * `limit` is that of an elastic timeout, in ms, where the job's history gives one.
 */
export function planScript(
  job: JobDefinition,
  params: Readonly<Record<string, string>>,
  limit?: number,
): JobScript {
  const { timeout, bindings = [] } = job;
  const env: Record<string, string> = { ...job.environment, ...job.parameters, ...params };
  const ms = timeout === undefined ? undefined : (limit ?? timeout.limit);
  if (timeout?.variable !== undefined) env[timeout.variable] = String(ms);
  const agent = bindings.some((binding) => binding.kind === 'ssh-agent')
    ? [{ name: 'ssh-agent', script: agentScript(bindings) }]
    : [];
  const steps = planSteps(job.builders, agent);
  if (ms === undefined) return { steps, env };
  return timeout?.strategy?.kind === 'no-activity'
    ? { steps, env, quietMs: ms }
    : { steps, env, timeoutMs: ms };
}

/** Builders as steps of the node; those that hold others become the steps they hold. `before` stands in front of them. */
export function planSteps(
  builders: readonly Builder[],
  before: readonly PlannedStep[] = [],
): readonly PlannedStep[] {
  const steps: PlannedStep[] = [...before];
  for (const [index, builder] of builders.entries()) add(steps, builder, `${index + 1}`);
  return steps;
}

function add(steps: PlannedStep[], builder: Builder, number: string): void {
  switch (builder.kind) {
    case 'shell':
      steps.push({ name: shellName(builder.script, number), script: builder.script });
      return;
    case 'inject':
      steps.push({ name: `${number}: inject`, script: injectScript(builder.file, builder.content) });
      return;
    case 'trigger': {
      const at = steps.length + 1;
      steps.push(
        { name: `${number}: trigger`, script: prepareScript(builder, at) },
        {
          name: `${number}: trigger ${plain(builder.jobs.join(', '))}`,
          script: answeredScript(at),
          waitsFor: builder,
        },
      );
      return;
    }
    case 'copy':
      steps.push({
        name: `${number}: artifacts of ${plain(builder.job)}`,
        script: copyScript(builder, steps.length),
        waitsFor: builder,
      });
      return;
    case 'conditional': {
      const inner: PlannedStep[] = [...steps, { name: '', script: '' }];
      const from = inner.length;
      for (const [index, each] of builder.steps.entries()) add(inner, each, `${number}.${index + 1}`);
      const guarded = inner.slice(from);
      const name = `${number}: when ${builder.condition.kind}`;
      steps.push({ name, script: conditionScript(builder), guards: guarded.length }, ...guarded);
    }
  }
}

/** Number and first telling line: `2: ./safe-devstack-vm-gate-wrap.sh`. */
function shellName(script: string, number: string): string {
  const line = script
    .split('\n')
    .map((text) => text.trim())
    .find((text) => text !== '' && !text.startsWith('#') && !/^set [-+]/.test(text));
  return `${number}: ${plain(line ?? 'shell')}`;
}

function plain(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters must not reach a terminal
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, ' ').slice(0, 60);
}
