import type { Problem } from '../jobs/problem.ts';
import type { JobTree, Pipeline, ProjectRule, Reporter, Trigger } from '../pipelines/layout.ts';
import { own } from '../pipelines/own.ts';
import type { ConfigView } from './contract.ts';
import type { ServerPorts } from './ports.ts';
import type { Snapshots } from './snapshot.ts';

/** The configuration in force, in words. */
export async function configView(
  { config, problems }: Pick<ServerPorts, 'config' | 'problems'>,
  snapshot: Snapshots,
): Promise<ConfigView> {
  const inForce = config();
  const { at, taken, problems: found } = problems();
  const layout = inForce?.layout;
  return {
    digest: inForce?.digest ?? null,
    since: (await snapshot()).status.last_reconfigured,
    read: { at, taken, problems: found.map(problemView) },
    pipelines: layout?.pipelines.map((pipeline) => pipelineView(pipeline, layout.places)) ?? [],
    projects: Object.values(layout?.projects ?? {}).map(projectView),
  };
}

/** Without the line it is about: that one may hold a secret. */
function problemView({ severity, code, message, hint, at }: Problem): ConfigView['read']['problems'][number] {
  const place = at === undefined ? null : `${at.file}:${at.line}:${at.column}`;
  return { severity, code, message, hint: hint ?? null, place };
}

function pipelineView(
  pipeline: Pipeline,
  places: Readonly<Record<string, string>>,
): ConfigView['pipelines'][number] {
  return {
    name: pipeline.name,
    description: pipeline.description ?? null,
    manager: pipeline.manager,
    precedence: pipeline.precedence,
    window: pipeline.window.size,
    triggers: pipeline.triggers.map(triggerText),
    success: pipeline.success.map(reporterText),
    failure: pipeline.failure.map(reporterText),
    place: own(places, `pipeline ${pipeline.name}`) ?? null,
  };
}

function projectView({ name, mergeMode, pipelines, place }: ProjectRule): ConfigView['projects'][number] {
  return {
    name,
    mergeMode,
    pipelines: Object.fromEntries(
      Object.entries(pipelines).map(([pipeline, trees]) => [
        pipeline,
        trees.flatMap((tree) => flat(tree, 0)),
      ]),
    ),
    place: place ?? null,
  };
}

function flat({ job, children }: JobTree, depth: number): { job: string; depth: number }[] {
  return [{ job, depth }, ...children.flatMap((child) => flat(child, depth + 1))];
}

function triggerText(trigger: Trigger): string {
  switch (trigger.kind) {
    case 'timer':
      return `timer ${trigger.time}`;
    case 'zuul':
      return [trigger.events.join(', '), ...trigger.pipelines.map((name) => `in ${name}`)].join(' ');
    case 'gerrit':
      return [
        trigger.events.join(', '),
        ...trigger.comments.map((pattern) => `comment ${pattern}`),
        ...trigger.branches.map((pattern) => `branch ${pattern}`),
        ...trigger.refs.map((pattern) => `ref ${pattern}`),
        ...trigger.approvals.map(({ label, value }) => `${label} ${signed(value)}`),
      ].join(', ');
  }
  return trigger satisfies never;
}

function reporterText({ connection, driver, labels, submit }: Reporter): string {
  const votes = Object.entries(labels).map(([label, value]) => `${label} ${signed(value)}`);
  return [driver === 'gerrit' ? connection : driver, ...votes, ...(submit ? ['submit'] : [])].join(' ');
}

function signed(value: number): string {
  return value > 0 ? `+${value}` : String(value);
}
