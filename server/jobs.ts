import { z } from 'zod';
import { didYouMean } from '../jobs/problem.ts';
import type { JobRule, JobTree, Layout } from '../pipelines/layout.ts';
import { own } from '../pipelines/own.ts';
import type { HistoryRow, SiteConfig } from '../pipelines/ports.ts';
import { buildOf } from './builds.ts';
import type { JobList, JobShort, JobView } from './contract.ts';
import type { ServerPorts } from './ports.ts';
import { Refusal } from './problem.ts';

type Sources = Pick<ServerPorts, 'config' | 'estimate' | 'history'>;

/** What is shown of a definition (jobs/definition.ts); what is not there is not shown. */
const Definition = z.object({
  description: z.string().nullish().catch(null),
  node: z.string().catch(''),
  timeout: z.object({ limit: z.number() }).nullish().catch(null),
  parameters: z.record(z.string(), z.string()).catch({}),
  passwords: z.array(z.string()).catch([]),
  builders: z.array(z.unknown()).catch([]),
  publishers: z.array(z.object({ include: z.array(z.string()).catch([]) }).catch({ include: [] })).catch([]),
  place: z.string().nullish().catch(null),
});

/** Builds that are looked at for all jobs together, and for one. */
const lately = { all: 500, one: 50 };
const recent = 20;

export async function listJobs(sources: Sources): Promise<JobList> {
  const config = sources.config();
  if (config === undefined) return { jobs: [] };
  const used = usesOf(config.layout);
  const builds = grouped(await sources.history.builds({ limit: lately.all }), nameOf);
  const names = Object.keys(config.jobs).sort();
  return {
    jobs: names.map((name) =>
      shortOf(sources, config, name, builds.get(name) ?? [], used.get(name) ?? new Map()),
    ),
  };
}

export async function findJob(sources: Sources, name: string): Promise<JobView> {
  const config = sources.config();
  if (config === undefined) throw new Refusal(503, 'no-configuration', 'no configuration is in force yet');
  if (own(config.jobs, name) === undefined) {
    const near = didYouMean(name, Object.keys(config.jobs));
    throw new Refusal(
      404,
      'unknown-job',
      `there is no job ${JSON.stringify(name)}`,
      near === undefined ? undefined : `did you mean \`${near}\`?`,
    );
  }
  const builds = await sources.history.builds({ job: name, limit: lately.one });
  const uses = usesOf(config.layout).get(name) ?? new Map<string, string[]>();
  const definition = Definition.parse(own(config.jobs, name));
  const rule = own(config.layout.jobs, name);
  const hidden = Object.fromEntries(definition.passwords.map((each) => [each, '****']));
  const projects = grouped(
    [...uses].flatMap(([pipeline, those]) => those.map((project) => ({ pipeline, project }))),
    ({ project }) => project,
  );
  return {
    ...shortOf(sources, config, name, builds, uses),
    place: definition.place ?? null,
    timeout: definition.timeout?.limit ?? null,
    parameters: { ...definition.parameters, ...hidden },
    steps: definition.builders.length,
    artifacts: definition.publishers.flatMap(({ include }) => include),
    rules: rule === undefined ? [] : rulesOf(rule),
    attempts: rule?.attempts ?? 3,
    projects: [...projects].map(([project, those]) => ({
      project,
      pipelines: those.map(({ pipeline }) => pipeline),
    })),
  };
}

function shortOf(
  sources: Sources,
  config: SiteConfig,
  name: string,
  builds: readonly HistoryRow[],
  uses: ReadonlyMap<string, readonly string[]>,
): JobShort {
  const definition = Definition.parse(own(config.jobs, name));
  const shown = builds.slice(0, recent).map((row) => buildOf(row).build);
  const project = shown[0]?.project ?? uses.values().next().value?.[0] ?? '';
  return {
    name,
    description: definition.description ?? null,
    node: definition.node,
    voting: own(config.layout.jobs, name)?.voting ?? true,
    estimate: sources.estimate(name, project) ?? null,
    recent: shown.map(({ uuid, result, startedAt, finishedAt }) => ({
      uuid,
      result: result ?? '',
      took: startedAt === null || finishedAt === null ? null : finishedAt - startedAt,
      at: finishedAt ?? 0,
    })),
    used: [...uses].map(([pipeline, projects]) => ({ pipeline, projects: projects.length })),
  };
}

/** Job → pipeline → projects. */
function usesOf(layout: Layout): Map<string, Map<string, string[]>> {
  const uses = new Map<string, Map<string, string[]>>();
  for (const project of Object.values(layout.projects)) {
    for (const [pipeline, trees] of Object.entries(project.pipelines)) {
      for (const job of new Set(trees.flatMap(namesOf))) {
        const those = uses.get(job) ?? new Map<string, string[]>();
        uses.set(job, those.set(pipeline, [...(those.get(pipeline) ?? []), project.name]));
      }
    }
  }
  return uses;
}

function grouped<T>(values: readonly T[], by: (value: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const value of values) {
    const key = by(value);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [value]);
    else group.push(value);
  }
  return groups;
}

function namesOf({ job, children }: JobTree): string[] {
  return [job, ...children.flatMap(namesOf)];
}

function nameOf(row: HistoryRow): string {
  return buildOf(row).build.job;
}

function rulesOf(rule: JobRule): string[] {
  const lists = [
    ['branch', rule.branches],
    ['files', rule.files],
    ['not for files', rule.irrelevantFiles],
  ] as const;
  const said = lists.flatMap(([what, patterns]) => patterns.map((pattern) => `${what} ${pattern}`));
  if (rule.mutex !== undefined) said.push(`one at a time: ${rule.mutex}`);
  if (rule.semaphore !== undefined) said.push(`${rule.semaphore.count} at a time: ${rule.semaphore.name}`);
  if (rule.holdFollowingChanges) said.push('holds the following changes');
  return said;
}
