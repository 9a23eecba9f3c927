import type { JobDefinition } from '../jobs/definition.ts';
import { planScript } from '../jobs/script.ts';
import type { BuildAction } from '../pipelines/action.ts';
import type { LeasedNode, ShellBuild } from '../pipelines/ports.ts';

/**
 * What runs on the node for a build: the steps of its job, under the variables Jenkins gives (WORKSPACE, HOME and TMPDIR come
 * from the node). Parameters win over Jenkins' own, as they do there.
 */
export function shellBuild(
  action: BuildAction,
  job: JobDefinition,
  node: LeasedNode,
  url: string,
  defaultTimeout: number,
): ShellBuild {
  const { steps, env, timeoutMs } = planScript(job, action.params);
  return {
    build: action.id,
    steps: steps.map((step) => ({ ...step, title: `[stackgate] step ${step.name}` })),
    env: { ...jenkinsVariables(action, node, url), ...env },
    timeout: timeoutMs ?? defaultTimeout,
  };
}

function jenkinsVariables(action: BuildAction, node: LeasedNode, url: string): Record<string, string> {
  const number = `${action.number}`;
  return {
    BUILD_NUMBER: number,
    // Since Jenkins 1.597 the same as the number.
    BUILD_ID: number,
    BUILD_TAG: `jenkins-${action.job.replaceAll('/', '-')}-${number}`,
    BUILD_URL: url,
    JOB_NAME: action.job,
    NODE_NAME: node.name,
    NODE_LABELS: (node.labels ?? [node.label]).join(' '),
    EXECUTOR_NUMBER: `${node.slot ?? 0}`,
    CI: 'true',
  };
}
