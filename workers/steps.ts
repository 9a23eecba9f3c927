import type { JobDefinition } from '../jobs/definition.ts';
import { type PlannedStep, planScript } from '../jobs/script.ts';
import { SLAVE_SCRIPTS } from '../jobs/slavescripts.ts';
import type { BuildAction } from '../pipelines/action.ts';
import type { LeasedNode, ShellBuild, ShellStep, StagedFile } from '../pipelines/ports.ts';
import type { Bound } from './bindings.ts';
import { clonerScript } from './node/cloner.ts';

/** What the site lays beside every build. */
export interface NodeTools {
  /** Files of its `slave-scripts` directory, by their paths in it. */
  readonly slaveScripts: ReadonlyMap<string, string | Uint8Array>;
}

export interface PlannedBuild {
  readonly build: ShellBuild;
  readonly steps: readonly PlannedStep[];
}

const CLONER = 'bin/zuul-cloner';
const SCRIPTS = 'slave_scripts';

/**
 * What runs on the node for a build: the steps of its job, under the variables Jenkins gives (WORKSPACE, HOME and TMPDIR come
 * from the node). Parameters win over Jenkins' own, as they do there. `limit` is that of an elastic timeout, ms.
 */
export function shellBuild(
  action: BuildAction,
  job: JobDefinition,
  node: LeasedNode,
  url: string,
  options: {
    readonly defaultTimeout: number;
    readonly limit?: number | undefined;
    readonly bound: Bound;
    readonly tools: NodeTools | undefined;
  },
): PlannedBuild {
  const { steps, env, timeoutMs, quietMs } = planScript(job, action.params, options.limit);
  const { bound, tools } = options;
  const scripts = [...(tools?.slaveScripts ?? [])];
  const files: StagedFile[] = [
    { path: CLONER, content: clonerScript, executable: true },
    ...scripts.map(([path, content]) => ({ path: `${SCRIPTS}/${path}`, content, executable: true })),
    ...bound.files,
  ];
  const build: ShellBuild = {
    build: action.id,
    files,
    aliases: {
      '/usr/zuul-env/bin/zuul-cloner': CLONER,
      ...(scripts.length === 0 ? {} : { [SLAVE_SCRIPTS]: SCRIPTS }),
    },
    steps: steps.map(shellStep),
    env: { ...jenkinsVariables(action, node, url), ...env, ...bound.env },
    timeout: timeoutMs ?? options.defaultTimeout,
    ...(quietMs === undefined ? {} : { quiet: quietMs }),
  };
  return { build, steps };
}

export function shellStep({ name, script, guards, waitsFor }: PlannedStep): ShellStep {
  return {
    name,
    title: `[stackgate] step ${name}`,
    script,
    ...(guards === undefined ? {} : { guards }),
    ...(waitsFor === undefined ? {} : { hold: true }),
  };
}

function jenkinsVariables(action: BuildAction, node: LeasedNode, url: string): Record<string, string> {
  const number = `${action.number}`;
  return {
    BUILD_NUMBER: number,
    // Since Jenkins 1.597 the same as the number.
    BUILD_ID: number,
    BUILD_DISPLAY_NAME: `#${number}`,
    BUILD_TAG: `jenkins-${action.job.replaceAll('/', '-')}-${number}`,
    BUILD_URL: url,
    BUILD_CAUSE: causeOf(action),
    JOB_NAME: action.job,
    JOB_BASE_NAME: action.job.split('/').at(-1) ?? action.job,
    NODE_NAME: node.name,
    NODE_LABELS: (node.labels ?? [node.label]).join(' '),
    EXECUTOR_NUMBER: `${node.slot ?? 0}`,
    CI: 'true',
  };
}

/** EnvInject's words for what started a build. */
function causeOf({ pipeline, params }: BuildAction): string {
  if (params['UPSTREAM_JOB'] !== undefined) return 'UPSTREAMTRIGGER';
  if (params['STACKGATE_TIMED'] !== undefined) return 'TIMERTRIGGER';
  if (pipeline === 'run') return 'MANUALTRIGGER';
  return params['ZUUL_REF'] === undefined ? 'TIMERTRIGGER' : 'SCMTRIGGER';
}
